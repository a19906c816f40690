//! Programs: scripted processes, the workload of a container.
//!
//! A program is a list of instructions, and each is one system call or one thing that only its
//! process notices: one move of the world. They are written as text, one instruction a line or
//! separated by `;`, labels with a colon:
//!
//! ```text
//! program worker
//!     on TERM goto save
//!   idle:
//!     pause; goto idle
//!   save:
//!     work 2
//!     exit 0
//! ```
//!
//! | instruction | what it does |
//! |---|---|
//! | `on SIG default\|ignore\|goto LABEL [once]` | sigaction(2); `once`: `SA_RESETHAND` |
//! | `trap SIG default\|ignore\|goto LABEL` | as a shell's trap: the code runs between commands, and of all commands only `wait` is cut short by it |
//! | `mask SIG`, `unmask SIG` | sigprocmask(2) |
//! | `return` | the end of a handler or trap |
//! | `fork LABEL` | fork(2): the child goes on at LABEL |
//! | `exec PROGRAM` | execve(2) |
//! | `spawn PROGRAM` | both, in one move |
//! | `background PROGRAM` | as a shell without job control does it: INT and QUIT are ignored in the child |
//! | `daemon PROGRAM` | as daemon(3): a session of its own, and a parent that is gone at once |
//! | `wait` | for the last child; `status` becomes its exit code, or 128 + n at once if a trap for n is due, or, before the child has ended, a handler |
//! | `foreground` | for the last child, as a shell waits for a command that runs in the foreground: traps have to wait |
//! | `reap` | wait(2) for any child, again until there is none to wait for; after a handler it begins again |
//! | `report` | waitid(2) for any child, without waiting: one death, stop or continuation |
//! | `setsid`, `setpgid`, `uid N`, `subreaper` | the system calls of that name |
//! | `kill WHOM SIG` | WHOM: `self`, `parent`, `init`, `child` (the last one), `group` (its own), `child-group` (the one that the last child leads), `all` |
//! | `work N` | N moves that nobody notices |
//! | `sleep TIME` | until that has passed, or a handler ran |
//! | `pause` | until a handler ran |
//! | `take SIG` | sigwaitinfo(2): until that signal, which it blocks, is pending, and takes it |
//! | `hang` | state D: nothing wakes it until somebody outside lets it go |
//! | `trace-me` | `PTRACE_TRACEME` |
//! | `crash SIG` | a fault of its own, which no PID 1 survives either |
//! | `say WORD` | prints a word |
//! | `goto LABEL`, `repeat N LABEL` | `repeat`: N times in all, then on |
//! | `while-child LABEL` | to LABEL if the last child is there (`kill -0`) |
//! | `either LABEL LABEL…` | to one of them: the world chooses |
//! | `exit N`, `exit status` | `exit_group(2)` |
//!
//! At its end a program exits with 0.

mod parse;
mod write;

use lastout_core::{Millis, Pid, Signal, SignalSet};

pub use parse::{Fault, parse, parse_into};

use crate::kernel::Unhashed;

/// Whom a process signals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the words are the notation's")]
pub enum Whom {
    Myself,
    Parent,
    Init,
    Child,
    Group,
    ChildGroup,
    All,
}

/// What a process is to do about a signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the words are the notation's")]
pub enum Action {
    Default,
    Ignore,
    Goto { at: u8, once: bool },
}

/// An instruction. The table above says what each does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the table at the top says it")]
pub enum Instruction {
    On(Signal, Action),
    Trap(Signal, Action),
    Mask(Signal),
    Unmask(Signal),
    Return,
    Fork(u8),
    Exec(u8),
    Spawn(u8),
    Background(u8),
    Daemon(u8),
    Wait,
    Foreground,
    Reap,
    Report,
    Setsid,
    Setpgid,
    Uid(u8),
    Subreaper,
    Kill(Whom, Signal),
    Work(u8),
    Sleep(Millis),
    Pause,
    Take(Signal),
    Hang,
    TraceMe,
    Crash(Signal),
    Say(String),
    Goto(u8),
    Repeat(u8, u8),
    WhileChild(u8),
    Either(Vec<u8>),
    Exit(Option<u8>),
}

/// A program.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its instructions.
    pub code: Vec<Instruction>,
    /// The names of places in it, for the reader; a place that has none is called by its number.
    pub labels: Unhashed<Vec<(String, u8)>>,
}

/// The program of who only waits: the init under test, which has its own moves, and the
/// machine's init above a subreaper.
pub const IDLE: u8 = u8::MAX;

/// The programs of a world; a program is named by its place.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Library {
    /// The programs.
    pub programs: Vec<Program>,
}

impl Library {
    /// The place of the program of that name.
    pub fn find(&self, name: &str) -> Option<u8> {
        self.programs
            .iter()
            .position(|program| program.name == name)
            .and_then(|at| u8::try_from(at).ok())
    }

    /// The name of a program; `?` of one that is not there.
    pub fn name(&self, program: u8) -> &str {
        let unnamed = if program == IDLE { "init" } else { "?" };
        self.programs.get(usize::from(program)).map_or(unnamed, |program| &program.name)
    }

    /// The instruction at that place; the end of a program exits.
    pub fn at(&self, program: u8, at: u8) -> &Instruction {
        const END: Instruction = Instruction::Exit(Some(0));
        if program == IDLE {
            return &Instruction::Pause;
        }
        let program = self.programs.get(usize::from(program));
        program.and_then(|program| program.code.get(usize::from(at))).unwrap_or(&END)
    }
}

/// Where a handler returns to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// The next instruction then.
    pub at: u8,
    /// What was left of `work` or `repeat`.
    pub count: u8,
    /// The mask then.
    pub blocked: SignalSet,
    /// `$?`, which a shell keeps over a trap; none for a handler.
    pub status: Option<u8>,
}

/// What a process executes, and where it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Code {
    /// The program, by its place in the [`Library`].
    pub program: u8,
    /// The next instruction.
    pub at: u8,
    /// What is left of `work` or `repeat`; 0: it has not begun.
    pub count: u8,
    /// The exit code that `wait` found.
    pub status: u8,
    /// `$!`.
    pub child: Option<Pid>,
    /// How that child ended, once it is reaped.
    pub child_status: Option<u8>,
    /// Handlers that have not returned.
    pub frames: Vec<Frame>,
    /// What is left of `sleep`.
    pub timer: Option<Millis>,
    /// Traps that are due.
    pub trapped: SignalSet,
}

impl Code {
    /// The beginning of a program.
    pub fn start(program: u8) -> Self {
        Self { program, ..Self::default() }
    }

    /// The same program from another place on, as after fork(2).
    #[must_use]
    pub fn forked(&self, at: u8) -> Self {
        Self { program: self.program, at, status: self.status, ..Self::default() }
    }
}
