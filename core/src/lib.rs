//! The decisions of a container's init, as a pure state machine.
//!
//! PID 1 is single-threaded. Between two things that happen to it, it runs a straight line of
//! system calls whose results it does not need, and ends in one system call whose result it
//! does need. So one step of the machine takes one [`Event`] and returns exactly that: a few
//! [`Effect`]s and one [`Request`]. The answer to the request is the next event.
//!
//! ```text
//! Event ──► Init::step ──► Step { effects, next } ──► perform(effect)…, answer(next) ──► Event …
//! ```
//!
//! Nothing here knows a system call, a clock, a heap or a thread. Whoever drives the machine
//! implements [`Kernel`]: the real one is in the package `lastout`; a simulated one explores
//! what the real one never shows.
//!
//! Where to look: [`machine`] for what is decided and why, [`policy`] for what an operator can
//! choose, [`notation`] for the text that every record, scenario and `-v` line is written in.
//! K… are the Linux facts and S…, L… the laws of ARCHITECTURE.md.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod decimal;
pub mod event;
pub mod machine;
pub mod notation;
pub mod policy;
pub mod replay;
pub mod run;
pub mod signal;
pub mod status;
pub mod step;
pub mod time;

pub use decimal::Decimal;
pub use event::{Event, SpawnError};
pub use machine::{Init, Phase};
pub use notation::{Entry, ParseError};
pub use policy::{ExitMap, Forward, Graces, Policy, Reaping, Rewrites, Role, Wishes};
pub use replay::Gap;
pub use run::{Kernel, run};
pub use signal::{Signal, SignalSet};
pub use status::Status;
pub use step::{Effect, Effects, Notice, Pid, Request, Step, Target};
pub use time::Millis;
