//! The machine's kernel is the real one: effects and requests as system calls.
//!
//! One place takes signals (`Linux::take`), one reaps ([`Reaper`]), one sends (`Linux::kill`).
//! No decision is made here; where one seems to be needed, the vocabulary of `lastout-core`
//! lacks a word.

use core::ffi::c_int;

use lastout_core::{
    Effect, Entry, Event, Kernel, Millis, Notice, Pid, Policy, Request, Role, Signal, SignalSet,
    Step, Target,
};

use super::everybody;
use super::reaping::{Address, Reaper, reap_one};
use super::record::Record;
use super::spawn::Start;
use super::sys::{self, Errno, Pid1, SigInfo};
use super::terminal::Terminal;
use crate::cli::Verbosity;
use crate::words::{self, Asked, Stderr};

const NS_PER_MS: u64 = 1_000_000;

/// In ns: how often the main child's end is asked for where nothing can wait for it.
const NOW_AND_THEN: u64 = 50 * NS_PER_MS;

/// The real kernel, as one init sees it.
#[derive(Debug)]
pub struct Linux<'a> {
    /// What the machine goes by; here only for the words.
    pub policy: &'a Policy,
    /// How the main child is started.
    pub start: Start<'a>,
    /// The right to `kill(-1)`, if we are PID 1.
    pub pid1: Option<Pid1>,
    /// The controlling terminal, if there is one.
    pub terminal: Option<Terminal>,
    /// How much is told.
    pub verbosity: Verbosity,
    /// Where each step is written, if one is kept.
    pub record: Option<Record>,
    /// When the alarm is over, in ns of `CLOCK_MONOTONIC`.
    deadline: Option<u64>,
    /// The main child's pid; also when it is reaped, so only to compare with.
    main: Option<Pid>,
    /// Who reaps.
    reaper: Reaper,
    /// When everybody was asked.
    asked: Asked,
    /// Was there nobody else when everybody was asked, and has no time passed since, only reports
    /// been taken? The kernel looks at every process of the machine for that (30 ns each), not only
    /// at ours, so it is asked once: no CONT is sent to nobody, and a census does not look again. As
    /// nobody was there, nobody can have been born; who enters from outside between the asking and
    /// the census (K48) is in the same place as who enters right behind the census.
    nobody: bool,
    /// The last line of `-v`, and how often it came again.
    last: Option<(Entry, u32)>,
}

impl<'a> Linux<'a> {
    /// A kernel with nothing started yet.
    pub const fn new(
        policy: &'a Policy,
        start: Start<'a>,
        pid1: Option<Pid1>,
        terminal: Option<Terminal>,
        verbosity: Verbosity,
        record: Option<Record>,
    ) -> Self {
        Self {
            policy,
            start,
            pid1,
            terminal,
            verbosity,
            record,
            deadline: None,
            main: None,
            reaper: Reaper::Init,
            asked: Asked { first: None, last: None },
            nobody: false,
            last: None,
        }
    }

    /// Starts the main child, and lets go of what only that needs.
    fn spawn(&mut self) -> Event {
        match self.start.spawn() {
            Ok(pid) => {
                self.main = Some(pid);
                // From here on no mount is pinned and no pipe held open by us.
                close_inherited(self.record.as_ref().map(Record::number));
                sys::leave_directory();
                Event::Spawned(pid)
            }
            Err(failure) => {
                words::not_started(&self.start, &failure);
                Event::SpawnFailed(failure.error)
            }
        }
    }

    /// Waits for a signal or the alarm.
    fn wait(&mut self) -> Event {
        loop {
            let limit = match self.left() {
                Ok(limit) => limit,
                Err(alarm) => return alarm,
            };
            // EAGAIN: the alarm, which the clock decides. EINTR: we were stopped and continued,
            // or frozen and thawed (K98).
            if let Ok((signal, info)) = Self::take(limit) {
                return Event::Signal { signal, value: info.queued_value() };
            }
        }
    }

    /// Waits for a signal or the alarm, or until it was quiet for long enough.
    fn settle(&mut self, quiet: u64) -> Event {
        loop {
            let limit = match self.left() {
                Ok(limit) => limit.map_or(quiet, |left| left.min(quiet)),
                Err(alarm) => return alarm,
            };
            match Self::take(Some(limit)) {
                Ok((Signal::CHLD, info)) if let Some(child) = info.child() => {
                    return Event::Chld(child);
                }
                Ok((signal, info)) => {
                    return Event::Signal { signal, value: info.queued_value() };
                }
                Err(Errno(libc::EAGAIN)) => return self.overdue().unwrap_or(Event::Settled),
                // EINTR: as in a wait.
                Err(_) => (),
            }
        }
    }

