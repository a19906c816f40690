//! What the tests share that look at lastout from outside, on the real kernel.
//!
//! * [`container`]: a program as PID 1 (or 2) of a PID namespace of its own. Every test that
//!   sends a signal does so in one, so that a mistake cannot reach the machine's processes.
//! * [`engine`]: the same by the engines that users have: Docker, runc, crun.
//! * [`seccomp`]: a kernel that lacks system calls, as a program sees it.
//! * [`story`]: what the processes of a container did, as they tell it themselves.
//! * [`tools`]: the programs that tests run, and what a test says when it cannot.
//! * `puppet` (a program): the processes of these containers, scripted on their command line.
//! * `kernel-probe` (a program): asks a kernel which facts of docs/kernel.md hold there.

pub mod container;
pub mod engine;
pub mod seccomp;
pub mod story;
pub mod tools;
