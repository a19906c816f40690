//! mininit, the least that an init can be: it starts its command without copying anything, waits
//! until it has ended, and leaves with its code. Four system calls, one page.
//!
//! It sends no signal on, so it is a limit to measure against, and not an init to use. What any
//! init costs more than this is what its work costs; what this costs, the kernel takes for any
//! process. Measured by `inits/`, beside this file.

#![no_std]
#![no_main]

use core::ffi::{c_char, c_long, c_void};
use core::panic::PanicInfo;

use lastout_os::arch::{syscall, vfork};

#[path = "../src/memory.rs"]
mod memory;

lastout_os::start!(enter);

/// What the child executes.
struct Command {
    argv: *const *const c_char,
    environment: *const *const c_char,
}

/// The child shares our memory, and we stand still, until its exec.
const FLAGS: i32 = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// Called by `_start`.
///
/// # Safety
/// Once, by `_start`, with the stack as the kernel left it at exec.
unsafe extern "C" fn enter(stack: *mut usize) -> ! {
    // SAFETY: the layout is execve(2)'s: a count, the arguments, null, the environment, null.
    let mut command = unsafe {
        let arguments = stack.add(1).cast::<*const c_char>();
        let first = *arguments.add(1);
        let has_dashes =
            !first.is_null() && [0, 1, 2].map(|at| *first.add(at).cast::<u8>()) == [b'-', b'-', 0];
        let argv = arguments.add(if has_dashes { 2 } else { 1 });
        Command { argv, environment: arguments.add(*stack + 1) }
    };
    // SAFETY: the child neither returns nor writes.
    let pid = unsafe { vfork(FLAGS as usize, execute, (&raw mut command).cast::<c_void>()) };
    let mut status = 0_usize;
    loop {
        let to = (&raw mut status) as usize;
        // SAFETY: the status is ours, and the kernel writes an int of it.
        let ended = unsafe { syscall(libc::SYS_wait4, [usize::MAX, to, 0, 0, 0, 0]) };
        if ended == pid || ended < 0 {
            break;
        }
    }
    let signal = status & 0x7f;
    exit(if signal == 0 { status >> 8 & 0xff } else { 128 + signal })
}

/// The child.
unsafe extern "C" fn execute(command: *mut c_void) -> ! {
    // SAFETY: our parent's command, which stands still and keeps it.
    unsafe {
        let Command { argv, environment } = *command.cast::<Command>();
        let args = [*argv as usize, argv as usize, environment as usize, 0, 0, 0];
        syscall(libc::SYS_execve, args);
    }
    exit(127)
}

fn exit(code: usize) -> ! {
    loop {
        // SAFETY: it does not come back.
        let _: c_long = unsafe { syscall(libc::SYS_exit_group, [code, 0, 0, 0, 0, 0]) };
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(125)
}

/// As in `../src/main.rs`; for a debug build by hand.
#[cfg(debug_assertions)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
