//! Who else there is, and sending them a signal.
//!
//! As PID 1 that is one `kill(-1)`, atomic against fork (K50). For anybody else it means walking
//! /proc for descendants, which is a race against their forks: so the walk is repeated until a
//! pass finds nobody new (about one process in 25 escapes a single pass under a fork storm, K50).

use lastout_core::{Pid, Signal};

use self::kin::{Kin, Kinship, Look, MARKS};
use super::proc::{self, Processes, Stat};
use super::sys::{self, Errno, Fd, Pid1, Zeros};

mod kin;

/// The most passes of one walk: a family that forks faster than we walk must not hold us up;
/// whoever escapes is asked again at the last call. Two passes are the rule (K50).
const MAX_PASSES: u32 = 32;

/// The walk's eyes.
struct Proc;

impl Look for Proc {
    fn stat(&mut self, pid: Pid) -> Option<Stat> {
        Stat::of(pid)
    }

    fn now(&mut self) -> u64 {
        sys::now(libc::CLOCK_BOOTTIME) / 1_000_000
    }
}

/// Sends `signal` to each descendant, once, by pidfd. `adopts`: are the orphans among them ours?
#[cold]
#[inline(never)]
pub fn kill_descendants(signal: Signal, adopts: bool) {
    // All of them are children, or below children.
    if !sys::has_children() {
        return;
    }
    let Some(own) = proc::own_pid() else {
        return;
    };
    // Address space for the time of the walk, of which only the pages with pids in use are ever
    // touched. Without it, one pass must do.
    let mut memory = Zeros::new(MARKS).ok();
    let mut kin = Kin::new(own, adopts, Proc, memory.as_mut().map(Zeros::numbers));
    for _ in 0..MAX_PASSES {
        let Some(processes) = Processes::open() else {
            return;
        };
        let mut again = false;
        for pid in processes {
            again |= ask(&mut kin, pid, signal);
        }
        if !again || !kin.has_marks() {
            return;
        }
    }
}

/// Sends `signal` to the process that has that pid, if it is a descendant and was not sent it.
/// Returns whether there may be somebody new: it, its children, or who it is.
fn ask(kin: &mut Kin<'_, Proc>, pid: Pid, signal: Signal) -> bool {
    if kin.is_settled(pid) || kin.is_known_stranger(pid) {
        return false;
    }
    // First that, so that the number is tied to one process: if it changes hands before the look,
    // the signal reaches nobody.
    let process = sys::pidfd_open(pid);
    if matches!(process, Err(Errno(libc::ESRCH))) {
        return false;
    }
    match kin.of(pid) {
        Some((Kinship::Descendant, _)) => {
            if send(pid, &process, signal) {
                kin.note_asked(pid);
            }
            true
        }
        Some((Kinship::Unclear, _)) => true,
        Some((Kinship::Stranger, _)) | None => false,
    }
}

/// Sends `signal` to a descendant. Returns false if it is gone, and its number free or another's.
///
/// By pidfd, so that it cannot reach whoever got the number meanwhile. Where there are none
/// (K95: before Linux 5.3, in gVisor, under a seccomp profile that refuses either call) it goes to
/// the number that was a descendant's a moment ago. Nothing is lost by that for our own children,
/// whose numbers are theirs until we reap them (K37); another descendant can have ended and its
/// number be another's in the moment between.
fn send(pid: Pid, process: &sys::Result<Fd>, signal: Signal) -> bool {
    let is_refused = match process {
        Ok(process) => match sys::pidfd_send_signal(process, Some(signal)) {
            Ok(()) => false,
            Err(Errno(libc::ESRCH)) => return false,
            Err(Errno(libc::EPERM)) => is_forbidden(),
            Err(_) => true,
        },
        Err(_) => true,
    };
    if is_refused {
        let _ = sys::kill(pid, signal);
    }
    true
}

/// Is EPERM of `pidfd_send_signal(2)` about the call? Then it comes also to who asks about itself.
/// Otherwise it is about the process (K66), as would be that of kill(2): to send to the number
/// could only reach a stranger who has it by now.
fn is_forbidden() -> bool {
    let own = u32::try_from(sys::getpid()).ok().and_then(Pid::new);
    let process = own.and_then(|own| sys::pidfd_open(own).ok());
    process.is_some_and(|own| sys::pidfd_send_signal(&own, None) == Err(Errno(libc::EPERM)))
}

/// Is a living process left that is not us, in the PID namespace whose PID 1 we are?
pub fn has_company(pid1: &Pid1) -> bool {
    !pid1.nobody_else() && is_any_alive()
}

/// Never inlined: its buffers are stack that most lives never need.
#[cold]
#[inline(never)]
fn is_any_alive() -> bool {
    // Somebody is listed: alive, or a zombie that its parent outside has not reaped (K48).
    // When /proc cannot tell which, we assume the former: a grace limits our waiting.
    let mut zombies = false;
    for pid in Processes::list().into_iter().flatten().filter(|pid| pid.number() != 1) {
        match Stat::of(pid) {
            Some(stat) if stat.is_alive() => return true,
            Some(_) => zombies = true,
            None => (),
        }
    }
    !zombies
}

/// Calls `each` for everybody whom the operator may want named: every living process but us,
/// as PID 1; every living descendant else. Returns false when /proc cannot tell.
pub fn name_everybody(pid1: Option<&Pid1>, each: &mut dyn FnMut(Pid, &Stat)) -> bool {
    let Some(own) = proc::own_pid() else {
        return false;
    };
    let is_pid1 = pid1.is_some();
    let mut memory = if is_pid1 { None } else { Zeros::new(MARKS).ok() };
    let marks = memory.as_mut().map(Zeros::numbers);
    let mut kin = if is_pid1 { None } else { Some(Kin::new(own, true, Proc, marks)) };
    let Some(processes) = Processes::open() else {
        return false;
    };
    for pid in processes.filter(|&pid| pid != own) {
        let living = match &mut kin {
            None => Stat::of(pid).filter(Stat::is_alive),
            Some(kin) => match kin.of(pid) {
                Some((Kinship::Descendant, stat)) => Some(stat),
                _ => None,
            },
        };
        if let Some(stat) = living {
            each(pid, &stat);
        }
    }
    true
}
