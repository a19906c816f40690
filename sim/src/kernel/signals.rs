//! Generation and delivery of signals: part 0 of the kernel facts, in code.
//!
//! There are two places where a signal is discarded: when it is generated, by the mask and
//! disposition of that moment, and when it is delivered, by those of the later one. What it
//! does to other pending signals and to a stopped process happens when it is generated, even if
//! it is discarded.

use lastout_core::{Pid, Signal, SignalSet};

use super::process::{Disposition, Handler, Killer, Report, State, minus, next_signal};
use super::{Errno, Freezer, Kernel, Process};
use crate::note::{Note, What};

/// Who sends a signal, as the rules tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sender {
    /// The kernel.
    Kernel,
    /// A process of an ancestor namespace: the engine.
    Outside,
    /// A process of this namespace.
    Inside(Pid),
}

/// What a process does when it is to run next: the outcome of `get_signal`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delivery {
    /// Nothing is to be delivered; it goes on.
    GoesOn,
    /// A handler is to be entered.
    Handles(Signal, Handler),
    /// It stopped, or stands before a signal.
    Stands,
    /// It died.
    Died,
}

const fn set(signals: &[Signal]) -> SignalSet {
    let mut all = SignalSet::EMPTY;
    let mut at = 0;
    while at < signals.len() {
        all = all.with(signals[at]);
        at += 1;
    }
    all
}

const URG: Signal = Signal::new(23).unwrap();

/// What stops by default.
pub const STOPS: SignalSet = set(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU]);

/// What is ignored by default.
const IGNORED_BY_DEFAULT: SignalSet = set(&[Signal::CHLD, Signal::CONT, URG, Signal::WINCH]);

/// What leaves a core dump by default, signal(7): QUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, XCPU, XFSZ,
/// SYS. Such a death begins only when it is delivered; the dump itself is not simulated.
const DUMPS: SignalSet =
    SignalSet::from_bits(1 << 2 | 0b1_1111 << 3 | 1 << 10 | 0b11 << 23 | 1 << 30);

/// Does this signal kill who does nothing about it?
pub const fn kills_by_default(signal: Signal) -> bool {
    !STOPS.contains(signal) && !IGNORED_BY_DEFAULT.contains(signal)
}

/// Does a death by this signal leave a core dump, if one can be written?
pub const fn dumps_by_default(signal: Signal) -> bool {
    DUMPS.contains(signal)
}

/// What nobody can block or ignore (K18).
pub const UNSTOPPABLE: SignalSet = set(&[Signal::KILL, Signal::STOP]);

/// From here on they are real-time signals: each is queued.
const RTMIN: u8 = 32;

impl Process {
    /// Has its death begun (`complete_signal`)? KILL begins it at once, and so does a signal that
    /// kills by default, if the process could have run and had no other to deliver first. What
    /// comes later comes too late, and a frozen process of a version 2 cgroup dies all the same
    /// (K96).
    pub fn is_doomed(&self) -> bool {
        if self.pending.contains(Signal::KILL) {
            return true;
        }
        let deliverable = minus(self.pending, self.blocked);
        self.state == State::Running
            && !self.unkillable
            && !self.traced_by_parent
            && deliverable.bits().is_power_of_two()
            && next_signal(deliverable).is_some_and(|signal| {
                self.disposition(signal) == Disposition::Default
                    && ![STOPS, IGNORED_BY_DEFAULT, DUMPS].iter().any(|set| set.contains(signal))
            })
    }
}

impl Kernel {
    /// May `sender` signal the process at `at` (K65, K51)?
    fn may_signal(&self, sender: Sender, at: usize, signal: Signal) -> bool {
        let Sender::Inside(from) = sender else {
            return true;
        };
        let target = &self.processes[at];
        let Some(source) = self.process(from) else {
            return false;
        };
        let root = source.uid == 0 && (self.cap_kill || Some(from) != self.watched_pid());
        root || source.uid == target.uid
            || from == target.pid
            || signal == Signal::CONT && source.session == target.session
    }

