//! System calls about memory.

use super::{Result, call, signed};

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
