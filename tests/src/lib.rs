//! What the tests share that look at lastout from outside, on the real kernel.
//!
//! * [`container`]: a program as PID 1 (or 2) of a PID namespace of its own. Every test that
//!   sends a signal does so in one, so that a mistake cannot reach the machine's processes.
//! * [`engine`]: the same by the engines that users have: Docker, runc, crun.
//! * [`trace`]: every system call of lastout, told by ptrace(2).
//! * [`calls`]: these calls against what was decided: none more, none fewer.
//! * [`record`]: the record of every life of the real binary, and its judge.
//! * [`seccomp`]: a kernel that lacks system calls, as a program sees it.
//! * [`story`]: what the processes of a container did, as they tell it themselves.
//! * [`tools`]: the programs that tests run, and what a test says when it cannot.
//! * [`parity`]: the simulator's programs, executed by real processes, and compared.
//! * `teller` (a program): the processes of these containers, scripted on their command line.
//! * `kernel-probe` (a program): asks a kernel which facts of docs/kernel.md hold there.

pub mod calls;
pub mod container;
pub mod engine;
pub mod parity;
pub mod record;
pub mod seccomp;
pub mod story;
pub mod tools;
pub mod trace;
