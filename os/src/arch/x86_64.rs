//! x86-64: syscall(2) and the psABI, section A.2.

use core::arch::asm;
use core::ffi::{c_long, c_void};

use super::ChildMain;

/// Makes a system call: its result, or minus its error number.
///
/// # Safety
/// As the system call: every pointer among the arguments must be good for what it does.
#[inline]
pub unsafe fn syscall(number: c_long, args: [usize; 6]) -> c_long {
    let result: c_long;
    // SAFETY: the kernel changes rax, rcx and r11, and memory only as the caller vouches for.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Starts a child that runs `main(arg)` in our memory, on our stack below what is in use, while
/// we stand still until it has executed another program or exited: its pid, or minus the error
/// number. Saves the copy of our page tables that fork(2) makes (K106 is the price).
///
/// # Safety
/// `main` must not return or unwind, and may change of our memory only what `arg` points to.
#[inline(never)]
pub unsafe fn vfork(flags: usize, main: ChildMain, arg: *mut c_void) -> c_long {
    let result: c_long;
    // SAFETY: we are suspended while the child runs, so its stack can be the unused part of
    // ours; no `nostack` here, so nothing of ours is below rsp, and 256 bytes are left anyway.
    // The child never comes back from the call; the kernel gives it copies of our registers.
    unsafe {
        asm!(
            "lea rsi, [rsp - 256]",
            "and rsi, -16",
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone => result,
            in("rdi") flags,
            out("rsi") _,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            in("r12") main,
            in("r13") arg,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}

/// The first instructions of a program: calls `$main` with what the kernel put on the stack.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "xor ebp, ebp",
            "mov rdi, rsp",
            "and rsp, -16",
            "call {main}",
            "ud2",
            main = sym $main,
        );
    };
}
