//! Signals by the kernel's own calls: masks are its 64 bits, so that nothing is hidden by the C
//! library, and a handler only notes down what came.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use nix::errno::Errno;

/// A set of signals as the kernel has it: signal n is bit n - 1.
pub(crate) type Set = u64;

/// The signals that experiments go through: all standard ones, and real-time ones from both ends.
pub(crate) fn all_signals() -> impl Iterator<Item = i32> {
    (1..=31).chain([34, 40, 64])
}

/// All of them that can be blocked, ignored and handled.
pub(crate) fn catchable() -> impl Iterator<Item = i32> {
    all_signals().filter(|n| ![libc::SIGKILL, libc::SIGSTOP].contains(n))
}

/// What signal(7) says that a process does that has not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultAction {
    Ignore,
    Stop,
    Kill,
}

/// The default action of a signal.
pub(crate) fn default_action(signal: i32) -> DefaultAction {
    match signal {
        libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH => DefaultAction::Ignore,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => DefaultAction::Stop,
        _ => DefaultAction::Kill,
    }
}

/// These signals as a set.
pub(crate) const fn set(signals: &[i32]) -> Set {
    let mut set = 0;
    let mut at = 0;
    while at < signals.len() {
        set |= 1 << (signals[at] - 1);
        at += 1;
    }
    set
}

fn mask(how: i32, set: Set) -> Set {
    let mut old = 0;
    // SAFETY: both sets have the size given.
    let result =
        unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const set, &raw mut old, 8) };
    assert_eq!(result, 0, "sigprocmask");
    old
}

/// Blocks these too; what was blocked before.
pub(crate) fn block(set: Set) -> Set {
    mask(libc::SIG_BLOCK, set)
}

/// Unblocks these; what was blocked before.
pub(crate) fn unblock(set: Set) -> Set {
    mask(libc::SIG_UNBLOCK, set)
}

/// Blocks these only; what was blocked before.
pub(crate) fn set_mask(set: Set) -> Set {
    mask(libc::SIG_SETMASK, set)
}

/// What is pending for us.
pub(crate) fn pending() -> Set {
    let mut set: Set = 0;
    // SAFETY: the set has the size given.
    assert_eq!(unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, 8) }, 0);
    set
}

/// A signal that was taken by waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) signal: i32,
    pub(crate) code: i32,
    /// Of the sender, or of the child that CHLD tells of.
    pub(crate) pid: i32,
    /// Of the child, or the value that was queued.
    pub(crate) value: i32,
}

/// Takes one of these, if one is pending.
pub(crate) fn take(set: Set) -> Option<Taken> {
    match take_within(set, Some(Duration::ZERO)) {
        Err(Errno::EAGAIN) => None,
        taken => Some(taken.expect("sigtimedwait")),
    }
}

/// Takes all of these that are pending: their numbers, in order.
pub(crate) fn take_all(set: Set) -> Vec<i32> {
    std::iter::from_fn(|| take(set)).map(|taken| taken.signal).collect()
}

/// sigtimedwait(2).
pub(crate) fn take_within(set: Set, limit: Option<Duration>) -> Result<Taken, Errno> {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs().try_into().expect("not that long"),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: all-zero is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let set = &raw const set;
    // SAFETY: the set has the size given; the others are ours, or null.
    let signal = unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, set, &raw mut info, limit, 8) };
    Errno::result(signal)?;
    // SAFETY: to read a field that was not written gives zero.
    let (pid, status, value) = unsafe { (info.si_pid(), info.si_status(), info.si_value()) };
    let value = if info.si_signo == libc::SIGCHLD && info.si_code > 0 {
        status
    } else {
        i32::try_from(value.sival_ptr.addr()).expect("a small value")
    };
    Ok(Taken { signal: info.si_signo, code: info.si_code, pid, value })
}

/// sigqueue(3): a signal with a value.
pub(crate) fn queue(pid: i32, signal: i32, value: i32) -> Result<(), Errno> {
    assert!(pid > 0, "a process, by its number");
    let value = usize::try_from(value).expect("not negative");
    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
    // SAFETY: the value is only a number.
    Errno::result(unsafe { libc::sigqueue(pid, signal, value) }).map(drop)
}

/// tgkill(2) of our own thread.
pub(crate) fn send_to_own_thread(signal: i32) {
    // SAFETY: numbers only.
    let result = unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), signal)
    };
    assert_eq!(result, 0, "tgkill");
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Default,
    Ignored,
    Handled,
}

/// All three.
pub(crate) const DISPOSITIONS: [Disposition; 3] =
    [Disposition::Default, Disposition::Ignored, Disposition::Handled];

/// Sets a disposition, without flags.
pub(crate) fn dispose(signal: i32, disposition: Disposition) {
    if [libc::SIGKILL, libc::SIGSTOP].contains(&signal) {
        assert_eq!(disposition, Disposition::Default, "nothing else is possible");
        return;
    }
    dispose_with(signal, disposition, 0).expect("sigaction");
}

/// sigaction(2), with an empty mask.
pub(crate) fn dispose_with(signal: i32, disposition: Disposition, flags: i32) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignored => libc::SIG_IGN,
        Disposition::Handled => note as *const () as usize,
    };
    action.sa_flags = flags;
    // SAFETY: the handler does what a handler may; no old action is asked for.
    Errno::result(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })
        .map(drop)
}

/// A flag that the C library adds: how a handler returns.
const RESTORER: i32 = 0x0400_0000;

/// The disposition and its flags, as the kernel has them.
pub(crate) fn disposition(signal: i32) -> (Disposition, i32) {
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the action is ours.
    assert_eq!(unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) }, 0);
    let disposition = match action.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    };
    (disposition, action.sa_flags & !RESTORER)
}

static NOTES: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];
static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note(signal: i32) {
    NOTES[COUNT.fetch_add(1, Relaxed)].store(signal, Relaxed);
}

/// The signals whose handlers ran in this process, in the order in which they began.
pub(crate) fn heard() -> Vec<i32> {
    NOTES[..COUNT.load(Relaxed)].iter().map(|n| n.load(Relaxed)).collect()
}

/// Forgets what was heard.
pub(crate) fn forget() {
    COUNT.store(0, Relaxed);
}

/// Nothing blocked, and all at default; also the two that the C library keeps to itself, which it
/// leaves ignored in what it starts by `posix_spawn(3)` (K104).
pub(crate) fn as_at_birth() {
    // What the kernel calls a sigaction: the default, no flags, no mask.
    let default = [0_u64; 4];
    for signal in (1..=64).filter(|n| ![libc::SIGKILL, libc::SIGSTOP].contains(n)) {
        let null: *mut u64 = std::ptr::null_mut();
        // SAFETY: it has the size that is read; no old action is asked for.
        let result =
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, null, 8) };
        assert_eq!(result, 0, "sigaction {signal}");
    }
    set_mask(0);
}

/// sigsuspend(2): until a handler has run, with these blocked meanwhile.
pub(crate) fn suspend(set: Set) {
    // SAFETY: the set has the size given.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigsuspend, &raw const set, 8) };
    assert_eq!(result, -1, "there is no other way to return");
    assert_eq!(Errno::last(), Errno::EINTR);
}