    /// May the init under test signal that process? Otherwise it cannot ask it (K66).
    pub fn init_may_signal(&self, process: &Process) -> bool {
        self.cap_kill || process.uid == 0
    }

    /// kill(2) to one process; `None` only asks if that would be possible.
    ///
    /// # Errors
    /// `ESRCH`, `EPERM`.
    pub fn kill(
        &mut self,
        sender: Sender,
        pid: Pid,
        signal: Signal,
        value: Option<u64>,
    ) -> Result<(), Errno> {
        let at = self.find(pid).ok_or(Errno::NoSuchProcess)?;
        self.note_asking(at, signal, sender);
        if !self.may_signal(sender, at, signal) {
            return Err(Errno::NotPermitted);
        }
        self.generate(pid, signal, sender, value);
        Ok(())
    }

    /// kill(2) to a group: one atomic pass (K50), success if it reached somebody (K44).
    ///
    /// # Errors
    /// `ESRCH` for an empty group, `EPERM` if all of it was denied.
    pub fn kill_group(&mut self, sender: Sender, group: u32, signal: Signal) -> Result<(), Errno> {
        let mut outcome = Err(Errno::NoSuchProcess);
        for pid in self.members(group) {
            match self.kill(sender, pid, signal, None) {
                Ok(()) => outcome = Ok(()),
                Err(errno) if outcome.is_err() => outcome = Err(errno),
                Err(_) => (),
            }
        }
        outcome
    }

    /// kill(-1): everybody but PID 1 and the caller, in one atomic pass (K46, K50). It succeeds
    /// if anybody exists, zombies too, and does not tell of those it was denied (K43).
    ///
    /// # Errors
    /// `ESRCH` if nobody else exists.
    pub fn kill_all(&mut self, sender: Sender, signal: Signal) -> Result<(), Errno> {
        let caller = if let Sender::Inside(pid) = sender { Some(pid) } else { None };
        let others: Vec<Pid> = self
            .processes
            .iter()
            .map(|process| process.pid)
            .filter(|&pid| pid.number() != 1 && Some(pid) != caller)
            .collect();
        if others.is_empty() {
            return Err(Errno::NoSuchProcess);
        }
        for pid in others {
            let _ = self.kill(sender, pid, signal, None);
        }
        Ok(())
    }

    /// The members of a group, zombies too.
    pub fn members(&self, group: u32) -> Vec<Pid> {
        self.processes.iter().filter(|p| p.group == group).map(|p| p.pid).collect()
    }

    /// A signal is generated for a process (`send_signal` and `complete_signal`).
    pub fn generate(&mut self, pid: Pid, signal: Signal, sender: Sender, value: Option<u64>) {
        let Some(at) = self.find(pid) else {
            return;
        };
        self.note_killer(at, signal, sender);
        let what = self.queue_signal(at, signal, sender, value);
        let (id, from) = (self.processes[at].id.0, sender);
        self.notes.add(|| Note::Sent { from, id, pid, signal, what });
    }

