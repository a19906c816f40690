//! System calls about processes: who we are, starting, waiting, leaving.

use core::ffi::{CStr, c_char, c_int, c_void};

use lastout_core::{Pid, Signal};

use super::{Errno, Fd, Result, SigInfo, call, number, plain, signed};
use crate::arch;

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

/// Every kind of report, without waiting.
const ANY_REPORT: c_int = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
const END: c_int = libc::WEXITED | libc::WNOHANG;
const LOOK_FOR_END: c_int = END | libc::WNOWAIT;

/// `waitid(2)`: one report of one child, if there is one. All of them: `__WALL`, because a child
/// made with another exit signal than CHLD is invisible otherwise (K36).
///
/// # Errors
/// ECHILD: there are no children.
pub fn report_of_a_child() -> Result<Option<SigInfo>> {
    wait(libc::P_ALL, 0, ANY_REPORT)
}

/// `waitid(2)`: a report of that child, if there is one. The kernel looks at no other child (K110).
///
/// # Errors
/// ECHILD: nobody of that pid is our child.
pub fn report_of(child: Pid) -> Result<Option<SigInfo>> {
    wait(libc::P_PID, signed(number(child)), ANY_REPORT)
}

/// `waitid(2)`, looking only: a child that has ended and is not reaped.
///
/// # Errors
/// ECHILD: there are no children.
pub fn look_for_an_end() -> Result<Option<SigInfo>> {
    wait(libc::P_ALL, 0, LOOK_FOR_END)
}

/// `waitid(2)`, `P_PIDFD`: reaps that child, if it has ended.
///
/// # Errors
/// ECHILD: it is no child of ours. EINVAL: before Linux 5.4.
pub fn end_of(process: &Fd) -> Result<Option<SigInfo>> {
    wait(libc::P_PIDFD, signed(process.0), END)
}

/// `waitid(2)`, `P_PIDFD`, looking only: is that process a child, and not reaped? By descriptor, as
/// its number may be another child's when it is (K37).
///
/// # Errors
/// EINVAL: before Linux 5.4.
pub fn is_unreaped(process: &Fd) -> Result<bool> {
    match wait(libc::P_PIDFD, signed(process.0), LOOK_FOR_END) {
        Ok(_) => Ok(true),
        Err(Errno(libc::ECHILD)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `waitid(2)`, looking only: is there any child, living or dead?
pub fn has_children() -> bool {
    wait_into(libc::P_ALL, 0, 0, LOOK_FOR_END).is_ok()
}

/// What `waitid(2)` tells, if anything.
fn wait(kind: libc::idtype_t, id: usize, options: c_int) -> Result<Option<SigInfo>> {
    let mut info = SigInfo::ZERO;
    wait_into(kind, id, (&raw mut info).expose_provenance(), options)?;
    Ok((info.pid != 0).then_some(info))
}

/// `waitid(2)` for children of any kind, or, before Linux 4.7, which does not know `__WALL` here,
/// for the ordinary ones.
fn wait_into(kind: libc::idtype_t, id: usize, info: usize, options: c_int) -> Result<()> {
    let wait = |options| {
        let args = [kind as usize, id, info, signed(options), 0, 0];
        // SAFETY: the siginfo is the caller's and of the kernel's size, or none is asked for; nor
        // is rusage.
        unsafe { call(libc::SYS_waitid, args) }.map(drop)
    };
    match wait(options | libc::__WALL) {
        Err(Errno(libc::EINVAL)) => wait(options),
        other => other,
    }
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

/// ptrace(2), `PTRACE_GETSIGINFO`: before which signal a child stands still that we trace.
///
/// # Errors
/// ESRCH: it is not traced by us, or does not stand still.
pub fn trapped_before(pid: Pid) -> Result<c_int> {
    let mut info = SigInfo::ZERO;
    let request = usize::try_from(libc::PTRACE_GETSIGINFO).unwrap_or(0);
    let args = [request, signed(number(pid)), 0, (&raw mut info).expose_provenance(), 0, 0];
    // SAFETY: the siginfo is ours and of the kernel's size.
    unsafe { call(libc::SYS_ptrace, args) }?;
    Ok(info.signo)
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
