//! System calls about signals: taking, sending, masks.

// Casts between what the kernel and what Rust calls a number: 64 bits only (lib.rs).
#![allow(clippy::cast_possible_truncation)]

use core::ffi::c_int;
use core::mem::{MaybeUninit, size_of};

use lastout_core::{Pid, Signal, SignalSet};

use super::{Errno, Result, call, getpgrp, getpid, int, number, plain, signed, timespec};

/// The kernel's, not the C library's.
const SIGNAL_SET_SIZE: usize = size_of::<SignalSet>();

/// `rt_sigprocmask(2)`, `SIG_SETMASK`: the mask that was in place.
pub fn set_mask(mask: SignalSet) -> SignalSet {
    let new = mask.bits();
    let mut old = 0_u64;
    let args = [
        libc::SIG_SETMASK as usize,
        (&raw const new).expose_provenance(),
        (&raw mut old).expose_provenance(),
        SIGNAL_SET_SIZE,
        0,
        0,
    ];
    // SAFETY: both sets are ours and of the size given. It cannot fail with these arguments.
    let _ = unsafe { call(libc::SYS_rt_sigprocmask, args) };
    SignalSet::from_bits(old)
}

/// The kernel's own `struct sigaction`, not the C library's.
#[repr(C)]
struct KernelSigaction {
    handler: usize,
    flags: u64,
    /// x86-64 has a restorer before the mask; without it the mask is one word earlier, and both
    /// are zero here.
    rest: [u64; 2],
}

/// `rt_sigaction(2)`: gives SIGCHLD its default action. Ignored, as it may have been inherited,
/// it would let children vanish unreaped and their statuses with them (K31).
pub fn reset_chld() {
    dispose_chld(libc::SIG_DFL);
}

/// `rt_sigaction(2)`: ignores SIGCHLD, so that children vanish as they end (K31). Who is a zombie
/// already stays one. Pending CHLD is thrown away; what another process sends as CHLD still comes.
pub fn ignore_chld() {
    dispose_chld(libc::SIG_IGN);
}

fn dispose_chld(handler: usize) {
    let action = KernelSigaction { handler, flags: 0, rest: [0; 2] };
    let chld = usize::from(Signal::CHLD.number());
    let args = [chld, (&raw const action).expose_provenance(), 0, SIGNAL_SET_SIZE, 0, 0];
    // SAFETY: the structure is ours and at least as large as the kernel's on each processor.
    let _ = unsafe { call(libc::SYS_rt_sigaction, args) };
}

/// `siginfo_t` as the kernel lays it out on 64-bit processors (sigaction(2)).
#[repr(C)]
pub struct SigInfo {
    pub(super) signo: c_int,
    errno: c_int,
    /// Where it came from.
    pub code: c_int,
    pad: c_int,
    /// The sender, or the child.
    pub pid: c_int,
    uid: u32,
    /// `si_value`, or `si_status` in its lower half.
    value: u64,
    rest: [u64; 12],
}

const _: () = assert!(size_of::<SigInfo>() == size_of::<libc::siginfo_t>());

impl SigInfo {
    pub(super) const ZERO: Self =
        Self { signo: 0, errno: 0, code: 0, pad: 0, pid: 0, uid: 0, value: 0, rest: [0; 12] };

    /// The value that was queued with it (sigqueue(3)), if one was.
    pub fn queued_value(&self) -> Option<u64> {
        (self.code == libc::SI_QUEUE).then_some(self.value)
    }

    /// What sigqueue(3) fills in.
    pub(super) fn queued(signal: Signal, value: u64) -> Self {
        Self {
            signo: c_int::from(signal.number()),
            code: libc::SI_QUEUE,
            pid: int(getpid()),
            value,
            ..Self::ZERO
        }
    }

    /// The child that the kernel tells of, if this came with a CHLD of its own: that is about one
    /// child, perhaps of many (K30).
    pub fn child(&self) -> Option<Pid> {
        let is_report = (libc::CLD_EXITED..=libc::CLD_CONTINUED).contains(&self.code);
        u32::try_from(self.pid).ok().filter(|_| is_report).and_then(Pid::new)
    }

    /// A child's report, as the kernel would fill it in.
    #[cfg(test)]
    pub(in crate::linux) fn of_a_child(pid: Pid, code: c_int, status: u8) -> Self {
        Self { code, pid: number(pid), value: u64::from(status), ..Self::ZERO }
    }

