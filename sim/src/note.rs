//! What happened in a world, for the reader: kept only when somebody is going to read it.

use lastout_core::{Entry, Millis, Phase, Pid, Signal, Status};

use crate::kernel::{Killer, Sender, Unhashed};

/// What became of a signal when it was generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It waits to be delivered or taken.
    Pending,
    /// It was pending already: it is one, not two (K21).
    Coalesced,
    /// Ignored, or kept off by the protection of PID 1: nobody will ever hear of it.
    Dropped,
    /// A stopped process runs again.
    Continued,
    /// The process is about to die of an earlier one, whatever comes (K96).
    Dying,
    /// The process is a zombie.
    Dead,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names of the fields say it")]
pub enum Note {
    /// A process was there before anything happened.
    There { id: u32, pid: Pid, parent: Option<Pid>, program: String },
    /// A process was made; `parent` is none if that is outside.
    Born { id: u32, pid: Pid, parent: Option<Pid> },
    /// It executes another program from now on.
    Executes { id: u32, pid: Pid, program: String },
    /// A signal was generated.
    Sent { from: Sender, id: u32, pid: Pid, signal: Signal, what: What },
    /// A handler was entered.
    Handles { id: u32, pid: Pid, signal: Signal },
    /// A process stopped.
    Stopped { id: u32, pid: Pid, signal: Signal },
    /// A process stands before a signal, for its tracer.
    Trapped { id: u32, pid: Pid, signal: Signal },
    /// A process that stood before a signal goes on.
    Goes { id: u32, pid: Pid },
    /// A process begins a sleep in the kernel that nothing interrupts (state D).
    Hangs { id: u32, pid: Pid },
    /// What held a process or its zombie lets go of it.
    LetGo { id: u32, pid: Pid },
    /// A process has another parent: its own died.
    Adopted { id: u32, pid: Pid, parent: Pid },
    /// A process died.
    Died { id: u32, pid: Pid, status: Status, by: Option<Killer> },
    /// A zombie is no more.
    Reaped { id: u32, pid: Pid },
    /// A process printed a word.
    Says { id: u32, pid: Pid, word: String },
    /// A step of the init under test.
    Step { pid: Pid, entry: Entry },
    /// That step led into another phase of the life.
    Phase { phase: Phase },
    /// The engine did something that is to be noticed, in the words of its script.
    Engine { what: String },
    /// Somebody else outside did something, or something went wrong.
    Outside { what: String },
    /// Time passed; frozen: nobody but the clock noticed.
    Passed { span: Millis, frozen: bool },
}

/// What happened and when: milliseconds from the beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed {
    /// When.
    pub at: u64,
    /// What.
    pub note: Note,
}

#[derive(Clone, Debug)]
struct Book {
    now: u64,
    kept: Vec<Timed>,
}

/// The notes of a world. They are no part of its state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Notes(Unhashed<Option<Box<Book>>>);

impl Notes {
    /// Keeps nothing.
    pub const fn off() -> Self {
        Self(Unhashed(None))
    }

    /// Keeps everything from now on.
    pub fn on() -> Self {
        Self(Unhashed(Some(Box::new(Book { now: 0, kept: Vec::new() }))))
    }

    /// Keeps a note, if any are kept.
    #[inline]
    pub fn add(&mut self, note: impl FnOnce() -> Note) {
        if let Some(book) = &mut self.0.0 {
            book.kept.push(Timed { at: book.now, note: note() });
        }
    }

    /// Time passes.
    #[inline]
    pub fn pass(&mut self, span: Millis, frozen: bool) {
        if let Some(book) = &mut self.0.0 {
            book.kept.push(Timed { at: book.now, note: Note::Passed { span, frozen } });
            book.now += u64::from(span.0);
        }
    }

    /// Are any kept?
    pub fn are_kept(&self) -> bool {
        self.0.0.is_some()
    }

    /// What was kept.
    pub fn kept(&self) -> &[Timed] {
        self.0.0.as_ref().map_or(&[], |book| &book.kept)
    }

    /// How much time has passed, in ms, since notes are kept.
    pub fn now(&self) -> u64 {
        self.0.0.as_ref().map_or(0, |book| book.now)
    }
}
