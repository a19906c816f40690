//! Who reaps: we, or the kernel in our stead; and what a report says.
//!
//! While the kernel reaps, the main child is held by a pidfd. Its number may be anybody's by now (K37),
//! so nothing is addressed by that, and how it ended the pidfd tells (K109). Whoever is asked for
//! the main child's end tells it once.

use core::ffi::c_int;

use lastout_core::machine::OWN_FAILURE;
use lastout_core::{Event, Pid, Signal, SignalSet, Status};

use super::proc::Stat;
use super::sys::{self, Errno, Fd, SigInfo};

/// Who reaps, and what that takes.
#[derive(Debug)]
pub enum Reaper {
    /// We do.
    Init,
    /// The kernel does, or will from [`Effect::KernelReaps`](lastout_core::Effect::KernelReaps) on.
    Kernel(Watched),
    /// The kernel does, and the main child's end has been told.
    KernelAlone,
    /// We do again. But the kernel had reaped the main child, which nobody was told yet.
    Reclaimed(Pid, Status),
}

/// The main child while the kernel reaps.
#[derive(Debug)]
pub struct Watched {
    main: Pid,
    process: Fd,
    /// Tells that a signal is pending.
    signals: Fd,
}

/// By what the main child and its group can be reached.
#[derive(Debug)]
pub enum Address<'a> {
    /// Its number: it is ours to reap, so that is its own (K37).
    Number,
    /// This descriptor.
    Process(&'a Fd),
    /// Nothing: it is reaped.
    Nobody,
}

impl Reaper {
    /// How to reach the main child.
    pub const fn address(&self) -> Address<'_> {
        match self {
            Self::Init => Address::Number,
            Self::Kernel(watched) => Address::Process(&watched.process),
            Self::KernelAlone | Self::Reclaimed(..) => Address::Nobody,
        }
    }

    /// Takes one report of any child.
    pub fn reap(&mut self) -> Event {
        if let Self::Reclaimed(main, status) = *self {
            *self = Self::Init;
            return Event::Reaped(main, status);
        }
        let event = one_report(sys::report_of_a_child);
        let Self::Kernel(watched) = self else {
            return event;
        };
        let event = match event {
            // The main child is ours until it is reaped: so it has been by the kernel, or is being.
            Event::NoChildren => {
                watched.ends().map_or(event, |status| Event::Reaped(watched.main, status))
            }
            _ => event,
        };
        if matches!(event, Event::Reaped(pid, _) if pid == watched.main) {
            *self = Self::KernelAlone;
        }
        event
    }

    /// Takes one report, and if it is of another child's end than `main`'s finds out whether the kernel
    /// can reap; if so, `main` is held from now on. All that is needed later is used once.
    #[cold]
    #[inline(never)]
    pub fn prove(&mut self, main: Pid) -> Event {
        let dead = sys::look_for_an_end().ok().flatten();
        let dead = dead.and_then(|info| info.child()).filter(|&child| child != main);
        let tools = dead.and_then(|dead| {
            let signals = sys::signalfd().and_then(above_stderr).ok()?;
            let process = sys::pidfd_open(main).and_then(above_stderr).ok()?;
            sys::pidfd_send_signal(&process, None).ok()?;
            Some((Watched { main, process, signals }, sys::pidfd_open(dead).ok()?))
        });
        let Some((watched, dead)) = tools else {
            return self.reap();
        };
        let event = sys::end_of(&dead).ok().flatten().and_then(|info| report(&info));
        match event {
            Some(Event::Reaped(child, status)) if is_told(&dead, status) => {
                *self = Self::Kernel(watched);
                Event::Proven(child, status)
            }
            Some(event) => event,
            None => self.reap(),
        }
    }

    /// Waits until the main child has ended, whose end this tells, or a signal is pending, or for
    /// `limit` ns, or for nothing.
    ///
    /// # Errors
    /// As [`sys::watch`], but EINTR: nobody can wait so any more, and [`Self::ended`] is to be asked now
    /// and then.
    #[inline(never)]
    pub fn watch(&mut self, limit: Option<u64>) -> sys::Result<Option<Event>> {
        let Self::Kernel(watched) = self else {
            return Ok(None);
        };
        match sys::watch(&watched.process, Some(&watched.signals), limit) {
            Ok(false) | Err(Errno(libc::EINTR)) => Ok(None),
            // That it tells was proven. Should it not, our own failure is better than to wait for ever.
            Ok(true) => Ok(self.ended().or_else(|| self.ends_with(Status::Exited(OWN_FAILURE)))),
            Err(errno) => Err(errno),
        }
    }

    /// The main child's end, if the kernel has reaped it.
    pub fn ended(&mut self) -> Option<Event> {
        let Self::Kernel(watched) = self else {
            return None;
        };
        let status = told(&watched.process)?;
        self.ends_with(status)
    }

    fn ends_with(&mut self, status: Status) -> Option<Event> {
        let Self::Kernel(watched) = self else {
            return None;
        };
        let main = watched.main;
        *self = Self::KernelAlone;
        Some(Event::Reaped(main, status))
    }

    /// Lets children be zombies again, and lets go of the main child.
    #[cold]
    #[inline(never)]
    pub fn reclaim(&mut self) {
        sys::reset_chld();
        // Whoever ends from here on is ours to reap. Had the main child before?
        *self = match core::mem::replace(self, Self::Init) {
            Self::Kernel(watched) if !sys::is_unreaped(&watched.process).unwrap_or(true) => {
                watched.ends().map_or(Self::Init, |status| Self::Reclaimed(watched.main, status))
            }
            Self::Reclaimed(main, status) => Self::Reclaimed(main, status),
            Self::Kernel(_) | Self::KernelAlone | Self::Init => Self::Init,
        };
    }
}

