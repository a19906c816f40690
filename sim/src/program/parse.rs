//! Programs as text.

use std::fmt;

use lastout_core::{Millis, Signal};

use super::{Action, Instruction, Library, Program, Whom};
use crate::kernel::Unhashed;

/// What is wrong with a text, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, on what, and what would be right.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Fault {}

/// The most instructions of a program: a place is a byte.
const MOST: usize = 250;

/// Reads programs; nothing else may be in the text.
///
/// # Errors
/// The first line that is no program's.
pub fn parse(text: &str) -> Result<Library, Fault> {
    let mut library = Library::default();
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(at, l)| (at + 1, l)).collect();
    parse_into(&mut library, &lines)?;
    Ok(library)
}

/// Reads numbered lines into a library, beside what is there.
///
/// # Errors
/// The first line that is no program's.
pub fn parse_into(library: &mut Library, lines: &[(usize, &str)]) -> Result<(), Fault> {
    // Names first: a program may start one that comes later.
    for &(line, text) in lines {
        let mut words = without_remark(text).split_ascii_whitespace();
        if words.next() == Some("program") {
            let name = words.next().ok_or_else(|| fault(line, "a program needs a name"))?;
            if library.find(name).is_some() {
                return Err(fault(line, format!("there is a program {name:?} already")));
            }
            if library.programs.len() >= usize::from(u8::MAX) {
                return Err(fault(line, "too many programs: 255 are the most"));
            }
            library.programs.push(Program {
                name: name.to_owned(),
                code: Vec::new(),
                labels: Unhashed::default(),
            });
        }
    }
    let mut current: Option<Draft<'_>> = None;
    for &(line, text) in lines {
        let text = without_remark(text);
        let mut words = text.split_ascii_whitespace();
        if words.next() == Some("program") {
            finish(library, current.take())?;
            let name = words.next().unwrap_or_default();
            let program = library.find(name).expect("it was entered above");
            if let Some(more) = words.next() {
                return Err(fault(line, format!("{more:?} after the program's name")));
            }
            current = Some((program, Vec::new(), Vec::new()));
            continue;
        }
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((_, code, labels)) = &mut current else {
                return Err(fault(line, format!("{part:?} belongs to no program")));
            };
            let mut part = part;
            while let Some((label, rest)) = part.split_once(':') {
                let label = label.trim();
                if label.contains(char::is_whitespace) || label.is_empty() {
                    return Err(fault(line, format!("{label:?} is no label")));
                }
                if labels.iter().any(|(known, _)| *known == label) {
                    return Err(fault(line, format!("there is a label {label:?} already")));
                }
                labels.push((label, code.len()));
                part = rest.trim();
            }
            if !part.is_empty() {
                code.push((line, part));
            }
            if code.len() > MOST {
                return Err(fault(line, format!("too long: {MOST} instructions are the most")));
            }
        }
    }
    finish(library, current)
}

type Labels<'t> = Vec<(&'t str, usize)>;

/// A program that is being read: its place, its lines, its labels.
type Draft<'t> = (u8, Vec<(usize, &'t str)>, Labels<'t>);

fn finish(library: &mut Library, program: Option<Draft<'_>>) -> Result<(), Fault> {
    let Some((at, lines, labels)) = program else {
        return Ok(());
    };
    let mut code = Vec::with_capacity(lines.len());
    for (line, text) in lines {
        code.push(instruction(library, &labels, text).map_err(|what| Fault { line, what })?);
    }
    let program = &mut library.programs[usize::from(at)];
    program.code = code;
    let labels =
        labels.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at.try_into().ok()?)));
    program.labels = Unhashed(labels.collect());
    Ok(())
}

fn fault(line: usize, what: impl Into<String>) -> Fault {
    Fault { line, what: what.into() }
}

/// The line without what follows a `#`.
fn without_remark(text: &str) -> &str {
    text.split_once('#').map_or(text, |(text, _)| text)
}

struct Words<'w> {
    words: std::str::SplitAsciiWhitespace<'w>,
    whole: &'w str,
}

impl<'w> Words<'w> {
    fn next(&mut self, what: &str) -> Result<&'w str, String> {
        self.words.next().ok_or_else(|| format!("{:?} needs {what}", self.whole))
    }

    fn signal(&mut self) -> Result<Signal, String> {
        let word = self.next("a signal")?;
        Signal::parse(word).ok_or_else(|| format!("{word:?} is no signal"))
    }

    fn number(&mut self) -> Result<u8, String> {
        let word = self.next("a number")?;
        word.parse().map_err(|_| format!("{word:?} is no number from 0 to 255"))
    }

    fn label(&mut self, labels: &Labels<'_>) -> Result<u8, String> {
        let word = self.next("a label")?;
        place(labels, word)
    }

    fn program(&mut self, library: &Library) -> Result<u8, String> {
        let word = self.next("a program")?;
        library.find(word).ok_or_else(|| format!("there is no program {word:?}"))
    }

    fn action(&mut self, labels: &Labels<'_>) -> Result<Action, String> {
        match self.next("default, ignore or goto LABEL")? {
            "default" => Ok(Action::Default),
            "ignore" => Ok(Action::Ignore),
            "goto" => {
                let at = self.label(labels)?;
                match self.words.next() {
                    None => Ok(Action::Goto { at, once: false }),
                    Some("once") => Ok(Action::Goto { at, once: true }),
                    Some(word) => Err(format!("{word:?} should be once, or nothing")),
                }
            }
            word => Err(format!("{word:?} should be default, ignore or goto LABEL")),
        }
    }
}

