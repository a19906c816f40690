//! The system calls that lastout makes, one small function each, named as in section 2 of the
//! manual. Every `unsafe` that is about a system call is in this file, and each says why the
//! pointers in it are good.
//!
//! The libc crate gives numbers and layouts; none of its functions is called, and no C library
//! is linked.

// Casts between what the kernel and what Rust calls a number: 64 bits only (lib.rs).
#![allow(clippy::cast_possible_truncation)]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{MaybeUninit, size_of};

use lastout_core::{Pid, Signal, SignalSet};

use crate::arch;

/// Why a system call failed: errno(3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub c_int);

/// What a system call gives, or why it failed.
pub type Result<T> = core::result::Result<T, Errno>;

/// Pointers are passed as exposed addresses (`expose_provenance`): the compiler must expect the
/// kernel to write through them. A mere `addr` would let it assume that nobody does.
///
/// # Safety
/// As [`arch::syscall`].
unsafe fn call(number: libc::c_long, args: [usize; 6]) -> Result<usize> {
    // SAFETY: as the caller vouches for.
    let result = unsafe { arch::syscall(number, args) };
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        // errno(3) are small: -4095 to -1.
        Err(_) => Err(Errno(-result as c_int)),
    }
}

/// A system call whose arguments are all numbers: nothing of ours can be harmed through them.
fn plain(number: libc::c_long, args: [usize; 3]) -> Result<usize> {
    // SAFETY: every caller below passes numbers only, to calls that take no pointer there.
    unsafe { call(number, [args[0], args[1], args[2], 0, 0, 0]) }
}

/// An argument that the kernel takes as a signed number.
const fn signed(number: c_int) -> usize {
    // Sign extension is what the kernel expects.
    #[allow(clippy::cast_sign_loss)]
    let bits = number as isize as usize;
    bits
}

/// A result that is an `int` for the kernel.
#[allow(clippy::cast_possible_wrap)]
const fn int(value: usize) -> c_int {
    value as c_int
}

#[allow(clippy::cast_possible_wrap)]
const fn number(pid: Pid) -> c_int {
    pid.number() as c_int
}

/// The kernel's, not the C library's.
const SIGNAL_SET_SIZE: usize = size_of::<SignalSet>();

// ---------------------------------------------------------------------------------- signals

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
    let default = KernelSigaction { handler: libc::SIG_DFL, flags: 0, rest: [0; 2] };
    let chld = usize::from(Signal::CHLD.number());
    let args = [chld, (&raw const default).expose_provenance(), 0, SIGNAL_SET_SIZE, 0, 0];
    // SAFETY: the structure is ours and at least as large as the kernel's on each processor.
    let _ = unsafe { call(libc::SYS_rt_sigaction, args) };
}

/// `siginfo_t` as the kernel lays it out on 64-bit processors (sigaction(2)).
#[repr(C)]
pub struct SigInfo {
    signo: c_int,
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
    const ZERO: Self =
        Self { signo: 0, errno: 0, code: 0, pad: 0, pid: 0, uid: 0, value: 0, rest: [0; 12] };