impl Watched {
    /// How the main child ended, of which waitid(2) knows nothing any more: the kernel is about to have
    /// reaped it, which is waited for.
    fn ends(&self) -> Option<Status> {
        /// In ns, and how often: a second.
        const PAUSE: u64 = 1_000_000;
        const PAUSES: u32 = 1000;
        let mut pauses = 0;
        while pauses < PAUSES {
            match sys::watch(&self.process, None, None) {
                Ok(true) => return told(&self.process),
                // EINTR: we were stopped and continued (K98).
                Ok(false) | Err(Errno(libc::EINTR)) => (),
                Err(_) => {
                    if let Some(status) = told(&self.process) {
                        return Some(status);
                    }
                    // For no signal: only time passes.
                    let _ = sys::take_signal(SignalSet::EMPTY, Some(PAUSE));
                    pauses += 1;
                }
            }
        }
        None
    }
}

/// Is a child's end seen and told by its pidfd, now that it is reaped?
fn is_told(process: &Fd, status: Status) -> bool {
    sys::watch(process, None, Some(0)) == Ok(true) && told(process) == Some(status)
}

/// How a process ended that is reaped, if its pidfd tells.
fn told(process: &Fd) -> Option<Status> {
    sys::exit_told(process).ok().flatten().and_then(status)
}

/// wait(2)'s status of an end.
fn status(raw: c_int) -> Option<Status> {
    let [low, code, ..] = raw.to_le_bytes();
    match low & 0x7f {
        0 => Some(Status::Exited(code)),
        signal => {
            Signal::new(signal).map(|signal| Status::Killed { signal, core: low & 0x80 != 0 })
        }
    }
}

/// Not in the place of a stdin, stdout or stderr that is closed.
fn above_stderr(fd: Fd) -> sys::Result<Fd> {
    if fd.number() > 2 { Ok(fd) } else { sys::renumber(&fd, 3) }
}

/// Takes one report of that child.
pub fn reap_one(child: Pid) -> Event {
    match one_report(|| sys::report_of(child)) {
        // It is none of ours any more; others may be.
        Event::NoChildren => Event::NoneReady,
        event => event,
    }
}

/// Takes one report from `next`. One that means nothing to us is taken all the same,
/// and others may be waiting behind it: they are asked for until there is none (S3).
fn one_report(mut next: impl FnMut() -> sys::Result<Option<SigInfo>>) -> Event {
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
            let event = one_report(|| reports.next().expect("no more is asked than there is"));
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

    #[test]
    fn a_status_is_read_as_wait_has_it() {
        for code in 0..=255 {
            assert_eq!(status(c_int::from(code) << 8), Some(Status::Exited(code)));
        }
        for signal in (1..=64).filter_map(Signal::new) {
            let raw = c_int::from(signal.number());
            assert_eq!(status(raw), Some(Status::Killed { signal, core: false }));
            assert_eq!(status(raw | 0x80), Some(Status::Killed { signal, core: true }));
        }
        // A stop, which is no end.
        assert_eq!(status(0x137f), None);
    }

    #[test]
    fn the_end_of_a_reclaimed_main_child_is_told_first_and_once() {
        let mut reaper = Reaper::Reclaimed(pid(7), Status::Exited(3));
        assert!(matches!(reaper.address(), Address::Nobody));
        assert_eq!(reaper.reap(), Event::Reaped(pid(7), Status::Exited(3)));
        assert!(matches!(reaper, Reaper::Init));
    }
}
