//! What can happen next, one at a time, and how that is written.

use std::fmt;

use lastout_core::{Millis, Pid};

/// Something that can happen next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// Init makes its next system call.
    Init,
    /// A process is delivered a signal or executes an instruction, in that way.
    Process(Pid, u8),
    /// The engine does the next thing of that script.
    Engine(u8),
    /// Time passes.
    Pass(Millis),
    /// What held a process or its zombie lets go of it.
    LetGo(Pid),
    /// A process begins a sleep that nothing interrupts.
    Hang(Pid),
    /// A debugger takes hold of a process.
    Trace(Pid),
    /// A process' fork(2) fails.
    ForkFails(Pid),
    /// A CHLD without a death.
    Chld,
    /// Init's wait ends without a signal. The adapter waits again (K98), and nobody else is told:
    /// nothing must come of it.
    Eintr,
    /// The dead main child's report is taken by somebody else.
    Steal,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => f.write_str("init"),
            Self::Process(pid, 0) => write!(f, "process {pid}"),
            Self::Process(pid, way) => write!(f, "process {pid} way {way}"),
            Self::Engine(script) => write!(f, "engine {script}"),
            Self::Pass(span) => write!(f, "pass {span}"),
            Self::LetGo(pid) => write!(f, "let-go {pid}"),
            Self::Hang(pid) => write!(f, "hang {pid}"),
            Self::Trace(pid) => write!(f, "trace {pid}"),
            Self::ForkFails(pid) => write!(f, "fork-fails {pid}"),
            Self::Chld => f.write_str("chld"),
            Self::Eintr => f.write_str("eintr"),
            Self::Steal => f.write_str("steal"),
        }
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let pid = |word: &str| {
            word.parse().ok().and_then(Pid::new).ok_or_else(|| format!("{word:?} is no pid"))
        };
        let number =
            |word: &str| word.parse().map_err(|_| format!("{word:?} is no number from 0 to 255"));
        Ok(match words[..] {
            ["init"] => Self::Init,
            ["process", who] => Self::Process(pid(who)?, 0),
            ["process", who, "way", way] => Self::Process(pid(who)?, number(way)?),
            ["engine", script] => Self::Engine(number(script)?),
            ["pass", span] => {
                Self::Pass(Millis::parse(span).ok_or_else(|| format!("{span:?} is no time"))?)
            }
            ["let-go", who] => Self::LetGo(pid(who)?),
            ["hang", who] => Self::Hang(pid(who)?),
            ["trace", who] => Self::Trace(pid(who)?),
            ["fork-fails", who] => Self::ForkFails(pid(who)?),
            ["chld"] => Self::Chld,
            ["eintr"] => Self::Eintr,
            ["steal"] => Self::Steal,
            _ => return Err(format!("{text:?} is no move")),
        })
    }
}
