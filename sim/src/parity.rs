//! Parity: is the simulated kernel Linux?
//!
//! One program text is executed twice: by puppets, which are real processes in a real PID
//! namespace, and here. A *conductor* gives the *cues*: which process executes its next
//! instruction, or what somebody outside does. After each cue it waits until nobody on the real
//! kernel has anything left to do, and looks: at the whole process table and at what each process
//! was answered. That is a [`View`], and the simulated kernel must be able to give the same one.
//!
//! ```text
//!                      ┌─► real kernel: puppets ──────► View ─┐
//!   Score: programs ───┤                                      ├─ admitted?
//!          and cues    └─► Beliefs: simulated kernels ─► View ┘
//! ```
//!
//! Linux does not say in which order several processes act at once: which of two dies first, who
//! is told first. So what is known of the simulated kernel is a set: after a cue, all states in
//! which it can be when nobody has anything left to do, in whatever order they did it
//! ([`Beliefs::settle`]). What was seen on the real one keeps those states that look so. If none is
//! left, the two kernels differ, and that is a divergence. Most often the set has one state, and
//! then admitted is the same as equal.
//!
//! Processes are known by their order of birth, from 1, which is PID 1.
//!
//! A process that is at a *gate* stands before its next instruction and waits for its cue;
//! signals reach it there as they reach any process. One that is in a *call* is in an instruction
//! that waits for something: `pause`, `wait`, `reap`, `take`.

mod belief;
mod score;
mod transcript;
mod view;

pub use belief::{Belief, Beliefs, Lost};
pub use score::{Cue, Score, unplayable};
pub use transcript::changes;
pub use view::{Phase, Seen, State, View};

#[cfg(test)]
mod tests;