    /// The value that was queued with it (sigqueue(3)), if one was.
    pub fn queued_value(&self) -> Option<u64> {
        (self.code == libc::SI_QUEUE).then_some(self.value)
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

    /// `kill(-1)`. Its result says nothing of use (K43).
    ///
    /// # Panics
    /// If we are not PID 1 after all: better no init than one that kills strangers.
    pub fn kill_everybody(&self, signal: Signal) {
        assert!(getpid() == 1, "S9");
        let _ = kill_raw(-1, signal);
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
    let info = SigInfo {
        signo: c_int::from(signal.number()),
        code: libc::SI_QUEUE,
        pid: int(getpid()),
        value,
        ..SigInfo::ZERO
    };
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

/// `pidfd_open(2)`.
///
/// # Errors
/// ESRCH: nobody has that pid. ENOSYS, EPERM: not available (K95).
pub fn pidfd_open(pid: Pid) -> Result<Fd> {
    plain(libc::SYS_pidfd_open, [signed(number(pid)), 0, 0]).map(|fd| Fd(int(fd)))
}

/// `pidfd_send_signal(2)`.
///
/// # Errors
/// ESRCH: it is reaped. EPERM: not allowed.
pub fn pidfd_send_signal(process: &Fd, signal: Signal) -> Result<()> {
    let args = [signed(process.0), usize::from(signal.number()), 0, 0, 0, 0];
    // SAFETY: the siginfo is null, as is allowed.
    unsafe { call(libc::SYS_pidfd_send_signal, args) }.map(drop)
}

// --------------------------------------------------------------------------------- processes

/// getpid(2).
pub fn getpid() -> usize {
    plain(libc::SYS_getpid, [0; 3]).unwrap_or(0)
}

/// getppid(2): 0 for a parent outside the PID namespace.
pub fn getppid() -> usize {
    plain(libc::SYS_getppid, [0; 3]).unwrap_or(0)
}

/// getpgrp(2): 0 for a group outside the PID namespace.
pub fn getpgrp() -> usize {
    plain(libc::SYS_getpgid, [0; 3]).unwrap_or(0)
}

/// getsid(2) of ourselves: 0 for a session outside the PID namespace.
pub fn getsid() -> usize {
    plain(libc::SYS_getsid, [0; 3]).unwrap_or(0)
}

/// setpgid(2) of ourselves: a group of our own. Fails only for a session leader, who has one.
pub fn own_group() {
    let _ = plain(libc::SYS_setpgid, [0; 3]);
}

/// setsid(2).
pub fn setsid() {
    let _ = plain(libc::SYS_setsid, [0; 3]);
}

/// prctl(2), `PR_SET_CHILD_SUBREAPER`.
///
/// # Errors
/// EINVAL: before Linux 3.4.
pub fn become_subreaper() -> Result<()> {
    let args = [libc::PR_SET_CHILD_SUBREAPER as usize, 1, 0, 0, 0, 0];
    // SAFETY: numbers only.
    unsafe { call(libc::SYS_prctl, args) }.map(drop)
}

/// prctl(2), `PR_SET_PDEATHSIG`: the signal that we get when our parent ends (K56).
pub fn set_parent_death_signal(signal: Signal) {
    let args = [libc::PR_SET_PDEATHSIG as usize, usize::from(signal.number()), 0, 0, 0, 0];
    // SAFETY: numbers only. It cannot fail for a signal of 1 to 64.
    let _ = unsafe { call(libc::SYS_prctl, args) };
}

/// `waitid(2)`: one report of one child, if there is one. All of them: `__WALL`, because a child
/// made with another exit signal than CHLD is invisible otherwise (K36).
///
/// # Errors
/// ECHILD: there are no children.
pub fn report_of_a_child() -> Result<Option<SigInfo>> {
    let mut info = SigInfo::ZERO;
    let options = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::__WALL;
    let args =
        [libc::P_ALL as usize, 0, (&raw mut info).expose_provenance(), signed(options), 0, 0];
    // SAFETY: the siginfo is ours and of the kernel's size; no rusage is asked for.
    unsafe { call(libc::SYS_waitid, args) }?;
    Ok((info.pid != 0).then_some(info))
}

/// `waitid(2)`, looking only: is there any child, living or dead?
pub fn has_children() -> bool {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let args = [libc::P_ALL as usize, 0, 0, signed(options), 0, 0];
    // SAFETY: neither siginfo nor rusage is asked for.
    unsafe { call(libc::SYS_waitid, args) }.is_ok()
}

/// `wait4(2)` for that child's end, whatever it takes.
pub fn reap(pid: Pid) {
    let args = [signed(number(pid)), 0, signed(libc::__WALL), 0, 0, 0];
    // SAFETY: neither status nor rusage is asked for.
    while unsafe { call(libc::SYS_wait4, args) } == Err(Errno(libc::EINTR)) {}
}

/// ptrace(2), `PTRACE_DETACH`: stops tracing a child that stands still, and lets it have a
/// signal. ESRCH, when it is not traced by us or does not stand still, is no failure.
pub fn detach(pid: Pid, signal: Option<Signal>) {
    let signal = signal.map_or(0, |s| usize::from(s.number()));
    let request = usize::try_from(libc::PTRACE_DETACH).unwrap_or(0);
    // SAFETY: numbers only: PTRACE_DETACH takes no pointer.
    let _ = unsafe { call(libc::SYS_ptrace, [request, signed(number(pid)), 0, signal, 0, 0]) };
}

/// Starts a process that runs `main(arg)` in our memory while we stand still, until it has
/// executed another program or exited.
///
/// # Errors
/// EAGAIN: no more processes allowed. ENOMEM: no memory, or the PID namespace is ending.
///
/// # Safety
/// As [`arch::vfork`].
pub unsafe fn vfork(main: arch::ChildMain, arg: *mut c_void) -> Result<Pid> {
    let flags = signed(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD);
    // SAFETY: as the caller vouches for.
    let result = unsafe { arch::vfork(flags, main, arg) };
    match u32::try_from(result).ok().and_then(Pid::new) {
        Some(pid) => Ok(pid),
        // errno(3) are small: -4095 to -1.
        None => Err(Errno(-result as c_int)),
    }
}

/// execve(2): returns only if it fails.
///
/// # Safety
/// `arguments` and `environment` are arrays of strings that end with a null pointer.
pub unsafe fn execve(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    let args = [
        path.as_ptr().expose_provenance(),
        arguments.expose_provenance(),
        environment.expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: path is a C string, the rest as the caller vouches for.
    match unsafe { call(libc::SYS_execve, args) } {
        Err(errno) => errno,
        Ok(_) => unreachable!("execve(2) does not return when it succeeds"),
    }
}

/// `exit_group(2)`.
pub fn exit(code: u8) -> ! {
    loop {
        let _ = plain(libc::SYS_exit_group, [usize::from(code), 0, 0]);
    }
}

// -------------------------------------------------------------------------------------- time

const NS: u64 = 1_000_000_000;

/// `clock_gettime(2)` in ns. `CLOCK_MONOTONIC` does not count while the machine sleeps.
pub fn now(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let args = [signed(clock), (&raw mut time).expose_provenance(), 0, 0, 0, 0];
    // SAFETY: the timespec is ours.
    let _ = unsafe { call(libc::SYS_clock_gettime, args) };
    // Neither is ever negative.
    time.tv_sec.unsigned_abs().saturating_mul(NS).saturating_add(time.tv_nsec.unsigned_abs())
}

/// The C library's types have signed fields; a limit is at most some days.
#[allow(clippy::cast_possible_wrap)]
const fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / NS) as i64, tv_nsec: (ns % NS) as i64 }
}

// -------------------------------------------------------------------------- files, terminals

/// A file descriptor that is ours to close.
#[derive(Debug)]
pub struct Fd(c_int);

impl Fd {
    /// Its number.
    pub const fn number(&self) -> c_int {
        self.0
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = plain(libc::SYS_close, [signed(self.0), 0, 0]);
    }
}

/// openat(2), close-on-exec and never the controlling terminal. `at` None: a path from here.
///
/// # Errors
/// As open(2).
pub fn open(path: &CStr, flags: c_int) -> Result<Fd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    let args = [signed(libc::AT_FDCWD), path.as_ptr().expose_provenance(), signed(flags), 0, 0, 0];
    // SAFETY: path is a C string.
    unsafe { call(libc::SYS_openat, args) }.map(|fd| Fd(int(fd)))
}

