//! The system calls that lastout makes, one small function each, named as in section 2 of the
//! manual. Every `unsafe` that is about a system call is here and in the files below, by what
//! the calls are about, and each says why the pointers in it are good.
//!
//! The libc crate gives numbers and layouts; none of its functions is called, and no C library
//! is linked.

// Casts between what the kernel and what Rust calls a number: 64 bits only (lib.rs).
#![allow(clippy::cast_possible_truncation)]

use core::ffi::c_int;
use core::fmt;

use lastout_core::{Decimal, Pid};

use crate::arch;

mod file;
mod memory;
mod pidfd;
mod process;
mod signal;
mod terminal;

pub use file::*;
pub use memory::Zeros;
pub use pidfd::*;
pub use process::*;
pub use signal::*;
pub use terminal::*;

/// Why a system call failed: errno(3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub c_int);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("errno ")?;
        // They are small, and never negative.
        Decimal(u64::from(self.0.unsigned_abs())).fmt(f)
    }
}

/// What a system call gives, or why it failed.
pub type Result<T> = core::result::Result<T, Errno>;

/// Pointers are passed as exposed addresses (`expose_provenance`): the compiler must expect the
/// kernel to write through them. A mere `addr` would let it assume that nobody does.
///
/// # Safety
/// As [`arch::syscall`].
unsafe fn call(number: libc::c_long, args: [usize; 6]) -> Result<usize> {
    // SAFETY: as the caller vouches for.
    let result = unsafe { arch::syscall(number, args) };
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        // errno(3) are small: -4095 to -1.
        Err(_) => Err(Errno(-result as c_int)),
    }
}

/// A system call whose arguments are all numbers: nothing of ours can be harmed through them.
fn plain(number: libc::c_long, args: [usize; 3]) -> Result<usize> {
    // SAFETY: every caller below passes numbers only, to calls that take no pointer there.
    unsafe { call(number, [args[0], args[1], args[2], 0, 0, 0]) }
}

/// An argument that the kernel takes as a signed number.
const fn signed(number: c_int) -> usize {
    // Sign extension is what the kernel expects.
    #[allow(clippy::cast_sign_loss)]
    let bits = number as isize as usize;
    bits
}

/// A result that is an `int` for the kernel.
#[allow(clippy::cast_possible_wrap)]
const fn int(value: usize) -> c_int {
    value as c_int
}

#[allow(clippy::cast_possible_wrap)]
const fn number(pid: Pid) -> c_int {
    pid.number() as c_int
}

const NS: u64 = 1_000_000_000;

/// `clock_gettime(2)` in ns. `CLOCK_MONOTONIC` does not count while the machine sleeps.
pub fn now(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let args = [signed(clock), (&raw mut time).expose_provenance(), 0, 0, 0, 0];
    // SAFETY: the timespec is ours.
    let _ = unsafe { call(libc::SYS_clock_gettime, args) };
    // Neither is ever negative.
    time.tv_sec.unsigned_abs().saturating_mul(NS).saturating_add(time.tv_nsec.unsigned_abs())
}

/// The C library's types have signed fields; a limit is at most some days.
#[allow(clippy::cast_possible_wrap)]
const fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / NS) as i64, tv_nsec: (ns % NS) as i64 }
}
