//! A simulated container: a kernel, its processes and an engine around the unchanged core of
//! lastout, and the checks that make lastout a verified init.
//!
//! ```text
//!   who chooses?                    a world                          who judges?
//!   explore: all of it      ┌──────────────────────────┐
//!   swarm: a random number  │ core::Init ⇄ Kernel      │       laws: S1…S13, L1…L5
//!   proptest: a vector ───► │ programs, engine, faults │ ────► witnesses: was it worth it?
//!   fuzz: bytes             │ one value, hashable      │       ps, time line: what happened?
//!                           └──────────────────────────┘
//! ```
//!
//! [`world`] is the place to begin; [`kernel`] is Linux as docs/kernel.md says it is.

#![allow(
    clippy::missing_panics_doc,
    reason = "what cannot happen is asserted: a simulator that goes on is worse than one that stops"
)]

pub mod admits;
pub mod bounds;
pub mod chooser;
pub mod engine;
pub mod execute;
pub mod explore;
pub mod fingerprint;
pub mod fuzz;
pub mod kernel;
pub mod laws;
pub mod life;
pub mod machine;
pub mod mutant;
pub mod note;
pub mod parity;
pub mod peer;
pub mod program;
pub mod scenario;
pub mod setting;
pub mod show;
pub mod shrink;
pub mod swarm;
pub mod trial;
pub mod witness;
pub mod workload;
pub mod world;
