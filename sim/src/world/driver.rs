//! The init under test: its decisions, and their system calls in the simulated kernel.
//!
//! What `os/src/linux` is to the real kernel, this is to the simulated one. A step is decided
//! when its event is taken; each of its effects is then a move of its own, so that everybody
//! else can move in between. A walk over the descendants is as many moves as there are processes
//! to signal, because it is no single system call (K50).
//!
//! Long, because it is the adapter once more: every request and every effect, in one place each.

use lastout_core::{
    Effect, Effects, Entry, Event, Millis, Notice, Pid, Request, Signal, SignalSet, SpawnError,
    Status, Step, Target,
};

use super::{Verdict, World};
use crate::kernel::{Disposition, Errno, Kernel, Sender, State, Unhashed, Waited, next_signal};
use crate::laws;
use crate::machine::{Kind, Machine};
use crate::mutant::Mutant;
use crate::note::Note;
use crate::program::Code;
use crate::setting::Setting;
use crate::witness::Witness;

/// The init under test.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Driver {
    /// Its pid.
    pub pid: Pid,
    kind: Kind,
    /// Its decisions.
    pub machine: Machine,
    effects: Effects,
    done: u8,
    request: Request,
    /// What is left until the alarm; negative: it is late.
    pub alarm: Option<i32>,
    /// What is left until it has been quiet for long enough, while it settles; negative: that is
    /// over.
    pub settle: Option<i32>,
    /// It has blocked all signals.
    pub masked: bool,
    walk: Option<Walk>,
    /// The code it has left with.
    pub left: Option<u8>,
    /// The main child's pid, for its life, if there is a terminal.
    started: Option<Pid>,
    /// The event of its last step, for the reader.
    pub last: Unhashed<Option<Event>>,
}

/// A walk over the descendants (`everybody::kill_descendants`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Walk {
    signal: Signal,
    /// The pids that were signalled, or that were found to be none of ours, in this pass or an
    /// earlier one.
    signalled: Vec<Pid>,
    /// Where in the list of /proc, which is in order of the pids, it is.
    at: u32,
    /// Somebody new was found in this pass.
    found: bool,
}

impl Driver {
    /// An init that has done nothing yet.
    pub fn new(pid: Pid, kind: Kind) -> Self {
        let (machine, request) = Machine::start();
        Self {
            pid,
            kind,
            machine,
            effects: Effects::NONE,
            done: 0,
            request,
            alarm: None,
            settle: None,
            masked: false,
            walk: None,
            left: None,
            started: None,
            last: Unhashed(None),
        }
    }

    fn next_effect(&self) -> Option<Effect> {
        self.effects.iter().nth(usize::from(self.done))
    }

    fn takes_effect(&mut self) -> Option<Effect> {
        let effect = self.next_effect()?;
        self.done += 1;
        if self.next_effect().is_none() {
            self.done = 0;
            self.effects = Effects::NONE;
        }
        Some(effect)
    }

    /// Does it sleep until somebody wakes it, or the alarm?
    pub fn is_waiting(&self) -> bool {
        self.sleeps() && self.settle.is_none()
    }

    /// Does it sleep, until it is woken or until it has been quiet for long enough?
    fn sleeps(&self) -> bool {
        self.masked
            && self.walk.is_none()
            && self.next_effect().is_none()
            && matches!(self.request, Request::Wait | Request::Settle(_) | Request::Watch(_))
    }

    /// Has it something to do?
    pub fn can_move(&self, kernel: &Kernel, _: &Setting) -> bool {
        !self.sleeps() || self.clock().is_some_and(|left| left <= 0) || self.is_woken(kernel)
    }

    /// Is a clock all that it has to do something about?
    pub fn only_clock(&self, kernel: &Kernel) -> bool {
        self.sleeps() && !self.is_woken(kernel)
    }

    /// What is left until the first of its clocks runs out.
    pub fn clock(&self) -> Option<i32> {
        self.alarm.into_iter().chain(self.settle).min()
    }