/// read(2).
///
/// # Errors
/// As read(2).
pub fn read(fd: &Fd, into: &mut [u8]) -> Result<usize> {
    let args = [signed(fd.0), into.as_mut_ptr().expose_provenance(), into.len(), 0, 0, 0];
    // SAFETY: the buffer is ours for its length.
    unsafe { call(libc::SYS_read, args) }
}

/// `getdents64(2)`.
///
/// # Errors
/// As getdents64(2).
pub fn read_directory(fd: &Fd, into: &mut [u8]) -> Result<usize> {
    let args = [signed(fd.0), into.as_mut_ptr().expose_provenance(), into.len(), 0, 0, 0];
    // SAFETY: the buffer is ours for its length.
    unsafe { call(libc::SYS_getdents64, args) }
}

/// `readlinkat(2)`.
///
/// # Errors
/// As readlink(2).
pub fn read_link(path: &CStr, into: &mut [u8]) -> Result<usize> {
    let args = [
        signed(libc::AT_FDCWD),
        path.as_ptr().expose_provenance(),
        into.as_mut_ptr().expose_provenance(),
        into.len(),
        0,
        0,
    ];
    // SAFETY: path is a C string, the buffer is ours for its length.
    unsafe { call(libc::SYS_readlinkat, args) }
}

