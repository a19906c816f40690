//! aarch64: syscall(2) and the AAPCS64.

use core::arch::asm;
use core::ffi::{c_long, c_void};

use super::ChildMain;

/// Makes a system call: its result, or minus its error number.
///
/// # Safety
/// As the system call: every pointer among the arguments must be good for what it does.
#[inline]
pub unsafe fn syscall(number: c_long, args: [usize; 6]) -> c_long {
    let mut x0 = args[0];
    // SAFETY: the kernel changes x0, and memory only as the caller vouches for.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") x0,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    x0 as c_long
}

/// Starts a child that runs `main(arg)` in our memory, on our stack below what is in use, while
/// we stand still until it has executed another program or exited: its pid, or minus the error
/// number. Saves the copy of our page tables that fork(2) makes (K106 is the price).
///
/// # Safety
/// `main` must not return or unwind, and may change of our memory only what `arg` points to.
#[inline(never)]
pub unsafe fn vfork(flags: usize, main: ChildMain, arg: *mut c_void) -> c_long {
    let mut x0 = flags;
    // SAFETY: we are suspended while the child runs, so its stack can be the unused part of
    // ours; sp is always a multiple of 16, and 256 bytes below it are left. The child never
    // comes back from the call; the kernel gives it copies of our registers.
    unsafe {
        asm!(
            "sub x1, sp, #256",
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x21",
            "blr x20",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone,
            inlateout("x0") x0,
            out("x1") _,
            in("x2") 0_usize,
            in("x3") 0_usize,
            in("x4") 0_usize,
            in("x20") main,
            in("x21") arg,
            out("x30") _,
        );
    }
    x0 as c_long
}

/// The first instructions of a program: calls `$main` with what the kernel put on the stack.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, sp",
            "bl {main}",
            "brk #1",
            main = sym $main,
        );
    };
}
