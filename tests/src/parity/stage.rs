//! The stage: the memory that the conductor and its puppets share, and the form in which programs
//! are on it. Part of both, so it has neither std nor the simulator in it.
//!
//! A cue is a count: the conductor adds one to a seat's `cues` and wakes it; the puppet acts and
//! adds one to `done`. While they are equal it is at its gate. Everything that a puppet tells is
//! written before that, by itself, in its own seat. The conductor looks only when it has found
//! the process asleep.

use core::sync::atomic::{AtomicU32, Ordering};

/// The most programs, instructions of a program, processes, and answers of a process.
pub const PROGRAMS: usize = 8;
/// See [`PROGRAMS`].
pub const INSTRUCTIONS: usize = 64;
/// See [`PROGRAMS`].
pub const SEATS: usize = 64;
/// See [`PROGRAMS`].
pub const ANSWERS: usize = 128;

/// An instruction: what, and up to three numbers.
pub type Code = [u8; 4];

/// What an instruction does: the first byte. The others are its signal, place, program or number.
pub mod op {
    #![allow(missing_docs, reason = "as the instructions of the simulator are called")]
    pub const EXIT: u8 = 0;
    pub const EXIT_STATUS: u8 = 1;
    pub const ON: u8 = 2;
    pub const MASK: u8 = 3;
    pub const UNMASK: u8 = 4;
    pub const RETURN: u8 = 5;
    pub const FORK: u8 = 6;
    pub const EXEC: u8 = 7;
    pub const SPAWN: u8 = 8;
    pub const DAEMON: u8 = 9;
    pub const WAIT: u8 = 10;
    pub const REAP: u8 = 11;
    pub const REPORT: u8 = 12;
    pub const SETSID: u8 = 13;
    pub const SETPGID: u8 = 14;
    pub const UID: u8 = 15;
    pub const SUBREAPER: u8 = 16;
    pub const KILL: u8 = 17;
    pub const WORK: u8 = 18;
    pub const PAUSE: u8 = 19;
    pub const TAKE: u8 = 20;
    pub const CRASH: u8 = 21;
    pub const SAY: u8 = 22;
    pub const GOTO: u8 = 23;
    pub const REPEAT: u8 = 24;
    pub const WHILE_CHILD: u8 = 25;
    /// The way that is taken comes with the cue.
    pub const EITHER: u8 = 26;
}

/// The second byte of ON.
pub mod action {
    #![allow(missing_docs, reason = "the words are the notation's")]
    pub const DEFAULT: u8 = 0;
    pub const IGNORE: u8 = 1;
    pub const GOTO: u8 = 2;
    pub const ONCE: u8 = 3;
}

/// The first number of KILL.
pub mod whom {
    #![allow(missing_docs, reason = "the words are the notation's")]
    pub const MYSELF: u8 = 0;
    pub const PARENT: u8 = 1;
    pub const INIT: u8 = 2;
    pub const CHILD: u8 = 3;
    pub const GROUP: u8 = 4;
    pub const CHILD_GROUP: u8 = 5;
    pub const ALL: u8 = 6;
}

/// How far a puppet is.
pub mod phase {
    #![allow(missing_docs, reason = "as the views call them")]
    /// It is not there, or not yet ready.
    pub const NONE: u32 = 0;
    pub const GATE: u32 = 1;
    pub const CALL: u32 = 2;
    pub const MIDWAY: u32 = 3;
}

/// An answer: its kind in the highest byte, a pid in the middle, a value in the lowest.
pub mod answer {
    #![allow(missing_docs, reason = "as the outcomes are called")]
    pub const UNDER_WAY: u32 = 0;
    /// The value is 0 or an error number.
    pub const ANSWERED: u32 = 1;
    pub const BORN: u32 = 2;
    pub const NOT_BORN: u32 = 3;
    pub const NOT_WAITED: u32 = 4;
    pub const EXITED: u32 = 5;
    pub const KILLED: u32 = 6;
    pub const STOPPED: u32 = 7;
    pub const TRAPPED: u32 = 8;
    pub const CONTINUED: u32 = 9;
    pub const NOTHING: u32 = 10;
    pub const CUT_SHORT: u32 = 11;

    /// Packs an answer. Pids in a young namespace are small.
    pub const fn pack(kind: u32, pid: u32, value: u32) -> u32 {
        kind << 24 | (pid & 0xffff) << 8 | value & 0xff
    }

    /// Kind, pid, value.
    pub const fn unpack(word: u32) -> (u32, u32, u32) {
        (word >> 24, word >> 8 & 0xffff, word & 0xff)
    }
}

/// What the launcher is told to do.
pub mod order {
    #![allow(missing_docs, reason = "the words are the cues'")]
    pub const ENTER: u32 = 1;
    pub const LET_GO: u32 = 2;
    /// Reap everybody until nobody is left.
    pub const END: u32 = 3;
}

/// A program.
#[repr(C)]
pub struct Program {
    /// How many instructions it has; after the last it exits with 0.
    pub length: AtomicU32,
    /// They.
    pub code: [AtomicU32; INSTRUCTIONS],
}

/// A process.
#[repr(C)]
pub struct Seat {
    /// How many cues were given.
    pub cues: AtomicU32,
    /// How many were followed.
    pub done: AtomicU32,
    /// What comes with the cue: the place that `either` goes to.
    pub way: AtomicU32,
    /// How far it is.
    pub phase: AtomicU32,
    /// Its pid in its namespace.
    pub pid: AtomicU32,
    /// Its pid outside, if the launcher made it.
    pub host: AtomicU32,
    /// Its program.
    pub program: AtomicU32,
    /// The place of its next instruction.
    pub at: AtomicU32,
    /// `$?`.
    pub status: AtomicU32,
    /// How many answers there are.
    pub answered: AtomicU32,
    /// They.
    pub answers: [AtomicU32; ANSWERS],
}

/// All of it.
#[repr(C)]
pub struct Stage {
    /// The programs.
    pub programs: [Program; PROGRAMS],
    /// How many were ever born.
    pub born: AtomicU32,
    /// The launcher's cues.
    pub orders: AtomicU32,
    /// How many it has followed.
    pub followed: AtomicU32,
    /// What it is to do.
    pub order: AtomicU32,
    /// With whom or what.
    pub argument: AtomicU32,
    /// How PID 1 ended, as wait(2) has it, with the highest bit set.
    pub ended: AtomicU32,
    /// Why the launcher could not do it: an error number.
    pub trouble: AtomicU32,
    /// The processes, by order of birth.
    pub seats: [Seat; SEATS],
}

impl Stage {
    /// The instruction at that place.
    pub fn at(&self, program: u8, at: u8) -> Code {
        let program = &self.programs[program as usize % PROGRAMS];
        if u32::from(at) < program.length.load(Ordering::Relaxed) {
            program.code[at as usize % INSTRUCTIONS].load(Ordering::Relaxed).to_le_bytes()
        } else {
            [op::EXIT, 0, 0, 0]
        }
    }
}
