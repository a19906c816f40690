//! The machine's kernel is the real one: effects and requests as system calls.
//!
//! One place waits (`Linux::wait`), one reaps (`reap`), one sends (`Linux::kill`).
//! No decision is made here; where one seems to be needed, the vocabulary of `lastout-core`
//! lacks a word.

use core::ffi::c_int;

use lastout_core::{
    Effect, Entry, Event, Kernel, Millis, Notice, Pid, Policy, Request, Signal, SignalSet, Status,
    Step, Target,
};

use super::everybody;
use super::proc::Stat;
use super::record::Record;
use super::spawn::Start;
use super::sys::{self, Pid1, SigInfo};
use super::terminal::Terminal;
use crate::cli::Verbosity;
use crate::words::{self, Asked, Stderr};

const NS_PER_MS: u64 = 1_000_000;

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
    /// When everybody was asked.
    asked: Asked,
    /// Has this step found out that there is nobody else? The kernel looks at every process of the
    /// machine for that (30 ns each), not only at ours.
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
            let limit = match self.deadline {
                None => None,
                Some(deadline) => {
                    let now = sys::now(libc::CLOCK_MONOTONIC);
                    if now >= deadline {
                        return self.alarm(now - deadline);
                    }
                    Some(deadline - now)
                }
            };
            // EAGAIN: the alarm, which the clock decides. EINTR: we were stopped and continued,
            // or frozen and thawed (K98).
            if let Ok((signal, info)) = sys::take_signal(SignalSet::FULL, limit) {
                return Event::Signal { signal, value: info.queued_value() };
            }
        }
    }

    /// The alarm, if it is over.
    fn overdue(&mut self) -> Option<Event> {
        let deadline = self.deadline?;
        let late = sys::now(libc::CLOCK_MONOTONIC).checked_sub(deadline)?;
        Some(self.alarm(late))
    }

    fn alarm(&mut self, late: u64) -> Event {
        self.deadline = None;
        Event::Alarm { late: Millis(u32::try_from(late / NS_PER_MS).unwrap_or(u32::MAX)) }
    }

    fn census(&self) -> Event {
        match &self.pid1 {
            Some(pid1) if everybody::has_company(pid1) => Event::Company,
            _ => Event::Alone,
        }
    }

    fn kill(&mut self, target: Target, signal: Signal, value: Option<u64>) {
        match target {
            Target::Main(pid) => {
                let queued = value.is_some_and(|value| sys::queue(pid, signal, value).is_ok());
                if !queued {
                    // No value, or too many are queued already (K21): then without it. Denied
                    // (K66) or dead: nothing can be done.
                    let _ = sys::kill(pid, signal);
                }
            }
            Target::Group(pid) => drop(sys::kill_group(pid, signal)),
            Target::All => {
                self.note_asking(signal);
                // As a rule everybody has gone when everybody is asked; then there is nobody for
                // the CONT behind it either.
                if let Some(pid1) = self.pid1.as_ref().filter(|_| !self.nobody) {
                    self.nobody = !pid1.kill_everybody(signal);
                }
            }
            Target::Descendants => {
                self.note_asking(signal);
                everybody::kill_descendants(signal);
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
            Effect::Say(notice) => self.say(notice),
        }
    }

    fn answer(&mut self, request: Request) -> Event {
        self.nobody = false;
        match request {
            Request::Spawn => self.spawn(),
            Request::Wait => self.wait(),
            Request::Reap => self.overdue().unwrap_or_else(|| reap(sys::report_of_a_child)),
            Request::Census => self.overdue().unwrap_or_else(|| self.census()),
            Request::Exit(code) => sys::exit(code),
        }
    }

    fn watch(&mut self, event: Event, step: &Step) {
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

/// Takes one report of one child from `next`. One that means nothing to us is taken all the same,
/// and others may be waiting behind it: they are asked for until there is none (S3).
fn reap(mut next: impl FnMut() -> sys::Result<Option<SigInfo>>) -> Event {
    loop {
        let Ok(told) = next() else {
            return Event::NoChildren;
        };
        let Some(info) = told else {
            return Event::NoneReady;
        };
        if let Some(event) = report(&info) {
            return event;
        }
    }
}

/// What the lower bits of wait(2)'s status are if it tells of no death.
const NO_DEATH: u8 = 0x7f;

/// gVisor's waitid(2) tells of a stop, a continuation and a traced child's stop as if of a death by
/// signal 127, of which nobody dies (docs/kernel.md, "Other kernels"). Which of them it was, its
/// state in /proc tells, if there is one; what stopped the child, only if it is traced (`before`).
fn still_there(
    pid: Pid,
    state: Option<u8>,
    before: impl FnOnce(Pid) -> sys::Result<c_int>,
) -> Event {
    match state {
        Some(b't') => {
            let before = before(pid).ok().and_then(|n| u8::try_from(n).ok()).and_then(Signal::new);
            // It no longer stands still, or another process traces it.
            before.map_or(Event::Continued(pid), |signal| Event::Trapped(pid, signal))
        }
        // Without /proc, too: to take a running child for a stopped one does it no harm.
        Some(b'T') | None => Event::Stopped(pid, Signal::STOP),
        Some(_) => Event::Continued(pid),
    }
}

/// What a child's report says (wait(2), `siginfo_t`). Numbers only: a real-time signal is one
/// like any other. Nothing, if a kernel should invent a report that we do not know.
fn report(info: &SigInfo) -> Option<Event> {
    let pid = u32::try_from(info.pid).ok().and_then(Pid::new)?;
    // Exit codes are 0 to 255 and signals 1 to 64, so a byte holds either (K35).
    let status = u8::try_from(info.status() & 0xff).ok()?;
    let signal = Signal::new(status & 0x7f);
    Some(match info.code {
        libc::CLD_EXITED => Event::Reaped(pid, Status::Exited(status)),
        libc::CLD_KILLED if status == NO_DEATH => {
            still_there(pid, Stat::of(pid).map(|stat| stat.state), sys::trapped_before)
        }
        libc::CLD_KILLED => Event::Reaped(pid, Status::Killed { signal: signal?, core: false }),
        libc::CLD_DUMPED => Event::Reaped(pid, Status::Killed { signal: signal?, core: true }),
        libc::CLD_STOPPED => Event::Stopped(pid, signal?),
        libc::CLD_TRAPPED => Event::Trapped(pid, signal?),
        libc::CLD_CONTINUED => Event::Continued(pid),
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: u32) -> Pid {
        Pid::new(number).expect("a pid")
    }

    #[test]
    fn a_death_by_signal_127_is_a_stop_or_a_continuation() {
        // Of a pid that nobody can have: as if there were no /proc.
        let nobody = pid(Pid::MAX);
        let info = SigInfo::of_a_child(nobody, libc::CLD_KILLED, NO_DEATH);
        assert_eq!(report(&info), Some(Event::Stopped(nobody, Signal::STOP)));
        let untraced = |_| panic!("only who is traced is asked what stopped it");
        for state in [Some(b'T'), None] {
            let told = still_there(pid(7), state, untraced);
            assert_eq!(told, Event::Stopped(pid(7), Signal::STOP), "{state:?}");
        }
        // Dead as well: there is a report of that behind this one.
        for state in *b"RSDIZX" {
            assert_eq!(still_there(pid(7), Some(state), untraced), Event::Continued(pid(7)));
        }
    }

    #[test]
    fn a_death_by_signal_127_of_a_traced_child_is_its_stop_if_that_can_be_told() {
        let traced = |before| still_there(pid(7), Some(b't'), |_| before);
        assert_eq!(traced(Ok(libc::SIGUSR1)), Event::Trapped(pid(7), Signal::USR1));
        for unknown in [Err(sys::Errno(libc::ESRCH)), Ok(0), Ok(65), Ok(-1)] {
            assert_eq!(traced(unknown), Event::Continued(pid(7)), "{unknown:?}");
        }
    }

    #[test]
    fn a_report_that_means_nothing_does_not_hide_those_behind_it() {
        let unknown = || SigInfo::of_a_child(pid(7), 99, 0);
        let end = || SigInfo::of_a_child(pid(8), libc::CLD_EXITED, 3);
        let told = |reports: Vec<sys::Result<Option<SigInfo>>>| {
            let mut reports = reports.into_iter();
            let event = reap(|| reports.next().expect("no more is asked than there is"));
            (event, reports.count())
        };
        let reaped = Event::Reaped(pid(8), Status::Exited(3));
        assert_eq!(told(vec![Ok(Some(end())), Ok(None)]), (reaped, 1));
        assert_eq!(told(vec![Ok(Some(unknown())), Ok(Some(end())), Ok(None)]), (reaped, 1));
        assert_eq!(told(vec![Ok(Some(unknown())), Ok(None)]), (Event::NoneReady, 0));
        let none = Err(sys::Errno(libc::ECHILD));
        assert_eq!(told(vec![Ok(Some(unknown())), none]), (Event::NoChildren, 0));
    }

    #[test]
    fn a_death_by_a_signal_that_there_is_stays_one() {
        let pid = Pid::new(7).expect("a pid");
        for signal in (1..=64).filter_map(Signal::new) {
            let status = signal.number();
            let told = report(&SigInfo::of_a_child(pid, libc::CLD_KILLED, status));
            assert_eq!(told, Some(Event::Reaped(pid, Status::Killed { signal, core: false })));
        }
    }
}
