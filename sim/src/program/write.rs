//! Programs written as the text that [`super::parse`] reads: the instructions up to the next label
//! on one line, or on a few if they are many.

use std::fmt;

use super::{Action, Instruction, Library, Program, Whom};

/// Where a line is broken.
const WIDTH: usize = 96;

/// Before what has no label.
const INDENT: &str = "    ";

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, program) in self.programs.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            program.write(self, f)?;
        }
        Ok(())
    }
}

impl Program {
    fn write(&self, library: &Library, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {}", self.name)?;
        let places = self.places();
        let mut line = String::new();
        for at in 0..=self.code.len() {
            for (label, _) in places.iter().filter(|(_, place)| usize::from(*place) == at) {
                end(f, &mut line)?;
                line = format!("  {label}:");
            }
            let Some(instruction) = self.code.get(at) else {
                break;
            };
            let text = Shown { instruction, library, places: &places }.to_string();
            if line.len() + 2 + text.len() > WIDTH {
                end(f, &mut line)?;
            }
            if line.is_empty() {
                line.push_str(INDENT);
            } else {
                line.push_str(if line.ends_with(':') { " " } else { "; " });
            }
            line.push_str(&text);
        }
        end(f, &mut line)
    }

    /// One instruction of the program as text.
    pub fn instruction_text(&self, library: &Library, instruction: &Instruction) -> String {
        Shown { instruction, library, places: &self.places() }.to_string()
    }

    /// The places that have names, and those that are gone to and need one; in their order.
    fn places(&self) -> Vec<(String, u8)> {
        let mut places = self.labels.0.clone();
        for at in self.code.iter().flat_map(Instruction::goes_to) {
            if !places.iter().any(|(_, place)| *place == at) {
                let mut name = format!("at{at}");
                while places.iter().any(|(other, _)| *other == name) {
                    name.push('x');
                }
                places.push((name, at));
            }
        }
        places
    }
}

/// Writes the line, if there is one.
fn end(f: &mut fmt::Formatter<'_>, line: &mut String) -> fmt::Result {
    if !line.is_empty() {
        writeln!(f, "{line}")?;
        line.clear();
    }
    Ok(())
}

impl Instruction {
    /// The places that it may go to.
    fn goes_to(&self) -> Vec<u8> {
        match self {
            Self::On(_, Action::Goto { at, .. })
            | Self::Trap(_, Action::Goto { at, .. })
            | Self::Fork(at)
            | Self::Goto(at)
            | Self::Repeat(_, at)
            | Self::WhileChild(at) => vec![*at],
            Self::Either(places) => places.clone(),
            _ => Vec::new(),
        }
    }
}

/// An instruction, with what its numbers mean.
struct Shown<'a> {
    instruction: &'a Instruction,
    library: &'a Library,
    places: &'a [(String, u8)],
}

impl Shown<'_> {
    fn label(&self, at: u8) -> &str {
        let place = self.places.iter().find(|(_, place)| *place == at);
        place.map_or("?", |(name, _)| name)
    }

    fn action(&self, action: Action) -> String {
        match action {
            Action::Default => "default".into(),
            Action::Ignore => "ignore".into(),
            Action::Goto { at, once: false } => format!("goto {}", self.label(at)),
            Action::Goto { at, once: true } => format!("goto {} once", self.label(at)),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Myself => "self",
            Self::Parent => "parent",
            Self::Init => "init",
            Self::Child => "child",
            Self::Group => "group",
            Self::ChildGroup => "child-group",
            Self::All => "all",
        })
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Instruction as I;
        let name = |program: u8| self.library.name(program);
        match self.instruction {
            I::On(signal, action) => write!(f, "on {signal} {}", self.action(*action)),
            I::Trap(signal, action) => write!(f, "trap {signal} {}", self.action(*action)),
            I::Mask(signal) => write!(f, "mask {signal}"),
            I::Unmask(signal) => write!(f, "unmask {signal}"),
            I::Return => f.write_str("return"),
            I::Fork(at) => write!(f, "fork {}", self.label(*at)),
            I::Exec(program) => write!(f, "exec {}", name(*program)),
            I::Spawn(program) => write!(f, "spawn {}", name(*program)),
            I::Background(program) => write!(f, "background {}", name(*program)),
            I::Daemon(program) => write!(f, "daemon {}", name(*program)),
            I::Wait => f.write_str("wait"),
            I::Foreground => f.write_str("foreground"),
            I::Reap => f.write_str("reap"),
            I::Report => f.write_str("report"),
            I::Setsid => f.write_str("setsid"),
            I::Setpgid => f.write_str("setpgid"),
            I::Uid(uid) => write!(f, "uid {uid}"),
            I::Subreaper => f.write_str("subreaper"),
            I::Kill(whom, signal) => write!(f, "kill {whom} {signal}"),
            I::Work(count) => write!(f, "work {count}"),
            I::Sleep(span) => write!(f, "sleep {span}"),
            I::Pause => f.write_str("pause"),
            I::Take(signal) => write!(f, "take {signal}"),
            I::Hang => f.write_str("hang"),
            I::TraceMe => f.write_str("trace-me"),
            I::Crash(signal) => write!(f, "crash {signal}"),
            I::Say(word) => write!(f, "say {word}"),
            I::Goto(at) => write!(f, "goto {}", self.label(*at)),
            I::Repeat(times, at) => write!(f, "repeat {times} {}", self.label(*at)),
            I::WhileChild(at) => write!(f, "while-child {}", self.label(*at)),
            I::Either(places) => {
                f.write_str("either")?;
                places.iter().try_for_each(|at| write!(f, " {}", self.label(*at)))
            }
            I::Exit(Some(code)) => write!(f, "exit {code}"),
            I::Exit(None) => f.write_str("exit status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// Every instruction, as it is written.
    const ALL: &str = "\
program all
    on TERM goto end; on INT ignore; on HUP default; on QUIT goto end once; trap TERM goto end
    trap INT ignore; trap HUP default; mask USR1; unmask USR1; fork loop; spawn b; background b
    daemon b; wait; foreground; reap; setsid; setpgid; uid 1; subreaper; kill self TERM
    kill parent TERM; kill init TERM; kill child TERM; kill group TERM; kill all TERM; work 2
    sleep 5s; pause; take TERM; hang; trace-me; crash SEGV; say word
  loop:
  again: goto loop; repeat 3 loop; while-child loop; either loop end; exit 3; exit status
    exec b
  end: return
  behind:

program b
";

    #[test]
    fn every_instruction_is_written_as_it_is_read() {
        let library = parse(ALL).unwrap();
        assert_eq!(library.to_string(), ALL);
        assert_eq!(parse(&library.to_string()).unwrap(), library);
    }

    #[test]
    fn places_without_a_name_get_one() {
        let mut library = parse("program a\n at1: pause\n x: goto x; either x at1\n").unwrap();
        library.programs[0].labels.0.retain(|(name, _)| name == "at1");
        library.programs[0].labels.0[0].1 = 0;
        let text = library.to_string();
        assert!(text.contains("  at1x: goto at1x; either at1x at1\n"), "{text}");
        assert_eq!(parse(&text).unwrap(), library);
    }
}
