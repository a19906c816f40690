//! Writing to stderr without ever waiting, and without dying of it.
//!
//! stderr is shared with the main child, so it cannot be made non-blocking: the flag belongs to
//! the open file, not to us. Whoever reads it may have stopped reading (a full pipe) or gone
//! (PIPE); an init that waits, spins or dies then takes its container with it, as every peer
//! does (peers.md, 1.2). What cannot be written at once is lost, and that is all.

use core::ffi::{CStr, c_int};

use lastout_core::{Signal, SignalSet};

use super::sys::{self, Errno};

const STDERR: c_int = 2;

/// A pipe takes this much at once or nothing (pipe(7)).
const PIPE_BUF: usize = 4096;

/// Writes to stderr what can be written without waiting.
pub fn write_without_waiting(bytes: &[u8]) {
    let Ok(kind) = sys::file_type(STDERR) else {
        return;
    };
    let written = match kind {
        // A file does not wait for a reader; its own position matters (it may not be O_APPEND).
        libc::S_IFREG => sys::write(STDERR, bytes),
        libc::S_IFSOCK => sys::send_now(STDERR, bytes),
        _ => match sys::write_now(STDERR, bytes) {
            Err(Errno(libc::EAGAIN)) => return,
            // Terminals do not know it, nor do pipes before Linux 6.4.
            Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::EPERM)) => {
                write_through_own_descriptor(bytes)
            }
            other => other,
        },
    };
    match written {
        Err(Errno(libc::EPIPE)) => forget(Signal::PIPE),
        Err(Errno(libc::EFBIG)) => forget(Signal::XFSZ),
        _ => (),
    }
}

/// The same file, opened again for ourselves: that one can be non-blocking.
fn write_through_own_descriptor(bytes: &[u8]) -> sys::Result<usize> {
    const PATH: &CStr = c"/proc/self/fd/2";
    match sys::open(PATH, libc::O_WRONLY | libc::O_NONBLOCK) {
        Ok(own) => sys::write(own.number(), bytes),
        // No /proc, or another user's terminal. There was room a moment ago: all we can know.
        Err(_) if bytes.len() <= PIPE_BUF && sys::has_room(STDERR) => sys::write(STDERR, bytes),
        Err(errno) => Err(errno),
    }
}

/// The kernel has sent us, this very thread, the signal that tells of the failed write. It must
/// not be sent on to the main child. One that a person sent waits in another queue and stays.
fn forget(signal: Signal) {
    let _ = sys::take_signal(SignalSet::EMPTY.with(signal), Some(0));
}