    fn queue_signal(
        &mut self,
        at: usize,
        signal: Signal,
        sender: Sender,
        value: Option<u64>,
    ) -> What {
        let ends_are_kept = self.endings.is_some();
        let process = &mut self.processes[at];
        if !process.is_alive() {
            return What::Dead;
        }
        if process.is_doomed() {
            return What::Dying;
        }
        if STOPS.contains(signal) {
            process.forget(Signal::CONT);
        }
        let mut continued = false;
        if signal == Signal::CONT {
            STOPS.iter().for_each(|stop| process.forget(stop));
            if process.state == State::Stopped {
                // It runs again whatever it does about CONT (K25); its parent hears of it when
                // it does (K28: the slot holds the newer of the two).
                process.state = State::Running;
                process.report = Some(Report::Continued);
                process.owes_chld = true;
                continued = true;
            }
        }
        let process = &mut self.processes[at];
        if !process.blocked.contains(signal)
            && (!process.traced_by_parent || signal == Signal::KILL)
        {
            // Only KILL and STOP, and only from outside, pass by the protection of an init
            // without a handler (K1, K2, K13, K14).
            let forced = !matches!(sender, Sender::Inside(_)) && UNSTOPPABLE.contains(signal);
            let ignored = match process.disposition(signal) {
                Disposition::Ignore => true,
                Disposition::Handle(_) => false,
                Disposition::Default => {
                    IGNORED_BY_DEFAULT.contains(signal) || process.unkillable && !forced
                }
            };
            if ignored {
                return if continued { What::Continued } else { What::Dropped };
            }
        }
        process.ghost.got_term |= signal == Signal::TERM && ends_are_kept;
        let real_time = signal.number() >= RTMIN;
        if !real_time && process.pending.contains(signal) {
            return What::Coalesced;
        }
        process.pending = process.pending.with(signal);
        if real_time || value.is_some() {
            process.queue.push((signal, value));
        }
        if process.is_doomed() && !process.blocked.contains(signal) {
            // Nothing else will ever be delivered. (A CONT that is blocked only lets it happen.)
            process.pending = set(&[signal]);
            process.queue.clear();
        }
        if continued { What::Continued } else { What::Pending }
    }

    /// Init asks. A refusal (K66) counts as well: more it cannot do, and the process may be of its
    /// own user when it kills.
    fn note_asking(&mut self, at: usize, signal: Signal, sender: Sender) {
        if let (Sender::Inside(from), Some((init, drain))) = (sender, self.watched)
            && from == init
            && self.processes[at].is_alive()
        {
            let ghost = &mut self.processes[at].ghost;
            ghost.asked |= signal == drain;
            ghost.woken |= signal == Signal::CONT;
        }
    }

    fn note_killer(&mut self, at: usize, signal: Signal, sender: Sender) {
        let process = &self.processes[at];
        if signal == Signal::KILL && process.is_alive() && !process.is_doomed() {
            let by = match sender {
                Sender::Inside(pid) if Some(pid) == self.watched_pid() => Killer::Init,
                Sender::Kernel => Killer::Teardown,
                Sender::Inside(_) | Sender::Outside => Killer::Other,
            };
            self.processes[at].ghost.killed_by.0.get_or_insert(by);
        }
    }

    /// Could the process be given a signal now, if it were to run?
    pub fn has_deliverable(&self, at: usize) -> bool {
        let process = &self.processes[at];
        !minus(process.pending, process.blocked).is_empty()
    }

    /// Can it run at all, as far as stops, sleeps and freezing go?
    pub fn is_runnable(&self, at: usize) -> bool {
        let process = &self.processes[at];
        if process.uninterruptible {
            return false;
        }
        if self.frozen && !(self.freezer == Freezer::V2 && process.is_doomed()) {
            return false;
        }
        match process.state {
            State::Running => true,
            State::Stopped | State::Trapped(_) => process.pending.contains(Signal::KILL),
            State::Zombie(_) => false,
        }
    }

    /// `get_signal`: what a process that is about to run has to do first. A handler is left to
    /// the caller to enter, which has the program.
    pub fn deliver(&mut self, at: usize) -> Delivery {
        self.pay_chld(at);
        if self.processes[at].pending.contains(Signal::KILL) {
            self.die_of(at, Signal::KILL);
            return Delivery::Died;
        }
        loop {
            let process = &self.processes[at];
            let Some(signal) = next_signal(minus(process.pending, process.blocked)) else {
                return Delivery::GoesOn;
            };
            if process.traced_by_parent {
                self.stand_before(at, signal);
                return Delivery::Stands;
            }
            self.processes[at].take(signal);
            if let Some(fate) = self.act_on(at, signal) {
                return fate;
            }
        }
    }

