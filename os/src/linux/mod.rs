//! The real kernel: system calls, and nothing else. What is to be done is decided in
//! `lastout-core`; here it is done.
//!
//! * [`sys`]: every system call that lastout makes, one small function each.
//! * [`kernel`]: the machine's [`Kernel`](lastout_core::Kernel): one place that waits, one that
//!   reaps.
//! * [`reaping`]: who reaps, we or the kernel, and what a report says.
//! * [`spawn`]: starts the main child.
//! * [`everybody`]: who else there is, and sending them a signal.
//! * [`proc`]: what /proc tells of a process.
//! * [`terminal`]: the controlling terminal.
//! * [`output`]: writing without ever waiting.
//! * [`record`]: the dialogue in a file.

pub mod everybody;
pub mod kernel;
pub mod output;
pub mod proc;
pub mod reaping;
pub mod record;
pub mod spawn;
pub mod sys;
pub mod terminal;