    /// `si_status` of a child's report.
    pub const fn status(&self) -> c_int {
        self.value as c_int
    }
}

/// `rt_sigtimedwait(2)`: takes a pending signal of `set`, or waits for one, at most `limit` ns.
///
/// # Errors
/// EAGAIN: the time is over. EINTR: stopped and continued meanwhile (K98).
pub fn take_signal(set: SignalSet, limit: Option<u64>) -> Result<(Signal, SigInfo)> {
    let set = set.bits();
    let mut info = MaybeUninit::<SigInfo>::uninit();
    let time = limit.map(timespec);
    let time = time.as_ref().map_or(0, |t| core::ptr::from_ref(t).expose_provenance());
    let args = [
        (&raw const set).expose_provenance(),
        info.as_mut_ptr().expose_provenance(),
        time,
        SIGNAL_SET_SIZE,
        0,
        0,
    ];
    // SAFETY: set, info and time are ours, and of the kernel's sizes.
    let taken = unsafe { call(libc::SYS_rt_sigtimedwait, args) }?;
    let signal = u8::try_from(taken).ok().and_then(Signal::new).ok_or(Errno(libc::EINVAL))?;
    // SAFETY: on success the kernel has filled it in.
    Ok((signal, unsafe { info.assume_init() }))
}

/// kill(2) to one process.
///
/// # Errors
/// ESRCH: nobody has that pid. EPERM: not allowed.
pub fn kill(pid: Pid, signal: Signal) -> Result<()> {
    kill_raw(number(pid), signal)
}

/// kill(2) to ourselves.
pub fn kill_self(signal: Signal) {
    // Always allowed (K65).
    let _ = kill_raw(int(getpid()), signal);
}

/// kill(2) to a process group.
///
/// # Errors
/// ESRCH: the group is empty. EPERM: not allowed for any member.
pub fn kill_group(group: Pid, signal: Signal) -> Result<()> {
    // A group 1 would be -1: everybody.
    if group.number() == 1 { Err(Errno(libc::EINVAL)) } else { kill_raw(-number(group), signal) }
}

/// kill(2) to our own process group, ourselves included.
pub fn kill_own_group(signal: Signal) {
    // A group of 0 is one outside the PID namespace: not ours to reach (K45).
    if getpgrp() == 0 {
        kill_self(signal);
    } else {
        let _ = kill_raw(0, signal);
    }
}

fn kill_raw(pid: c_int, signal: Signal) -> Result<()> {
    plain(libc::SYS_kill, [signed(pid), usize::from(signal.number()), 0]).map(drop)
}

/// The right to address everybody in the PID namespace at once: only PID 1 can have it (S9).
/// For any other process `kill(-1)` hits everybody on the machine that it is allowed to (K49).
#[derive(Debug)]
pub struct Pid1(());

impl Pid1 {
    /// The right, if we are PID 1.
    pub fn claim() -> Option<Self> {
        (getpid() == 1).then_some(Self(()))
    }

    /// `kill(-1)`. Was anybody there, if only a zombie? More its result does not say (K43).
    ///
    /// # Panics
    /// If we are not PID 1 after all: better no init than one that kills strangers.
    pub fn kill_everybody(&self, signal: Signal) -> bool {
        assert!(getpid() == 1, "S9");
        kill_raw(-1, signal) != Err(Errno(libc::ESRCH))
    }

    /// Is there no other process at all, not even a zombie?
    ///
    /// # Panics
    /// If we are not PID 1 after all.
    pub fn nobody_else(&self) -> bool {
        assert!(getpid() == 1, "S9");
        plain(libc::SYS_kill, [signed(-1), 0, 0]) == Err(Errno(libc::ESRCH))
    }
}

/// `rt_sigqueueinfo(2)`: sends a signal with a value.
///
/// # Errors
/// EAGAIN: too many are queued (K21). ESRCH, EPERM: as kill(2).
pub fn queue(pid: Pid, signal: Signal, value: u64) -> Result<()> {
    let info = SigInfo::queued(signal, value);
    let args = [
        signed(number(pid)),
        usize::from(signal.number()),
        (&raw const info).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: the siginfo is ours and of the kernel's size.
    unsafe { call(libc::SYS_rt_sigqueueinfo, args) }.map(drop)
}