    /// Waits for a signal, the alarm, or the end of the main child, which the kernel reaps.
    fn watch(&mut self) -> Event {
        if !matches!(self.reaper, Reaper::Kernel(_)) {
            // Nobody asks for that: there is no end to be told.
            return self.wait();
        }
        loop {
            let limit = match self.left() {
                Ok(limit) => limit,
                Err(alarm) => return alarm,
            };
            let wait = match self.reaper.watch(limit) {
                Ok(Some(end)) => return end,
                // What woke us may have been the alarm, or nothing: then there is no signal.
                Ok(None) => 0,
                Err(_) => match self.reaper.ended() {
                    Some(end) => return end,
                    None => limit.map_or(NOW_AND_THEN, |limit| limit.min(NOW_AND_THEN)),
                },
            };
            if let Ok((signal, info)) = Self::take(Some(wait)) {
                return Event::Signal { signal, value: info.queued_value() };
            }
        }
    }

    /// Takes a signal, or waits for one, at most `limit` ns.
    fn take(limit: Option<u64>) -> sys::Result<(Signal, SigInfo)> {
        sys::take_signal(SignalSet::FULL, limit)
    }

    /// How long until the alarm is over, in ns, if one is set; or the alarm, if it is.
    fn left(&mut self) -> Result<Option<u64>, Event> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let now = sys::now(libc::CLOCK_MONOTONIC);
        if now >= deadline {
            return Err(self.alarm(now - deadline));
        }
        Ok(Some(deadline - now))
    }

    /// The alarm, if it is over.
    fn overdue(&mut self) -> Option<Event> {
        let deadline = self.deadline?;
        let late = sys::now(libc::CLOCK_MONOTONIC).checked_sub(deadline)?;
        Some(self.alarm(late))
    }

    fn alarm(&mut self, late: u64) -> Event {
        self.deadline = None;
        self.nobody = false;
        Event::Alarm { late: Millis(u32::try_from(late / NS_PER_MS).unwrap_or(u32::MAX)) }
    }

    fn census(&self) -> Event {
        match &self.pid1 {
            Some(pid1) if !self.nobody && everybody::has_company(pid1) => Event::Company,
            _ => Event::Alone,
        }
    }

    fn kill(&mut self, target: Target, signal: Signal, value: Option<u64>) {
        match target {
            Target::Main(pid) => match self.reaper.address() {
                Address::Number => {
                    let queued = value.is_some_and(|value| sys::queue(pid, signal, value).is_ok());
                    if !queued {
                        // No value, or too many are queued already (K21): then without it. Denied
                        // (K66) or dead: nothing can be done.
                        let _ = sys::kill(pid, signal);
                    }
                }
                Address::Process(process) => {
                    let queue = |value| sys::pidfd_queue(process, signal, value).is_ok();
                    if !value.is_some_and(queue) {
                        let _ = sys::pidfd_send_signal(process, Some(signal));
                    }
                }
                Address::Nobody => (),
            },
            Target::Group(pid) => match self.reaper.address() {
                Address::Number => drop(sys::kill_group(pid, signal)),
                Address::Process(process) => drop(sys::pidfd_send_group(process, signal)),
                Address::Nobody => (),
            },
            Target::All => {
                self.note_asking(signal);
                // As a rule everybody has gone when everybody is asked.
                if let Some(pid1) = self.pid1.as_ref().filter(|_| !self.nobody) {
                    self.nobody = !pid1.kill_everybody(signal);
                }
            }
            Target::Descendants => {
                self.note_asking(signal);
                let adopts = self.policy.role == Role::Subreaper;
                everybody::kill_descendants(signal, adopts);
            }
        }
    }

    /// For the words: how long has whoever is killed been given?
    fn note_asking(&mut self, signal: Signal) {
        if signal == self.policy.drain_signal {
            self.asked.note(sys::now(libc::CLOCK_BOOTTIME));
        }
    }

    fn stop_self() {
        // TSTP and not STOP: if nobody could continue us the kernel drops it (K72). It is
        // delivered when the mask opens.
        sys::kill_own_group(Signal::TSTP);
        let all_but_stop = SignalSet::from_bits(!SignalSet::EMPTY.with(Signal::TSTP).bits());
        let mask = sys::set_mask(all_but_stop);
        sys::set_mask(mask);
    }

    #[cold]
    #[inline(never)]
    fn say(&self, notice: Notice) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let graces = &self.policy.graces;
        match notice {
            Notice::StopGraceOver => words::stop_grace_over(self.main, graces.stop),
            Notice::DrainGraceOver => words::drain_grace_over(graces.drain),
            Notice::Killing => {
                words::killing(self.pid1.as_ref(), self.policy.drain_signal, &self.asked);
            }
            Notice::KillGraceOver => words::kill_grace_over(self.pid1.as_ref(), graces.kill),
            Notice::MainLost => words::main_lost(self.main),
        }
    }

    /// Tells a step. Never inlined: most lives tell none, and a step is copied for it.
    #[cold]
    #[inline(never)]
    fn tell(&mut self, event: Event, step: &Step) {
        let entry = Entry { event, step: *step };
        if let Some(record) = &mut self.record {
            record.entry(&entry);
        }
        if self.verbosity == Verbosity::Verbose {
            self.print(entry);
        }
    }

    /// Prints a step, or counts it if it is the same as the one before: a clock that ticks
    /// would fill the screen.
    fn print(&mut self, entry: Entry) {
        if let Some((last, again)) = &mut self.last {
            if is_same(last, &entry) {
                *again += 1;
                return;
            }
            if *again > 0 {
                words::same_again(*again);
            }
        }
        self.last = Some((entry, 0));
        Stderr::line(format_args!("{entry}"));
    }
}

