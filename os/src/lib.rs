//! lastout on Linux: the command line, the system calls and the words around the machine of
//! `lastout-core`.
//!
//! This library exists so that what can be tested in an ordinary process is. The program
//! (`main.rs`) adds only what a process without a C library needs to start at all.
//!
//! * [`cli`]: arguments and environment to a policy.
//! * [`linux`]: the real kernel, system calls and nothing else. No decision is made there.
//! * [`words`]: what people read.
//! * [`init`]: the order of the first system calls, and the life that follows.
//! * [`arch`]: what differs between processors.
//!
//! No allocation happens anywhere: there is no heap.

#![cfg_attr(not(test), no_std)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "lastout is for 64-bit little-endian Linux: the kernel's structures are laid out so"
);

pub mod arch;
pub mod cli;
pub mod init;
pub mod linux;
pub mod words;
