//! A scenario: a [`Setting`] as a text, with what is expected of every life that can come of it.
//!
//! ```text
//! # lastout-world 1
//! # P3: the main child leaves on TERM, and its worker, who is asked then, finishes.
//!
//! init lastout
//! policy role=pid1 drain-grace=1s
//! prompt
//! engine settle, docker-stop
//! main app
//!
//! program app
//!     spawn worker; pause
//!
//! program worker
//!     on TERM goto save
//!   idle: pause; goto idle
//!   save: exit 0
//!
//! expect exit 143
//! expect worker exit 0
//! expect laws hold
//! ```
//!
//! | line | what it sets |
//! |---|---|
//! | `init lastout`, `init mutant NAME`, `init PEER`, `init program NAME` | who is init; a program is that without any |
//! | `policy WORD=…` | the words of a record's first line; what is not named is as by default |
//! | `stop-timeout TIME` | the engine's time-out that init is told: graces that are not named are planned with it, and L4 is judged |
//! | `engine ACTION, …` | a script of the engine ([`crate::engine`]); several lines run side by side |
//! | `fault NAME [VALUE]` | something that may go wrong ([`crate::setting::Faults`]) |
//! | `freezer v1\|v2`, `processes N`, `forks N`, `halves`, `prompt` | the rest of the [`Setting`] |
//! | `main NAME` | the main child; the first program, if it is not named |
//! | `program NAME` | a program, up to the next line that begins with one of these words |
//! | `expect …` | an [`Expectation`] |
//! | `moves` | all lines behind it are the moves of one life |
//!
//! What is written is canonical: a scenario has one text, and [`parse`] of it is the scenario.
//! Remarks (`#`) have one place, under the first line: only there are they kept, so that anywhere
//! else they are refused.

mod check;
mod life;
mod parse;
mod policy;
mod write;

use lastout_core::Signal;

pub use check::{Failure, MOST_STATES, Report, check};
pub use life::life;
pub use parse::parse;

use crate::kernel::Unhashed;
use crate::laws::Law;
use crate::setting::Setting;
use crate::world::Choice;

/// The first line.
pub const HEAD: &str = "# lastout-world 1";

/// A setting, and what is expected of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// What the reader must know, in lines.
    pub remark: String,
    /// The circumstances.
    pub setting: Setting,
    /// What must be so.
    pub expectations: Vec<Expectation>,
    /// The moves of one life, if it is about that one.
    pub moves: Vec<Choice>,
}

/// Something that must be so, of all that can come of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// Where it stands.
    pub line: Unhashed<usize>,
    /// In at least one life; otherwise in each.
    pub sometimes: bool,
    /// What.
    pub claim: Claim,
}

/// What can be expected.
///
/// A life is over when init has left, or when nobody will ever move again; a life that goes round
/// in circles for ever is none. Of a program that several processes execute at their end, a claim
/// is about each of them, and of a life in which none does, it says nothing; but some life must
/// have one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// `exit 0|143`: init leaves with one of these exit codes.
    Exit(Vec<u8>),
    /// `NAME exit 0|143`: exits so.
    Exits(u8, Vec<u8>),
    /// `NAME killed [SIG]`: a signal kills it; KILL, if none is named.
    Killed(u8, Signal),
    /// `NAME alive`: it is still there. When PID 1 has left, nobody is.
    Alive(u8),
    /// `NAME got-term`, `NAME not-got-term`: TERM reached it or did not. It does not reach who
    /// ignores it, nor a PID 1 without a handler.
    GotTerm(u8, bool),
    /// `NAME says WORD…`: it has said these words, in that order, and no others.
    Says(u8, Vec<String>),
    /// `never-ends`: init leaves in no life at all.
    NeverEnds,
    /// `laws hold`.
    LawsHold,
    /// `breaks LAW`: some life does. Laws that no such line names must hold.
    Breaks(Law),
}

#[cfg(test)]
mod tests;
