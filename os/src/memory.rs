//! The functions that compiled code may call for copying, filling, comparing and measuring
//! memory. The C library has them; there is none. The compiler also turns loops that look like
//! one of these into a call of it, so none of them is written as such a loop.

use core::arch::asm;
use core::ffi::c_int;

/// memcpy(3).
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as the caller vouches for.
    unsafe { copy_up(to, from, count) };
    to
}

/// memmove(3).
///
/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as the caller vouches for; upwards unless that would overwrite what is to be read.
    unsafe {
        if to.addr().wrapping_sub(from.addr()) >= count {
            copy_up(to, from, count);
        } else {
            let mut at = count;
            while at > 0 {
                at -= 1;
                to.add(at).write_volatile(from.add(at).read_volatile());
            }
        }
    }
    to
}

/// memset(3).
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, count: usize) -> *mut u8 {
    // The byte is the low 8 bits, as memset(3) has it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let byte = byte as u8;
    // SAFETY: as the caller vouches for.
    unsafe { fill(to, byte, count) };
    to
}

/// memcmp(3).
///
/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> c_int {
    let mut at = 0;
    while at < count {
        // SAFETY: at < count, and the caller vouches for that many.
        let (x, y) = unsafe { (a.add(at).read_volatile(), b.add(at).read_volatile()) };
        if x != y {
            return c_int::from(x) - c_int::from(y);
        }
        at += 1;
    }
    0
}

/// bcmp(3).
///
/// # Safety
/// As bcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> c_int {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, count) }
}

/// strlen(3).
///
/// # Safety
/// As strlen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut at = 0;
    // SAFETY: nothing behind the terminating zero is read.
    while unsafe { text.add(at).read_volatile() } != 0 {
        at += 1;
    }
    at
}

#[cfg(target_arch = "x86_64")]
unsafe fn copy_up(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: copies count bytes upwards; the ABI keeps the direction flag clear.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    // SAFETY: writes count bytes upwards; the ABI keeps the direction flag clear.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte,
            options(nostack, preserves_flags));
    }
}

#[cfg(target_arch = "aarch64")]
unsafe fn copy_up(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: copies count bytes upwards, one at a time.
    unsafe {
        asm!("cbz {n}, 3f", "2:", "ldrb {b:w}, [{from}], #1", "strb {b:w}, [{to}], #1",
            "subs {n}, {n}, #1", "b.ne 2b", "3:",
            n = inout(reg) count => _, to = inout(reg) to => _, from = inout(reg) from => _,
            b = out(reg) _, options(nostack));
    }
}

#[cfg(target_arch = "aarch64")]
unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    // SAFETY: writes count bytes upwards, one at a time.
    unsafe {
        asm!("cbz {n}, 3f", "2:", "strb {b:w}, [{to}], #1", "subs {n}, {n}, #1", "b.ne 2b", "3:",
            n = inout(reg) count => _, to = inout(reg) to => _, b = in(reg) byte,
            options(nostack));
    }
}
