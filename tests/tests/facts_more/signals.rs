//! Signals: to send them, to block them, to take them, and to count those that are handled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::ground::{LIMIT, Shared, is_own_namespace};

/// kill(2), of one process or one group.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    assert_ne!(pid, -1, "see kill_all");
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// kill(-1), which is for a PID namespace of our own only.
pub(crate) fn kill_all(signal: i32) -> Result<(), Errno> {
    assert!(is_own_namespace(), "only within an experiment");
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::kill(-1, signal) }).map(drop)
}

/// All signals as in an ordinary process, none blocked.
pub(crate) fn unblock_all() {
    set_mask(&[]);
}

/// Blocks these, and no others.
pub(crate) fn set_mask(blocked: &[i32]) {
    let set = signal_set(blocked);
    // SAFETY: the set is ours.
    let result =
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Blocks all.
pub(crate) fn block_all() {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).expect("a mask");
}

/// These signals as a set.
pub(crate) fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: a set of zeros is an empty one, and it is ours.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Sets `SIG_DFL` or `SIG_IGN`; KILL and STOP refuse, which is fine.
pub(crate) fn disposition(signal: i32, how: libc::sighandler_t) {
    // SAFETY: no code of ours runs by it.
    unsafe { libc::signal(signal, how) };
}

/// Takes one of these blocked signals: its number, `si_code` and `si_pid`.
#[track_caller]
pub(crate) fn take(signals: &[i32]) -> (i32, i32, i32) {
    take_within(signals, LIMIT).expect("a signal in time")
}

/// The same within that time.
pub(crate) fn take_within(signals: &[i32], time: Duration) -> Result<(i32, i32, i32), Errno> {
    let set = signal_set(signals);
    let time = timespec(time);
    // SAFETY: all of it is ours; who sends a signal by kill(2) gives it a pid.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let result = libc::sigtimedwait(&raw const set, &raw mut info, &raw const time);
        Errno::result(result).map(|signal| (signal, info.si_code, info.si_pid()))
    }
}

/// A time as the kernel wants it.
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs().try_into().expect("not so long"),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// How often each signal was handled, by one process, for all to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally(Shared);

/// Where the handlers of this process count.
static TALLY: AtomicUsize = AtomicUsize::new(0);

impl Tally {
    pub(crate) fn new() -> Self {
        Self(Shared::several(65))
    }

    /// Handles that signal in this process from now on.
    pub(crate) fn handle(self, signal: i32) {
        extern "C" fn count(signal: i32) {
            let first = Shared::at(TALLY.load(Ordering::Relaxed));
            first.nth(signal.unsigned_abs() as usize).add(1);
        }
        TALLY.store(self.0.index(), Ordering::Relaxed);
        let handler: extern "C" fn(i32) = count;
        disposition(signal, handler as libc::sighandler_t);
    }

    pub(crate) fn of(self, signal: i32) -> i32 {
        self.0.nth(signal.unsigned_abs() as usize).get()
    }
}