fn place(labels: &Labels<'_>, word: &str) -> Result<u8, String> {
    let place = labels.iter().find(|(label, _)| *label == word).map(|(_, at)| *at);
    place
        .and_then(|at| u8::try_from(at).ok())
        .ok_or_else(|| format!("there is no label {word:?} in this program"))
}

fn instruction(library: &Library, labels: &Labels<'_>, text: &str) -> Result<Instruction, String> {
    let mut words = Words { words: text.split_ascii_whitespace(), whole: text };
    let instruction = match words.next("an instruction")? {
        "on" => Instruction::On(words.signal()?, words.action(labels)?),
        "trap" => Instruction::Trap(words.signal()?, words.action(labels)?),
        "mask" => Instruction::Mask(words.signal()?),
        "unmask" => Instruction::Unmask(words.signal()?),
        "return" => Instruction::Return,
        "fork" => Instruction::Fork(words.label(labels)?),
        "exec" => Instruction::Exec(words.program(library)?),
        "spawn" => Instruction::Spawn(words.program(library)?),
        "background" => Instruction::Background(words.program(library)?),
        "daemon" => Instruction::Daemon(words.program(library)?),
        "wait" => Instruction::Wait,
        "foreground" => Instruction::Foreground,
        "reap" => Instruction::Reap,
        "report" => Instruction::Report,
        "setsid" => Instruction::Setsid,
        "setpgid" => Instruction::Setpgid,
        "uid" => Instruction::Uid(words.number()?),
        "subreaper" => Instruction::Subreaper,
        "kill" => {
            let whom = match words.next("whom to signal")? {
                "self" => Whom::Myself,
                "parent" => Whom::Parent,
                "init" => Whom::Init,
                "child" => Whom::Child,
                "group" => Whom::Group,
                "child-group" => Whom::ChildGroup,
                "all" => Whom::All,
                word => {
                    return Err(format!(
                        "{word:?} should be self, parent, init, child, group, child-group or all"
                    ));
                }
            };
            Instruction::Kill(whom, words.signal()?)
        }
        "work" => Instruction::Work(words.number()?),
        "sleep" => {
            let word = words.next("a time")?;
            let time = Millis::parse(word);
            Instruction::Sleep(
                time.ok_or_else(|| format!("{word:?} is no time; write it like 1500ms, 5s or 2m"))?,
            )
        }
        "pause" => Instruction::Pause,
        "take" => Instruction::Take(words.signal()?),
        "hang" => Instruction::Hang,
        "trace-me" => Instruction::TraceMe,
        "crash" => Instruction::Crash(words.signal()?),
        "say" => Instruction::Say(words.next("a word")?.to_owned()),
        "goto" => Instruction::Goto(words.label(labels)?),
        "repeat" => Instruction::Repeat(words.number()?, words.label(labels)?),
        "while-child" => Instruction::WhileChild(words.label(labels)?),
        "either" => {
            let mut ways = vec![words.label(labels)?];
            for word in words.words.by_ref() {
                ways.push(place(labels, word)?);
            }
            Instruction::Either(ways)
        }
        "exit" => match words.next("a code, or status")? {
            "status" => Instruction::Exit(None),
            word => {
                let code = word.parse();
                Instruction::Exit(Some(
                    code.map_err(|_| format!("{word:?} is no exit code from 0 to 255"))?,
                ))
            }
        },
        word => return Err(format!("{word:?} is no instruction")),
    };
    match words.words.next() {
        None => Ok(instruction),
        Some(word) => Err(format!("{word:?} is one word too many in {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read() {
        let library = parse(
            "program a # first
               on TERM goto end once
             idle: pause; goto idle
             end: spawn b
               either idle end
               exit status
             program b",
        )
        .unwrap();
        assert_eq!(library.find("b"), Some(1));
        let code = &library.programs[0].code;
        let goto = Action::Goto { at: 3, once: true };
        assert_eq!(code[0], Instruction::On(Signal::TERM, goto));
        assert_eq!(code[2], Instruction::Goto(1));
        assert_eq!(code[3], Instruction::Spawn(1));
        assert_eq!(code[4], Instruction::Either(vec![1, 3]));
        assert_eq!(library.at(1, 0), &Instruction::Exit(Some(0)), "the end exits");
    }

    #[test]
    fn faults_name_the_line_and_the_word() {
        for (text, line, word) in [
            ("pause", 1, "no program"),
            ("program a\n pauze", 2, "pauze"),
            ("program a\n goto b", 2, "\"b\""),
            ("program a\n\n on TREM ignore", 3, "TREM"),
            ("program a\n exit 256", 2, "256"),
            ("program a\n pause 3", 2, "too many"),
            ("program a\nprogram a", 2, "already"),
            ("program", 1, "name"),
            ("program a\n x: x: pause", 2, "already"),
            ("program a\n spawn c", 2, "\"c\""),
            ("program a\n sleep 5", 2, "no time"),
            ("program a\n kill everybody TERM", 2, "everybody"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text:?}: {fault}");
            assert!(fault.what.contains(word), "{text:?}: {fault}");
        }
    }
}
