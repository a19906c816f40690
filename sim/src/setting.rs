//! The circumstances of a life: what does not change while it is lived.
//!
//! A setting is text as well, so that a counterexample is a file and a file is a test:
//!
//! ```text
//! # lastout-world 1
//! # What the reader must know.
//! init lastout
//! policy role=pid1 drain-grace=100ms last-call=50ms kill-grace=50ms
//! engine stop 10s
//! engine exec worker
//! fault late 100ms
//! main app
//! program app
//!     spawn worker; pause
//! program worker
//!     on TERM goto save
//!   idle: pause; goto idle
//!   save: exit 0
//! expect worker exit 0
//! moves
//! ```
//!
//! [`crate::scenario`] reads and writes it.

use lastout_core::{Millis, Policy, Role, SpawnError};

use crate::engine::Script;
use crate::kernel::Freezer;
use crate::machine::Kind;
use crate::program::Library;

/// Who is PID 1, or the subreaper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Who {
    /// An init whose decisions are tried.
    Init(Kind),
    /// No init: this program is PID 1 itself.
    Program(u8),
}

/// What goes wrong, each by itself. Numbers say how often at most.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fault that can be switched on")]
pub struct Faults {
    /// How late init may be at most when something is to be done: a busy machine. Longer than
    /// that, and less than a freeze can be told from, nothing happens.
    pub late: Millis,
    /// CHLD without a death.
    pub chld: u8,
    /// A wait that ends without a signal (K98).
    pub eintr: u8,
    /// fork(2) fails.
    pub fork: u8,
    /// Starting the main child fails.
    pub spawn: Option<SpawnError>,
    /// A process cannot die for a while (state D).
    pub hang: u8,
    /// A debugger holds on to a process, and to its zombie (K39).
    pub tracer: u8,
    /// Entered processes are reaped by their parents when those like (K48, K59).
    pub lazy: bool,
    /// Init may not signal processes of other users (K66).
    pub eperm: bool,
    /// Somebody else takes the dead main child's report: no kernel does that to an init, but one
    /// that inherited `SIG_IGN` for CHLD would see it (K31).
    pub stolen: u8,
    /// A child that was there before init was, and died before it listened (K24).
    pub inherited: bool,
    /// The kernel does not tell how a process ended that nobody can wait for any more: Linux
    /// before 6.15, and whatever refuses to (K109).
    pub forgetful: bool,
    /// The engine may act before init has blocked the signals: those are lost (K9).
    pub early: bool,
}

/// The circumstances of a life.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Setting {
    /// Whose decisions.
    pub who: Who,
    /// What it was told.
    pub policy: Policy,
    /// The engine's time-out that it was told, if L4 is to be judged.
    pub stop_timeout: Option<Millis>,
    /// The programs.
    pub library: Library,
    /// The main child's.
    pub main: u8,
    /// What the engine does.
    pub engine: Vec<Script>,
    /// What goes wrong.
    pub faults: Faults,
    /// The kind of freezer.
    pub freezer: Freezer,
    /// The most processes at a time.
    pub processes: u16,
    /// The most forks of programs in a life; from then on there is no process to be had. None: no
    /// such limit.
    pub forks: Option<u8>,
    /// Time may stop halfway to the next thing that a clock brings.
    pub halves: bool,
    /// Time stands still while anybody has something to do, the engine too: nobody is slower than
    /// the clock, but for init as far as faults have it, and what takes time is a sleep. Otherwise
    /// all but init are as slow as they like.
    pub prompt: bool,
    /// Are the laws judged? Otherwise a life goes on after what breaks one.
    pub judged: bool,
    /// Are the ends of processes kept, for a scenario to look at?
    pub endings: bool,
}

impl Setting {
    /// lastout as that policy has it, with these programs, the first of which is the main child;
    /// no engine, no fault.
    pub fn new(policy: Policy, library: Library) -> Self {
        Self {
            who: Who::Init(Kind::Lastout),
            policy,
            stop_timeout: None,
            library,
            main: 0,
            engine: Vec::new(),
            faults: Faults::default(),
            freezer: Freezer::default(),
            processes: 64,
            forks: None,
            halves: false,
            prompt: false,
            judged: true,
            endings: false,
        }
    }

    /// Is it the PID 1 of its namespace?
    pub fn is_pid1(&self) -> bool {
        self.policy.role == Role::Pid1
    }

    /// Does the init go through the phases of lastout's life?
    pub fn has_phases(&self) -> bool {
        matches!(self.who, Who::Init(Kind::Lastout | Kind::Mutant(_)))
    }

    /// Is it lastout, unchanged?
    pub fn is_lastout(&self) -> bool {
        self.who == Who::Init(Kind::Lastout)
    }
}