/// faccessat(2), `F_OK`: is there anything of that name?
pub fn exists(path: &CStr) -> bool {
    let args = [signed(libc::AT_FDCWD), path.as_ptr().expose_provenance(), 0, 0, 0, 0];
    // SAFETY: path is a C string.
    unsafe { call(libc::SYS_faccessat, args) }.is_ok()
}

/// fstat(2): the file's type, the `S_IFMT` bits of its mode.
///
/// # Errors
/// EBADF: there is no such descriptor.
pub fn file_type(fd: c_int) -> Result<libc::mode_t> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let args = [signed(fd), stat.as_mut_ptr().expose_provenance(), 0, 0, 0, 0];
    // SAFETY: the structure is ours; the C library's layout is the kernel's on 64 bits.
    unsafe { call(libc::SYS_fstat, args) }?;
    // SAFETY: the kernel has filled it in.
    Ok(unsafe { stat.assume_init() }.st_mode & libc::S_IFMT)
}

/// chdir(2) to `/`.
pub fn leave_directory() {
    // SAFETY: a C string.
    let _ = unsafe { call(libc::SYS_chdir, [c"/".as_ptr().expose_provenance(), 0, 0, 0, 0, 0]) };
}

/// `close_range(2)`: closes every descriptor from `first` on.
///
/// # Errors
/// ENOSYS, EPERM: not available (before Linux 5.9, or forbidden).
pub fn close_from(first: c_int) -> Result<()> {
    plain(libc::SYS_close_range, [signed(first), u32::MAX as usize, 0]).map(drop)
}

/// close(2).
pub fn close(fd: c_int) {
    let _ = plain(libc::SYS_close, [signed(fd), 0, 0]);
}

/// The soft limit of open files: `prlimit64(2)`, `RLIMIT_NOFILE`.
pub fn open_files_limit() -> u64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let args = [0, libc::RLIMIT_NOFILE as usize, 0, (&raw mut limit).expose_provenance(), 0, 0];
    // SAFETY: the structure is ours.
    let _ = unsafe { call(libc::SYS_prlimit64, args) };
    limit.rlim_cur
}

/// write(2), which waits as long as it takes.
///
/// # Errors
/// As write(2).
pub fn write(fd: c_int, bytes: &[u8]) -> Result<usize> {
    let args = [signed(fd), bytes.as_ptr().expose_provenance(), bytes.len(), 0, 0, 0];
    // SAFETY: the bytes are ours.
    unsafe { call(libc::SYS_write, args) }
}

/// pwritev2(2), `RWF_NOWAIT`, at the file's own position.
///
/// # Errors
/// EAGAIN: it would wait. EOPNOTSUPP, ENOSYS: not for this kind of file, or not at all.
pub fn write_now(fd: c_int, bytes: &[u8]) -> Result<usize> {
    let piece = [bytes.as_ptr().expose_provenance(), bytes.len()];
    let own_position = usize::MAX;
    let nowait = libc::RWF_NOWAIT as usize;
    let args =
        [signed(fd), piece.as_ptr().expose_provenance(), 1, own_position, own_position, nowait];
    // SAFETY: an iovec is a pointer and a length; the bytes are ours.
    unsafe { call(libc::SYS_pwritev2, args) }
}