    /// The default or chosen action of a signal that was just taken from the queue.
    fn act_on(&mut self, at: usize, signal: Signal) -> Option<Delivery> {
        let process = &mut self.processes[at];
        match process.disposition(signal) {
            Disposition::Ignore => None,
            Disposition::Handle(handler) => {
                if handler.once {
                    process.handlers.set(signal, None);
                }
                Some(Delivery::Handles(signal, handler))
            }
            Disposition::Default if IGNORED_BY_DEFAULT.contains(signal) => None,
            // The signal is consumed, and that is all (K5).
            Disposition::Default if process.unkillable && !UNSTOPPABLE.contains(signal) => None,
            Disposition::Default if STOPS.contains(signal) => {
                if signal != Signal::STOP && self.is_orphaned(self.processes[at].group) {
                    return None; // K72
                }
                self.stop(at, signal);
                Some(Delivery::Stands)
            }
            Disposition::Default => {
                self.die_of(at, signal);
                Some(Delivery::Died)
            }
        }
    }

    fn stop(&mut self, at: usize, signal: Signal) {
        let process = &mut self.processes[at];
        process.state = State::Stopped;
        process.report = Some(Report::Stopped(signal));
        let (id, pid) = (process.id.0, process.pid);
        self.notes.add(|| Note::Stopped { id, pid, signal });
        self.tell_parent(at);
    }

    fn stand_before(&mut self, at: usize, signal: Signal) {
        let process = &mut self.processes[at];
        process.take(signal);
        process.state = State::Trapped(signal);
        process.trap = Some(signal);
        let (id, pid) = (process.id.0, process.pid);
        self.notes.add(|| Note::Trapped { id, pid, signal });
        self.tell_parent(at);
    }

    /// ptrace(2), `PTRACE_DETACH`: it goes on, with that signal delivered if one is named.
    pub fn detach(&mut self, pid: Pid, signal: Option<Signal>) {
        let Some(at) = self.find(pid) else {
            return;
        };
        let process = &mut self.processes[at];
        if !matches!(process.state, State::Trapped(_)) {
            return;
        }
        process.traced_by_parent = false;
        process.state = State::Running;
        process.trap = None;
        if let Some(signal) = signal {
            process.pending = process.pending.with(signal);
        }
        let id = process.id.0;
        self.notes.add(|| Note::Goes { id, pid });
    }

    /// sigprocmask(2): KILL and STOP cannot be blocked (K18).
    pub fn set_blocked(&mut self, pid: Pid, blocked: SignalSet) {
        if let Some(process) = self.process_mut(pid) {
            process.blocked = minus(blocked, UNSTOPPABLE);
        }
    }

    /// sigaction(2).
    ///
    /// # Errors
    /// `EINVAL` for KILL and STOP (K18).
    pub fn set_disposition(
        &mut self,
        pid: Pid,
        signal: Signal,
        to: Disposition,
    ) -> Result<(), Errno> {
        if UNSTOPPABLE.contains(signal) {
            return Err(Errno::Invalid);
        }
        let Some(process) = self.process_mut(pid) else {
            return Err(Errno::NoSuchProcess);
        };
        let handler = if let Disposition::Handle(handler) = to { Some(handler) } else { None };
        if !process.handlers.set(signal, handler) {
            return Err(Errno::Invalid);
        }
        process.ignored = super::without(process.ignored, signal);
        if to == Disposition::Ignore {
            process.ignored = process.ignored.with(signal);
        }
        // What would be ignored now is no longer pending, blocked or not (K23).
        let ignores = to == Disposition::Ignore
            || to == Disposition::Default && IGNORED_BY_DEFAULT.contains(signal);
        if ignores {
            process.forget(signal);
            if signal == Signal::CHLD && self.watched_pid() == Some(pid) {
                self.chld_from = None;
            }
        }
        Ok(())
    }
}