    /// Has a signal come, or the end that it watches for?
    fn is_woken(&self, kernel: &Kernel) -> bool {
        kernel.process(self.pid).is_some_and(|process| !process.pending.is_empty())
            || matches!(self.request, Request::Watch(_)) && kernel.kept.is_some()
    }

    /// The main child's pid, for its life, if there is a terminal.
    pub const fn started(&self) -> Option<Pid> {
        self.started
    }

    /// What it asked last.
    pub const fn request(&self) -> Request {
        self.request
    }
}

impl World {
    /// Init makes its next system call.
    pub(crate) fn init_moves(&mut self, setting: &Setting) -> Verdict {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        let pid = driver.pid;
        if !driver.masked {
            driver.masked = true;
            self.kernel.set_blocked(pid, SignalSet::FULL);
            return Ok(());
        }
        if driver.walk.is_some() {
            return self.walks(setting);
        }
        if let Some(effect) = driver.takes_effect() {
            self.performs(setting, effect)?;
        } else {
            let request = driver.request;
            let Some(event) = self.answer(setting, request) else {
                return Ok(());
            };
            self.decides(setting, event)?;
        }
        // What nobody else can notice is no move of its own.
        while let Some(driver) = &mut self.driver
            && driver.walk.is_none()
            && let Some(Effect::SetAlarm(_) | Effect::Say(_)) = driver.next_effect()
            && let Some(effect) = driver.takes_effect()
        {
            self.performs(setting, effect)?;
        }
        Ok(())
    }

    /// The step that answers `event`. Its effects are still to be performed.
    pub(crate) fn decides(&mut self, setting: &Setting, event: Event) -> Verdict {
        let driver = self.driver.as_mut().expect("it moves");
        debug_assert!(driver.request.admits(event), "{event:?} answers no {:?}", driver.request);
        let before = driver.machine.init.phase();
        let step = driver.machine.step(driver.kind, &setting.policy, event);
        let phase = driver.machine.init.phase();
        let pid = driver.pid;
        driver.last.0 = Some(event);
        driver.effects = step.effects;
        driver.done = 0;
        driver.request = step.next;
        driver.settle = match step.next {
            Request::Settle(quiet) => Some(i32::try_from(quiet.0).unwrap_or(i32::MAX)),
            _ => None,
        };
        self.kernel.notes.add(|| Note::Step { pid, entry: Entry { event, step } });
        if phase != before {
            self.kernel.notes.add(|| Note::Phase { phase });
        }
        if let Event::Spawned(main) = event {
            // What a terminal's foreground is compared with, later on; nobody else asks.
            driver.started = Some(main).filter(|_| setting.policy.terminal);
            self.kernel.mark_main(main);
        }
        self.looks(event, &step);
        if !setting.judged {
            return Ok(());
        }
        let rules = Self::rules(setting);
        self.watch.step(rules, &mut self.kernel, pid, event, &step)?;
        if let Request::Exit(code) = step.next {
            let driver = self.driver.as_ref().expect("it moves");
            let (mut machine, kind) = (driver.machine, driver.kind);
            // Mistakes outside of the core do not know that it has left; only this one is about it.
            let asked = [Kind::Lastout, Kind::Mutant(Mutant::ActsAfterExit)].contains(&kind);
            if asked && setting.judged {
                laws::nothing_after_exit(code, |event| machine.step(kind, &setting.policy, event))?;
            }
        }
        Ok(())
    }

