//! System calls about a process that is held by a descriptor, and waiting for it and for signals at
//! once.

use core::ffi::c_int;
use core::mem::size_of;

use lastout_core::{Pid, Signal, SignalSet};

use super::{Fd, Result, SigInfo, call, int, number, plain, signed, timespec};

/// `pidfd_open(2)`.
///
/// # Errors
/// ESRCH: nobody has that pid. ENOSYS, EPERM: not available (K95).
pub fn pidfd_open(pid: Pid) -> Result<Fd> {
    plain(libc::SYS_pidfd_open, [signed(number(pid)), 0, 0]).map(|fd| Fd(int(fd)))
}

/// `pidfd_send_signal(2)`; without a signal it only tells whether one could be sent.
///
/// # Errors
/// ESRCH: it is reaped. EPERM: not allowed, to this process or (a seccomp profile) at all.
pub fn pidfd_send_signal(process: &Fd, signal: Option<Signal>) -> Result<()> {
    send(process, signal, None, 0)
}

/// `pidfd_send_signal(2)` with a value, as sigqueue(3) does.
///
/// # Errors
/// EAGAIN: too many are queued (K21). ESRCH, EPERM: as [`pidfd_send_signal`].
pub fn pidfd_queue(process: &Fd, signal: Signal, value: u64) -> Result<()> {
    send(process, Some(signal), Some(&SigInfo::queued(signal, value)), 0)
}

/// `pidfd_send_signal(2)` to the process group that this process made, or has made and left behind.
///
/// # Errors
/// EINVAL: before Linux 6.9 (K93). ESRCH: the group is empty.
pub fn pidfd_send_group(process: &Fd, signal: Signal) -> Result<()> {
    /// `PIDFD_SIGNAL_PROCESS_GROUP`, which the libc crate does not know.
    const PROCESS_GROUP: usize = 1 << 2;
    send(process, Some(signal), None, PROCESS_GROUP)
}

fn send(process: &Fd, signal: Option<Signal>, info: Option<&SigInfo>, flags: usize) -> Result<()> {
    let signal = signal.map_or(0, |signal| usize::from(signal.number()));
    let info = info.map_or(0, |info| core::ptr::from_ref(info).expose_provenance());
    let args = [signed(process.0), signal, info, flags, 0, 0];
    // SAFETY: the siginfo is the caller's and of the kernel's size, or null, as is allowed.
    unsafe { call(libc::SYS_pidfd_send_signal, args) }.map(drop)
}

/// `struct pidfd_info` of `linux/pidfd.h` in its first size: what is asked for, what else there is to
/// be told, and last how the process ended, as wait(2) has it.
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    rest: [u32; 13],
    exit_code: c_int,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`: how that process ended, as wait(2) has it, once it is reaped
/// (K109). Nothing, while it is not.
///
/// # Errors
/// Before Linux 6.15: ENOTTY or EINVAL, as the kernel knows no such request; or ESRCH, as it tells
/// nothing of who is reaped. EPERM, ENOSYS: a seccomp profile.
pub fn exit_told(process: &Fd) -> Result<Option<c_int>> {
    /// `_IOWR(0xFF, 11, struct pidfd_info)`.
    const GET_INFO: usize = 0xC040_FF0B;
    const EXIT: u64 = 1 << 3;
    let mut info = PidfdInfo { mask: EXIT, rest: [0; 13], exit_code: 0 };
    let args = [signed(process.0), GET_INFO, (&raw mut info).expose_provenance(), 0, 0, 0];
    // SAFETY: the structure is ours, and its size is part of the request's number.
    unsafe { call(libc::SYS_ioctl, args) }?;
    Ok((info.mask & EXIT != 0).then_some(info.exit_code))
}

/// signalfd(2) for every signal, close-on-exec. Here it only tells that one is pending: who takes
/// signals is [`take_signal`](super::take_signal).
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM. ENODEV, ENOSYS, EPERM: not available.
pub fn signalfd() -> Result<Fd> {
    let all = SignalSet::FULL.bits();
    let flags = signed(libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
    let args =
        [signed(-1), (&raw const all).expose_provenance(), size_of::<SignalSet>(), flags, 0, 0];
    // SAFETY: the set is ours and of the size given.
    unsafe { call(libc::SYS_signalfd4, args) }.map(|fd| Fd(int(fd)))
}

/// ppoll(2), at most `limit` ns, until that process is reaped, or a signal pending in `signals` if that
/// is given. Is it reaped? POLLHUP, which comes with the reaping (K91, since Linux 6.9); POLLIN would come when
/// the process is a zombie, and nothing can be told of it yet.
///
/// # Errors
/// EINTR: stopped and continued meanwhile (K98). EINVAL: not even two files may be open any more
/// (`RLIMIT_NOFILE`, which somebody may lower later). ENOSYS, EPERM: not available.
pub fn watch(process: &Fd, signals: Option<&Fd>, limit: Option<u64>) -> Result<bool> {
    // A negative descriptor is passed over.
    let signals = signals.map_or(-1, Fd::number);
    let mut polls = [
        libc::pollfd { fd: process.0, events: 0, revents: 0 },
        libc::pollfd { fd: signals, events: libc::POLLIN, revents: 0 },
    ];
    let time = limit.map(timespec);
    let time = time.as_ref().map_or(0, |t| core::ptr::from_ref(t).expose_provenance());
    let args = [polls.as_mut_ptr().expose_provenance(), polls.len(), time, 0, 0, 0];
    // SAFETY: the pollfds and the timespec are ours; no mask is given.
    unsafe { call(libc::SYS_ppoll, args) }?;
    Ok(polls[0].revents & libc::POLLHUP != 0)
}
