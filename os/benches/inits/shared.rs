//! Memory that the harness shares with the programs that it puts under an init: they meet there,
//! without pipes, whose readers an init would have to wake.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lastout_os::arch::syscall;

/// What is there; zero at first. The `u32` are futexes, each counts up.
#[repr(C)]
pub(crate) struct Shared {
    /// The child is set up.
    pub(crate) ready: AtomicU32,
    /// It is to start.
    pub(crate) go: AtomicU32,
    /// It has finished.
    pub(crate) done: AtomicU32,
    /// It is to leave.
    pub(crate) quit: AtomicU32,
    /// So many signals were handled.
    pub(crate) handled: AtomicU32,
    /// Orphans may end.
    pub(crate) open: AtomicU32,
    /// So many orphans are what they are to be.
    pub(crate) made: AtomicU32,
    /// So many have ended, or are about to.
    pub(crate) exited: AtomicU32,
    /// The most that had ended and were not reaped.
    pub(crate) peak: AtomicU32,
    /// When the last signal was handled, or a holder's init had ended; `CLOCK_MONOTONIC`,
    /// nanoseconds.
    pub(crate) handled_at: AtomicI64,
    /// How long it took, nanoseconds; of a holder's init, its processor time.
    pub(crate) took_ns: AtomicI64,
}

/// The memory, as its maker has it.
pub(crate) struct Memory {
    file: File,
    at: &'static Shared,
}

impl Memory {
    pub(crate) fn new() -> Self {
        // SAFETY: the name is a C string; the descriptor is new, and nobody else's.
        let file = unsafe {
            // Without CLOEXEC: the child finds it by its number.
            let fd = libc::memfd_create(c"inits".as_ptr(), 0);
            assert!(fd >= 0, "memfd_create: {}", std::io::Error::last_os_error());
            File::from_raw_fd(fd)
        };
        file.set_len(size_of::<Shared>() as u64).expect("memory for a page");
        let at = attach(file.as_raw_fd());
        Self { file, at }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl std::ops::Deref for Memory {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.at
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let at = ptr::from_ref(self.at).cast_mut().cast();
        // SAFETY: our mapping; the reference goes with us.
        unsafe { libc::munmap(at, size_of::<Shared>()) };
    }
}

/// The memory behind that descriptor.
pub(crate) fn attach(fd: RawFd) -> &'static Shared {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, of which any content is a Shared.
    unsafe {
        let at = libc::mmap(ptr::null_mut(), size_of::<Shared>(), access, libc::MAP_SHARED, fd, 0);
        assert!(at != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        &*at.cast::<Shared>()
    }
}

/// Counts up and wakes everybody who waits for it.
pub(crate) fn post(word: &AtomicU32) {
    word.fetch_add(1, Ordering::SeqCst);
    let args =
        [ptr::from_ref(word) as usize, libc::FUTEX_WAKE as usize, i32::MAX as usize, 0, 0, 0];
    // SAFETY: the word is there.
    unsafe { syscall(libc::SYS_futex, args) };
}

/// Sleeps while the word is `old`, or for a moment. No errno: also for those without a thread of
/// their own.
pub(crate) fn sleep_while(word: &AtomicU32, old: u32, limit: Option<Duration>) {
    let time = limit.map(|limit| libc::timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let word = ptr::from_ref(word) as usize;
    let args = [word, libc::FUTEX_WAIT as usize, old as usize, time as usize, 0, 0];
    // SAFETY: the word and the time are there.
    unsafe { syscall(libc::SYS_futex, args) };
}

/// Waits until the word is no longer `old`; whether it is so within the limit.
pub(crate) fn wait_for(word: &AtomicU32, old: u32, limit: Duration) -> bool {
    let start = Instant::now();
    while word.load(Ordering::SeqCst) == old {
        let Some(left) = limit.checked_sub(start.elapsed()) else {
            return false;
        };
        sleep_while(word, old, Some(left));
    }
    true
}
