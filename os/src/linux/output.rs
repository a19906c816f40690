//! Writing without ever waiting, and without dying of it.
//!
//! stderr is shared with the main child, so it cannot be made non-blocking: the flag belongs to
//! the open file, not to us. Whoever reads it may have stopped reading (a full pipe) or gone
//! (PIPE); an init that waits, spins or dies then takes its container with it, as every peer
//! does (peers.md, 1.2). What cannot be written at once is lost, and that is all.

use core::ffi::{CStr, c_int};

use lastout_core::{Signal, SignalSet};

use super::sys::{self, Errno, Fd};

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
        // gVisor takes RWF_NOWAIT for a pipe and waits all the same. Nothing else is asked: a
        // device need not tell of room (/dev/kmsg never does).
        libc::S_IFIFO if sys::has_room(STDERR) == Some(false) => Err(Errno(libc::EAGAIN)),
        _ => match sys::write_now(STDERR, bytes) {
            // Terminals do not know it, nor do pipes before Linux 6.4.
            Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::EPERM)) => {
                write_through_own_descriptor(bytes)
            }
            other => other,
        },
    };
    forget_failure(written);
}

/// Writes to a file that we have opened ourselves, non-blocking; how much of it could be written
/// at once.
pub fn write_to_own(fd: &Fd, bytes: &[u8]) -> usize {
    let written = sys::write(fd.number(), bytes);
    forget_failure(written);
    written.unwrap_or(0)
}

/// Puts text behind what is in the buffer already, as much of it as there is room for. Was that
/// all of it?
pub fn append(buffer: &mut [u8], used: &mut usize, text: &str) -> bool {
    let room = buffer.iter_mut().skip(*used);
    let copied = room.zip(text.bytes()).map(|(to, byte)| *to = byte).count();
    *used += copied;
    copied == text.len()
}

/// The same file, opened again for ourselves: that one can be non-blocking.
fn write_through_own_descriptor(bytes: &[u8]) -> sys::Result<usize> {
    const PATH: &CStr = c"/proc/self/fd/2";
    match sys::open(PATH, libc::O_WRONLY | libc::O_NONBLOCK) {
        Ok(own) => sys::write(own.number(), bytes),
        // No /proc, or another user's terminal. There was room a moment ago: all we can know. Where
        // not even that can be known, this write could wait for ever.
        Err(_) if bytes.len() <= PIPE_BUF && sys::has_room(STDERR) == Some(true) => {
            sys::write(STDERR, bytes)
        }
        Err(errno) => Err(errno),
    }
}

/// The kernel has sent us, this very thread, a signal that tells of the failed write. It must
/// not be sent on to the main child. One that a person sent waits in another queue and stays.
fn forget_failure(written: sys::Result<usize>) {
    let signal = match written {
        Err(Errno(libc::EPIPE)) => Signal::PIPE,
        Err(Errno(libc::EFBIG)) => Signal::XFSZ,
        _ => return,
    };
    let _ = sys::take_signal(SignalSet::EMPTY.with(signal), Some(0));
}
