//! System calls about files and descriptors.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;

use super::{Result, call, int, plain, signed, timespec};

/// A file descriptor that is ours to close.
#[derive(Debug)]
pub struct Fd(pub(super) c_int);

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
    create(path, flags, 0)
}

/// The same, with the mode that a file has which is made by it (`O_CREAT`).
///
/// # Errors
/// As open(2).
pub fn create(path: &CStr, flags: c_int, mode: libc::mode_t) -> Result<Fd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    let path = path.as_ptr().expose_provenance();
    let args = [signed(libc::AT_FDCWD), path, signed(flags), mode as usize, 0, 0];
    // SAFETY: path is a C string.
    unsafe { call(libc::SYS_openat, args) }.map(|fd| Fd(int(fd)))
}

/// The same file by the lowest free number from `least` on, close-on-exec: fcntl(2),
/// `F_DUPFD_CLOEXEC`.
///
/// # Errors
/// EMFILE: there is no such number.
pub fn renumber(fd: &Fd, least: c_int) -> Result<Fd> {
    let args = [signed(fd.0), signed(libc::F_DUPFD_CLOEXEC), signed(least)];
    plain(libc::SYS_fcntl, args).map(|fd| Fd(int(fd)))
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

/// `close_range(2)`: closes every descriptor from `first` to `last`.
///
/// # Errors
/// ENOSYS, EPERM: not available (before Linux 5.9, or forbidden).
pub fn close_range(first: c_int, last: c_int) -> Result<()> {
    plain(libc::SYS_close_range, [signed(first), signed(last), 0]).map(drop)
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

/// ppoll(2), not waiting: is there room to write? Nothing, where that call is refused.
pub fn has_room(fd: c_int) -> Option<bool> {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let at_once = timespec(0);
    let args =
        [(&raw mut poll).expose_provenance(), 1, (&raw const at_once).expose_provenance(), 0, 0, 0];
    // SAFETY: the pollfd and the timespec are ours; no mask is given.
    let ready = unsafe { call(libc::SYS_ppoll, args) }.ok()?;
    Some(ready == 1 && poll.revents & libc::POLLOUT != 0)
}
