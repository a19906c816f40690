//! System calls about memory.

use super::{Result, call, plain, signed};

/// Numbers that are zero at first, in memory of their own, `mmap(2)`: pages that are never
/// touched cost nothing.
#[derive(Debug)]
pub struct Zeros {
    start: *mut u32,
    count: usize,
}

impl Zeros {
    /// # Errors
    /// ENOMEM: there is no room for so many.
    pub fn new(count: usize) -> Result<Self> {
        let length = count * size_of::<u32>();
        let protection = signed(libc::PROT_READ | libc::PROT_WRITE);
        let flags = signed(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { call(libc::SYS_mmap, [0, length, protection, flags, usize::MAX, 0]) }?;
        // Where huge pages are given unasked, the first number touched would cost 2 MB. EINVAL: a
        // kernel that has none.
        let _ = plain(libc::SYS_madvise, [start, length, signed(libc::MADV_NOHUGEPAGE)]);
        Ok(Self { start: core::ptr::with_exposed_provenance_mut(start), count })
    }

    /// The numbers.
    pub const fn numbers(&mut self) -> &mut [u32] {
        // SAFETY: mapped for that many, by us, at the beginning of a page, and borrowed from us.
        // Any bits are a number.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.count) }
    }
}

impl Drop for Zeros {
    fn drop(&mut self) {
        let length = self.count * size_of::<u32>();
        // SAFETY: our mapping, and nobody borrows it any more.
        let _ =
            unsafe { call(libc::SYS_munmap, [self.start.expose_provenance(), length, 0, 0, 0, 0]) };
    }
}
