//! A score: programs, and the cues in their order. As text:
//!
//! ```text
//! # Remarks.
//! program init
//!     fork child; pause
//!   child: kill init TERM; exit 3
//! cues
//!     1
//!     2
//!     kill 1 KILL
//! ```
//!
//! | cue | meaning |
//! |---|---|
//! | `N` | the N-th born executes its next instruction; `N way W`: the W-th of `either`, from 0 |
//! | `kill N SIG` | somebody outside sends it that signal |
//! | `enter PROGRAM` | somebody outside makes a process here, with setns(2), in a session of its own |
//! | `let-go N` | the parent outside of an entered process reaps it |
//!
//! The first program is that of PID 1, which begins as the leader of a session.

use std::fmt;

use lastout_core::Signal;

use crate::program::{self, Fault, Instruction, Library};

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the table at the top says it")]
pub enum Cue {
    Step { who: u32, way: u8 },
    Kill { who: u32, signal: Signal },
    Enter { program: u8 },
    LetGo { who: u32 },
}

/// Programs and cues.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Score {
    /// What stands at the top, for the reader.
    pub remark: Vec<String>,
    /// The programs; the first is that of PID 1.
    pub library: Library,
    /// The cues.
    pub cues: Vec<Cue>,
}

impl Score {
    /// Reads a score.
    ///
    /// # Errors
    /// The first line that is wrong, with what would be right.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut score = Self::default();
        let mut programs = Vec::new();
        let mut cues = None::<Vec<(usize, &str)>>;
        for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            if let Some(remark) = text.strip_prefix('#')
                && programs.is_empty()
                && cues.is_none()
            {
                score.remark.push(remark.trim().to_owned());
            } else if text.trim() == "cues" {
                cues = Some(Vec::new());
            } else if let Some(cues) = &mut cues {
                cues.push((line, text));
            } else {
                programs.push((line, text));
            }
        }
        program::parse_into(&mut score.library, &programs)?;
        if score.library.programs.is_empty() {
            return Err(Fault { line: 1, what: "a score needs a program, that of PID 1".into() });
        }
        for (line, text) in cues.unwrap_or_default() {
            let text = text.split_once('#').map_or(text, |(text, _)| text).trim();
            if !text.is_empty() {
                let cue = cue(&score.library, text).map_err(|what| Fault { line, what })?;
                score.cues.push(cue);
            }
        }
        Ok(score)
    }
}

fn cue(library: &Library, text: &str) -> Result<Cue, String> {
    let number = |word: &str| {
        let number = word.parse().ok().filter(|&number| number > 0);
        number.ok_or_else(|| format!("{word:?} is no process; the first born is 1"))
    };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        ["kill", who, signal] => {
            let signal = Signal::parse(signal).ok_or_else(|| format!("{signal:?} is no signal"))?;
            Ok(Cue::Kill { who: number(who)?, signal })
        }
        ["enter", name] => {
            let program = library.find(name);
            Ok(Cue::Enter { program: program.ok_or_else(|| format!("no program {name:?}"))? })
        }
        ["let-go", who] => Ok(Cue::LetGo { who: number(who)? }),
        [who, "way", way] => {
            let way = way.parse().map_err(|_| format!("{way:?} is no number"))?;
            Ok(Cue::Step { who: number(who)?, way })
        }
        [who] => Ok(Cue::Step { who: number(who)?, way: 0 }),
        _ => Err(format!("{text:?} is no cue")),
    }
}

impl Cue {
    /// The cue as its line, with the name of a program.
    pub fn shown(self, library: &Library) -> String {
        match self {
            Self::Step { who, way: 0 } => format!("{who}"),
            Self::Step { who, way } => format!("{who} way {way}"),
            Self::Kill { who, signal } => format!("kill {who} {signal}"),
            Self::Enter { program } => format!("enter {}", library.name(program)),
            Self::LetGo { who } => format!("let-go {who}"),
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.remark {
            writeln!(f, "{}", format!("# {line}").trim_end())?;
        }
        writeln!(f, "{}\ncues", self.library.to_string().trim_end())?;
        for cue in &self.cues {
            writeln!(f, "    {}", cue.shown(&self.library))?;
        }
        Ok(())
    }
}

/// The first instruction that no puppet can execute, and why, if there is one.
pub fn unplayable(library: &Library) -> Option<(&Instruction, &'static str)> {
    use Instruction as I;
    let why = |instruction: &I| match instruction {
        I::Trap(..) | I::Background(_) | I::Foreground => {
            Some("it is a shell's: compared with real shells")
        }
        I::Sleep(_) => Some("it is about time, and a conductor has no clock"),
        I::Hang => Some("Linux has no call that only somebody else can end"),
        I::TraceMe => Some("PID 1 is no tracer there"),
        _ => None,
    };
    let mut all = library.programs.iter().flat_map(|program| &program.code);
    all.find_map(|instruction| Some((instruction, why(instruction)?)))
}