    /// Performs what is left of the effects of the last step, while nobody else moves.
    pub(crate) fn performs_all(&mut self, setting: &Setting) -> Verdict {
        while let Some(driver) = &mut self.driver {
            if driver.walk.is_some() {
                self.walks(setting)?;
            } else if let Some(effect) = driver.takes_effect() {
                self.performs(setting, effect)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Time passes until the alarm is so late. False: there is none.
    pub(crate) fn alarm_is_due(&mut self, late: Millis) -> bool {
        let alarm = self.driver.as_mut().and_then(|driver| driver.alarm.as_mut());
        alarm.map(|left| *left = 0_i32.saturating_sub_unsigned(late.0)).is_some()
    }

    /// Time passes until it has been quiet for long enough.
    pub(crate) fn has_settled(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.settle = driver.settle.map(|_| 0);
        }
    }

    /// What this event and step are witnesses of.
    fn looks(&mut self, event: Event, step: &Step) {
        let main = self.watch.main();
        match event {
            Event::Spawned(pid) => self.seen.0.main = Some(pid),
            Event::SpawnFailed(_) => self.saw(Witness::StartFailed),
            Event::Signal { signal: Signal::CHLD, .. } | Event::Chld(_) => self.seen.0.deaths = 0,
            Event::Settled => self.saw(Witness::Settled),
            Event::Signal { signal, .. } => {
                self.seen.0.sent = self.seen.0.sent.with(signal);
                if self.dead_main().is_some() {
                    self.saw(Witness::SignalBetween);
                }
            }
            Event::Alarm { late } if !late.is_zero() => self.saw(Witness::LateTick),
            Event::Reaped(pid, status) => {
                self.seen.0.deaths = self.seen.0.deaths.saturating_add(1);
                if self.seen.0.deaths == 2 {
                    self.saw(Witness::TwoDeaths);
                }
                if main == Some(pid) {
                    if let Status::Killed { signal, .. } = status
                        && self.seen.0.sent.contains(signal)
                    {
                        self.saw(Witness::MainDiesOfForwarded);
                    }
                } else {
                    self.saw(Witness::OrphanAdopted);
                }
            }
            Event::Proven(..) => self.saw(Witness::Proven),
            Event::Trapped(..) => self.saw(Witness::Trapped),
            Event::Company if main.is_none() => self.saw(Witness::EnteredOutlives),
            _ => (),
        }
        for effect in step.effects.iter() {
            match effect {
                Effect::Say(Notice::StopGraceOver) => self.saw(Witness::StopGraceOver),
                Effect::Say(Notice::KillGraceOver) => self.saw(Witness::KillGraceOver),
                Effect::Say(Notice::Killing) => self.saw(Witness::Escalated),
                Effect::Say(Notice::MainLost) => self.saw(Witness::MainLost),
                _ => (),
            }
        }
    }

    /// The answer to a request; none: it has left.
    pub(crate) fn answer(&mut self, setting: &Setting, request: Request) -> Option<Event> {
        let driver = self.driver.as_mut().expect("it moves");
        let pid = driver.pid;
        // The adapter looks at the clock before it asks anything else.
        if !matches!(request, Request::Spawn | Request::Exit(_))
            && let Some(left @ ..=0) = driver.alarm
        {
            driver.alarm = None;
            return Some(Event::Alarm { late: Millis(left.unsigned_abs()) });
        }
        match request {
            Request::Spawn => Some(self.spawns(setting, self.kernel.free_pid())),
            Request::Wait => self.takes(pid).map(|(event, _)| event),
            Request::Settle(_) => {
                let is_over = driver.settle.is_some_and(|left| left <= 0);
                match self.takes(pid) {
                    Some((_, Some(child))) => Some(Event::Chld(child)),
                    Some((event, None)) => Some(event),
                    None => is_over.then_some(Event::Settled),
                }
            }
            Request::Watch(main) => match self.kernel.kept.take() {
                Some(status) => Some(Event::Reaped(main, status)),
                None => self.takes(pid).map(|(event, _)| event),
            },
            Request::Reap | Request::ReapOne(_) | Request::Prove(_) => {
                Some(self.looks_for_report(setting, request))
            }
            // Zombies of parents outside are no company (K48).
            Request::Census if self.kernel.others_alive() > 0 => Some(Event::Company),
            Request::Census => Some(Event::Alone),
            Request::Exit(code) => {
                driver.left = Some(code);
                self.kernel.exit(pid, code);
                None
            }
        }
    }

    /// Init takes the next signal, if there is one. Of a CHLD it is told whom it names.
    fn takes(&mut self, init: Pid) -> Option<(Event, Option<Pid>)> {
        let process = self.kernel.process_mut(init)?;
        let signal = next_signal(process.pending)?;
        let value = process.take(signal)?;
        let from = if signal == Signal::CHLD { self.kernel.chld_from.take() } else { None };
        Some((Event::Signal { signal, value }, from))
    }

    /// Init asks for a report.
    fn looks_for_report(&mut self, setting: &Setting, request: Request) -> Event {
        let driver = self.driver.as_ref().expect("it moves");
        let (init, main) = (driver.pid, driver.machine.init.main_child());
        let reaps = !self.kernel.ignores_chld(init);
        let kept = |kernel: &mut Kernel| {
            let status = kernel.kept.take();
            main.zip(status).map(|(main, status)| Event::Reaped(main, status))
        };
        // It had ended before init reaped again.
        if reaps && let Some(event) = kept(&mut self.kernel) {
            return event;
        }
        if let Request::Prove(main) = request
            && !setting.faults.forgetful
            && self.kernel.process(main).is_some_and(|process| process.ghost.main)
            && let Some((pid, status)) = self.kernel.reap_but(init, main)
        {
            return Event::Proven(pid, status);
        }
        let which = if let Request::ReapOne(child) = request { Some(child) } else { None };
        match self.kernel.wait(init, which, true) {
            Ok(Waited::Dead(pid, status)) => Event::Reaped(pid, status),
            Ok(Waited::Stopped(pid, signal)) => Event::Stopped(pid, signal),
            Ok(Waited::Trapped(pid, signal)) => Event::Trapped(pid, signal),
            Ok(Waited::Continued(pid)) => Event::Continued(pid),
            Err(_) if which.is_none() => kept(&mut self.kernel).unwrap_or(Event::NoChildren),
            Ok(Waited::Nothing) | Err(_) => Event::NoneReady,
        }
    }

    /// Init starts the main child, which gets that free number.
    pub(crate) fn spawns(&mut self, setting: &Setting, pid: Pid) -> Event {
        if let Some(error) = setting.faults.spawn {
            return Event::SpawnFailed(error);
        }
        let init = self.driver.as_ref().expect("it moves").pid;
        match self.kernel.fork_as(pid, init, Code::start(setting.main)) {
            Ok(pid) => {
                let _ = self.kernel.setpgid(pid);
                // Signal mask and dispositions are as init found them: nothing blocked here.
                self.kernel.set_blocked(pid, SignalSet::EMPTY);
                if setting.policy.terminal {
                    self.kernel.foreground = pid.number();
                }
                let id = self.kernel.process(pid).map_or(0, |process| process.id.0);
                self.kernel.notes.add(|| Note::Executes {
                    id,
                    pid,
                    program: setting.library.name(setting.main).into(),
                });
                Event::Spawned(pid)
            }
            Err(_) => Event::SpawnFailed(SpawnError::NoProcess),
        }
    }

    fn performs(&mut self, setting: &Setting, effect: Effect) -> Verdict {
        let driver = self.driver.as_mut().expect("it moves");
        let pid = driver.pid;
        match effect {
            Effect::Kill { target, signal, value } => self.kills(setting, target, signal, value),
            Effect::SetAlarm(span) => {
                driver.alarm = Some(i32::try_from(span.0).unwrap_or(i32::MAX));
                Ok(())
            }
            Effect::ForegroundMain(main) => {
                if self.kernel.foreground == pid.number() {
                    self.kernel.foreground = main.number();
                }
                Ok(())
            }
            Effect::ForegroundOwn => {
                if self
                    .driver
                    .as_ref()
                    .is_some_and(|d| d.started.map(Pid::number) == Some(self.kernel.foreground))
                {
                    self.kernel.foreground = pid.number();
                }
                Ok(())
            }
            Effect::StopSelf => {
                let orphaned = self.kernel.is_orphaned(pid.number());
                if let Some(process) = self.kernel.process_mut(pid).filter(|_| !orphaned) {
                    process.state = State::Stopped;
                    let id = process.id.0;
                    self.kernel.notes.add(|| Note::Stopped { id, pid, signal: Signal::STOP });
                }
                Ok(())
            }
            Effect::Detach(child, signal) => {
                self.kernel.detach(child, signal);
                Ok(())
            }
            Effect::KernelReaps | Effect::InitReaps => {
                let ignores = effect == Effect::KernelReaps;
                let to = if ignores { Disposition::Ignore } else { Disposition::Default };
                let _ = self.kernel.set_disposition(pid, Signal::CHLD, to);
                if ignores {
                    self.saw(Witness::KernelReaps);
                }
                Ok(())
            }
            Effect::Say(_) => Ok(()),
        }
    }

    fn kills(
        &mut self,
        setting: &Setting,
        target: Target,
        signal: Signal,
        value: Option<u64>,
    ) -> Verdict {
        let init = self.driver.as_ref().expect("it moves").pid;
        let sender = Sender::Inside(init);
        match target {
            // Sent by the pidfd, it goes to nobody else (K109).
            Target::Main(_) | Target::Group(_) if self.kernel.kept.is_some() => (),
            Target::Main(pid) => {
                self.judges(setting, target, signal, |p| p.pid == pid)?;
                let _ = self.kernel.kill(sender, pid, signal, value);
            }
            Target::Group(pid) => {
                let group = pid.number();
                self.judges(setting, target, signal, |p| p.group == group)?;
                let _: Result<(), Errno> = self.kernel.kill_group(sender, group, signal);
            }
            Target::All => {
                self.judges(setting, target, signal, |p| p.pid != init)?;
                if signal == Signal::CONT && self.has_stopped() {
                    self.saw(Witness::StoppedWoken);
                }
                let _: Result<(), Errno> = self.kernel.kill_all(sender, signal);
            }
            Target::Descendants => {
                let walk = Walk { signal, signalled: Vec::new(), at: 0, found: false };
                self.driver.as_mut().expect("it moves").walk = Some(walk);
                return self.walks(setting);
            }
        }
        Ok(())
    }

    fn has_stopped(&self) -> bool {
        self.kernel.processes.iter().any(|p| p.state == State::Stopped)
    }

    /// Lets the laws look at everybody who is about to be signalled.
    fn judges(
        &self,
        setting: &Setting,
        target: Target,
        signal: Signal,
        who: impl Fn(&crate::kernel::Process) -> bool,
    ) -> Verdict {
        if !setting.judged {
            return Ok(());
        }
        let rules = Self::rules(setting);
        self.kernel
            .processes
            .iter()
            .filter(|p| who(p))
            .try_for_each(|process| self.watch.kill(rules, &self.kernel, target, process, signal))
    }

    /// One more process of the walk; the walk is over when a pass finds nobody new.
    fn walks(&mut self, setting: &Setting) -> Verdict {
        let driver = self.driver.as_ref().expect("it moves");
        let init = driver.pid;
        let Some(walk) = &driver.walk else {
            return Ok(());
        };
        let new = |p: &&crate::kernel::Process| {
            p.pid.number() > walk.at
                && !walk.signalled.contains(&p.pid)
                && p.is_alive()
                && self.kernel.descends(p.pid, init)
        };
        let next = self.kernel.processes.iter().filter(new).map(|p| p.pid).min();
        let signal = walk.signal;
        if let Some(pid) = next {
            self.judges(setting, Target::Descendants, signal, |p| p.pid == pid)?;
            if signal == Signal::CONT && self.has_stopped() {
                self.saw(Witness::StoppedWoken);
            }
            let _ = self.kernel.kill(Sender::Inside(init), pid, signal, None);
        }
        let driver = self.driver.as_mut().expect("it moves");
        let walk = driver.walk.as_mut().expect("it walks");
        match next {
            Some(pid) => {
                walk.at = pid.number();
                walk.found = true;
                let place = walk.signalled.partition_point(|other| *other < pid);
                walk.signalled.insert(place, pid);
            }
            None if walk.found => {
                walk.at = 0;
                walk.found = false;
            }
            None => driver.walk = None,
        }
        Ok(())
    }
}
