//! System calls about terminals.

use core::ffi::c_int;

use super::{Errno, Result, call, int, plain, signed};

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
