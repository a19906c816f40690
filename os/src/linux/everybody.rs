//! Who else there is, and sending them a signal.
//!
//! As PID 1 that is one `kill(-1)`, atomic against fork (K50). For anybody else it means walking
//! /proc for descendants, which is a race against their forks: so the walk is repeated until a
//! pass finds nobody new (about one process in 25 escapes a single pass under a fork storm, K50).

use lastout_core::{Pid, Signal};

use super::proc::{Processes, Stat};
use super::sys::{self, Errno, Pid1, Zeros};

/// The most passes of one walk: a family that forks faster than we walk must not hold us up;
/// whoever escapes is asked again at the last call. Two passes are the rule (K50).
const MAX_PASSES: u32 = 32;

/// The longest line of ancestors that is followed. Longer ones exist in no sane container, and
/// a race that shows us a circle must end.
const MAX_ANCESTORS: u32 = 4096;

/// The bytes of a bitmap of all pids.
const BITMAP: usize = Pid::MAX as usize / 8 + 1;

/// Sends `signal` to each descendant, once, by pidfd.
#[cold]
#[inline(never)]
pub fn kill_descendants(signal: Signal) {
    // All of them are children, or below children.
    if !sys::has_children() {
        return;
    }
    // Half a megabyte of address space for the time of the walk, of which only the pages with
    // pids in use are ever touched. Without it, one pass must do.
    let mut memory = Zeros::new(BITMAP).ok();
    for _ in 0..MAX_PASSES {
        let Some(processes) = Processes::list() else {
            return;
        };
        let mut again = false;
        for pid in processes {
            let (byte, bit) = (pid.number() as usize / 8, 1 << (pid.number() % 8));
            let seen = memory.as_mut().and_then(|memory| memory.bytes().get_mut(byte));
            if seen.as_deref().is_some_and(|byte| byte & bit != 0) {
                continue;
            }
            match kinship(pid) {
                Kinship::Descendant => {
                    send(pid, signal);
                    if let Some(byte) = seen {
                        *byte |= bit;
                        again = true;
                    }
                }
                Kinship::Unclear => again = true,
                Kinship::Stranger => (),
            }
        }
        if !again || memory.is_none() {
            return;
        }
    }
}

/// Sends `signal` to the process that has that pid, if it is a descendant of ours.
///
/// By pidfd, so that it cannot reach whoever got the number meanwhile. Where there are none
/// (K95: before Linux 5.3, in gVisor, under a seccomp profile that refuses either call) it goes to
/// the number that was a descendant's a moment ago. Nothing is lost by that for our own children,
/// whose numbers are theirs until we reap them (K37); another descendant can have ended and its
/// number be another's in the moment between.
fn send(pid: Pid, signal: Signal) {
    let is_refused = match sys::pidfd_open(pid) {
        // Only now is the number tied to one process: it may have changed hands meanwhile.
        Ok(process) if kinship(pid) == Kinship::Descendant => {
            match sys::pidfd_send_signal(&process, Some(signal)) {
                Ok(()) | Err(Errno(libc::ESRCH)) => false,
                Err(Errno(libc::EPERM)) => is_forbidden(),
                Err(_) => true,
            }
        }
        Ok(_) | Err(Errno(libc::ESRCH)) => false,
        Err(_) => true,
    };
    if is_refused {
        let _ = sys::kill(pid, signal);
    }
}

/// Is EPERM of `pidfd_send_signal(2)` about the call? Then it comes also to who asks about itself.
/// Otherwise it is about the process (K66), as would be that of kill(2): to send to the number
/// could only reach a stranger who has it by now.
fn is_forbidden() -> bool {
    let own = u32::try_from(sys::getpid()).ok().and_then(Pid::new);
    let process = own.and_then(|own| sys::pidfd_open(own).ok());
    process.is_some_and(|own| sys::pidfd_send_signal(&own, None) == Err(Errno(libc::EPERM)))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kinship {
    Descendant,
    Stranger,
    /// An ancestor ended while we followed the line: look again.
    Unclear,
}

fn kinship(pid: Pid) -> Kinship {
    let own = sys::getpid();
    // Whoever is gone or as good as gone needs no signal.
    let Some(stat) = Stat::of(pid).filter(Stat::is_alive) else {
        return Kinship::Stranger;
    };
    let mut parent = stat.parent;
    for _ in 0..MAX_ANCESTORS {
        if parent as usize == own {
            return Kinship::Descendant;
        }
        let Some(ancestor) = Pid::new(parent).filter(|p| p.number() > 1) else {
            return Kinship::Stranger;
        };
        match Stat::of(ancestor) {
            Some(stat) => parent = stat.parent,
            None => return Kinship::Unclear,
        }
    }
    Kinship::Stranger
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
pub fn name_everybody(pid1: Option<&Pid1>, mut each: impl FnMut(Pid, Stat)) -> bool {
    let Some(processes) = Processes::list() else {
        return false;
    };
    for pid in processes {
        let ours =
            if pid1.is_some() { pid.number() != 1 } else { kinship(pid) == Kinship::Descendant };
        if ours && let Some(stat) = Stat::of(pid).filter(Stat::is_alive) {
            each(pid, stat);
        }
    }
    true
}