/// sendto(2), neither waiting nor raising PIPE.
///
/// # Errors
/// EAGAIN: it would wait.
pub fn send_now(fd: c_int, bytes: &[u8]) -> Result<usize> {
    let flags = signed(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
    let args = [signed(fd), bytes.as_ptr().expose_provenance(), bytes.len(), flags, 0, 0];
    // SAFETY: the bytes are ours; no address is given.
    unsafe { call(libc::SYS_sendto, args) }
}

/// ppoll(2), not waiting: is there room to write?
pub fn has_room(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let at_once = timespec(0);
    let args =
        [(&raw mut poll).expose_provenance(), 1, (&raw const at_once).expose_provenance(), 0, 0, 0];
    // SAFETY: the pollfd and the timespec are ours; no mask is given.
    let ready = unsafe { call(libc::SYS_ppoll, args) };
    ready == Ok(1) && poll.revents & libc::POLLOUT != 0
}

/// ioctl(2), `TIOCGPGRP`: the foreground group of our controlling terminal; 0 for one outside
/// the PID namespace.
///
/// # Errors
/// ENOTTY: not our controlling terminal. EBADF: no such descriptor.
pub fn foreground_group(terminal: c_int) -> Result<usize> {
    let mut group: c_int = 0;
    let args =
        [signed(terminal), libc::TIOCGPGRP as usize, (&raw mut group).expose_provenance(), 0, 0, 0];
    // SAFETY: the number is ours.
    unsafe { call(libc::SYS_ioctl, args) }?;
    usize::try_from(group).map_err(|_| Errno(libc::ENOTTY))
}

/// ioctl(2), `TIOCSPGRP`. With TTOU blocked, as it always is here, it does not stop us (K78, K79).
pub fn set_foreground_group(terminal: c_int, group: usize) {
    let group = int(group);
    let args = [
        signed(terminal),
        libc::TIOCSPGRP as usize,
        (&raw const group).expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: the number is ours.
    let _ = unsafe { call(libc::SYS_ioctl, args) };
}

/// ioctl(2), `TIOCNOTTY`: gives up our controlling terminal.
pub fn give_up_terminal(terminal: c_int) {
    let _ = plain(libc::SYS_ioctl, [signed(terminal), libc::TIOCNOTTY as usize, 0]);
}

/// ioctl(2), `TIOCSCTTY`: makes it the controlling terminal of our new session.
pub fn take_terminal(terminal: c_int) {
    let _ = plain(libc::SYS_ioctl, [signed(terminal), libc::TIOCSCTTY as usize, 0]);
}

// ------------------------------------------------------------------------------------ memory

/// Memory of zeros, `mmap(2)`: pages that are never touched cost nothing.
#[derive(Debug)]
pub struct Zeros {
    start: *mut u8,
    length: usize,
}

impl Zeros {
    /// # Errors
    /// ENOMEM: there is none.
    pub fn new(length: usize) -> Result<Self> {
        let protection = signed(libc::PROT_READ | libc::PROT_WRITE);
        let flags = signed(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { call(libc::SYS_mmap, [0, length, protection, flags, usize::MAX, 0]) }?;
        Ok(Self { start: core::ptr::with_exposed_provenance_mut(start), length })
    }

    /// The memory.
    pub const fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for that length, by us, and borrowed from us.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Drop for Zeros {
    fn drop(&mut self) {
        // SAFETY: our mapping, and nobody borrows it any more.
        let _ = unsafe {
            call(libc::SYS_munmap, [self.start.expose_provenance(), self.length, 0, 0, 0, 0])
        };
    }
}
