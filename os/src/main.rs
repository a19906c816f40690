//! The program `lastout`: what a process needs that has no C library to start it.
//!
//! performance.md's finding, in one line: a C library's start-up costs several times what an
//! init does in its whole start. So the first instruction is ours, and everything after it is
//! in the library beside this file.

#![no_std]
#![no_main]

use core::fmt::Write;
use core::panic::PanicInfo;

use lastout_core::Decimal;
use lastout_os::init::{self, Stack};
use lastout_os::linux::sys;
use lastout_os::words::Stderr;

mod memory;

lastout_os::start!(enter);

/// Called by `_start`.
///
/// # Safety
/// Once, by `_start`, with the stack as the kernel left it at exec.
unsafe extern "C" fn enter(stack: *mut usize) -> ! {
    // SAFETY: that is what our caller vouches for.
    let stack = unsafe { Stack::new(stack) };
    sys::exit(init::live(stack))
}

/// Nothing here panics; if it does all the same, the engine must not wait for a PID 1 that
/// is stuck, and the operator must know that it was our fault.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut stderr = Stderr::new();
    // Writing to a Stderr cannot fail.
    let _ = match info.location() {
        Some(at) => {
            let _ = stderr.write_str("internal error at ");
            let _ = stderr.write_str(at.file());
            write!(stderr, ":{}", Decimal(at.line().into()))
        }
        None => stderr.write_str("internal error"),
    };
    let _ = stderr.write_str("; this is a bug of lastout, please report it");
    stderr.end_line();
    sys::exit(lastout_core::machine::OWN_FAILURE)
}

/// The precompiled `core` names it in unoptimised builds; with `panic = "abort"` nobody calls it.
#[cfg(debug_assertions)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
