//! The real half of parity (`lastout_sim::parity` is the other, and says what it is about): a
//! conductor that has puppets execute programs in a real PID namespace, and compares.
//!
//! * [`Conductor::play`]: programs and cues on both kernels, compared after each cue.
//! * [`stage`]: the memory that it shares with the puppets.
//! * `puppet` (a program): the processes.
//!
//! Nobody sleeps. After a cue the conductor reads `/proc/PID/status` of everybody until nobody
//! has anything left to do: each is a zombie, or stopped, or asleep at its gate or in its call with
//! no signal that it could be given; between two looks each was found off the processor, and has
//! not been off it more often at the second (its context switches have not changed). So there was a
//! moment at which nobody ran.

pub mod conductor;
mod encode;
mod processes;
pub mod stage;

pub use conductor::{Conductor, Failure, Options, Played};
