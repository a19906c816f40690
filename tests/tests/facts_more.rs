//! The facts of `docs/kernel.md` from K42 on, seen on the kernel that these tests run on: one test
//! a fact, its number first in its name. They try Linux, not lastout; what the core and the
//! simulator take for granted fails here if a kernel does otherwise.
//!
//! [`ground`] has what a test stands on and is to be read first. Each test is on its own ground: a
//! PID namespace that ends with it.

#[path = "facts_more/background.rs"]
mod background;
#[path = "facts_more/calls.rs"]
mod calls;
#[path = "facts_more/cgroup.rs"]
mod cgroup;
#[path = "facts_more/ground.rs"]
mod ground;
#[path = "facts_more/jobs.rs"]
mod jobs;
#[path = "facts_more/kill.rs"]
mod kill;
#[path = "facts_more/pidfd.rs"]
mod pidfd;
#[path = "facts_more/proc.rs"]
mod proc;
#[path = "facts_more/pty.rs"]
mod pty;
#[path = "facts_more/signals.rs"]
mod signals;
#[path = "facts_more/teardown.rs"]
mod teardown;
#[path = "facts_more/terminal.rs"]
mod terminal;
#[path = "facts_more/time.rs"]
mod time;
#[path = "facts_more/tree.rs"]
mod tree;