impl Kernel for Linux<'_> {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Kill { target, signal, value } => self.kill(target, signal, value),
            Effect::SetAlarm(span) => {
                let ns = u64::from(span.0) * NS_PER_MS;
                self.deadline = Some(sys::now(libc::CLOCK_MONOTONIC) + ns);
            }
            Effect::ForegroundMain(pid) => {
                if let Some(terminal) = self.terminal.filter(|t| t.is_ours()) {
                    terminal.hand_to(pid.number() as usize);
                }
            }
            Effect::ForegroundOwn => {
                if let (Some(terminal), Some(main)) = (self.terminal, self.main) {
                    terminal.take_back_from(main);
                }
            }
            Effect::StopSelf => Self::stop_self(),
            Effect::Detach(pid, signal) => sys::detach(pid, signal),
            Effect::KernelReaps => sys::ignore_chld(),
            Effect::InitReaps => self.reaper.reclaim(),
            Effect::Say(notice) => self.say(notice),
        }
    }

    fn answer(&mut self, request: Request) -> Event {
        // These take their time; the others do not wait. An alarm tells that it has passed.
        if matches!(
            request,
            Request::Spawn | Request::Wait | Request::Settle(_) | Request::Watch(_)
        ) {
            self.nobody = false;
        }
        let event = match request {
            Request::Spawn => self.spawn(),
            Request::Wait => self.wait(),
            Request::Settle(quiet) => self.settle(u64::from(quiet.0) * NS_PER_MS),
            Request::Watch(_) => self.watch(),
            Request::Reap => self.overdue().unwrap_or_else(|| self.reaper.reap()),
            Request::ReapOne(child) => self.overdue().unwrap_or_else(|| reap_one(child)),
            Request::Prove(main) => self.overdue().unwrap_or_else(|| self.reaper.prove(main)),
            Request::Census => self.overdue().unwrap_or_else(|| self.census()),
            Request::Exit(code) => sys::exit(code),
        };
        // To learn of an end may have taken its time.
        self.nobody &= !matches!(event, Event::Reaped(..));
        event
    }

    fn observe(&mut self, event: Event, step: &Step) {
        if self.record.is_some() || self.verbosity == Verbosity::Verbose {
            self.tell(event, step);
        }
    }
}

/// For the eye, a tick is a tick, a millisecond late or not.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let ticks = matches!((a.event, b.event), (Event::Alarm { .. }, Event::Alarm { .. }));
    a.step == b.step && (ticks || a.event == b.event)
}

/// Closes every descriptor beyond stderr but that one.
fn close_inherited(but: Option<c_int>) {
    /// As many as most systems allow a process that asks for nothing more.
    const ENOUGH: u64 = 65_536;
    // Without one: all behind stderr.
    let but = but.unwrap_or(2);
    for (first, last) in [(3, but - 1), (but + 1, c_int::MAX)] {
        if first > last || sys::close_range(first, last).is_ok() {
            continue;
        }
        let limit = sys::open_files_limit().min(ENOUGH);
        for fd in first..=last.min(c_int::try_from(limit).unwrap_or(c_int::MAX)) {
            sys::close(fd);
        }
    }
}
