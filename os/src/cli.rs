//! The command line: `lastout [OPTIONS] [--] COMMAND [ARG...]`.
//!
//! Options end at the command, so that `lastout ls -la` lists. Every option can also be given
//! as an environment variable, because an engine's `--init` can pass no options; the command
//! line counts more. One table, `OPTIONS`, is the truth for both and for the help.

use core::fmt::{self, Display, Write};

use lastout_core::{Millis, Pid, Policy, Role, Signal, SignalSet, Wishes, decimal};

use crate::words::Quoted;

/// What is asked of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// To run a command.
    Run,
    /// To show the help.
    Help,
    /// To tell the version.
    Version,
}

/// All that the command line and the environment say.
#[derive(Debug)]
pub struct Options<'a> {
    /// The machine's policy, but for the circumstances.
    pub policy: Policy,
    /// Give the main child a session of its own.
    pub session: bool,
    /// Adopt orphans when not PID 1?
    pub subreaper: Subreaper,
    /// The signal to get when our parent ends.
    pub parent_death: Option<ParentDeath>,
    /// How much to tell.
    pub verbosity: Verbosity,
    /// The file that each step is written to.
    pub record: Option<&'a str>,
    /// Which argument is the command; 0 is our own name.
    pub command: usize,
}

impl Options<'_> {
    /// What holds if nothing is said.
    pub const NONE: Self = Self {
        policy: Policy::new(Role::Pid1),
        session: false,
        subreaper: Subreaper::Auto,
        parent_death: None,
        verbosity: Verbosity::Normal,
        record: None,
        command: 0,
    };
}

/// Adopt the orphans among our descendants?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subreaper {
    /// If we are not PID 1, who does so anyway.
    Auto,
    /// Yes, or do not start.
    On,
    /// No.
    Off,
}

/// What `--parent-death-signal` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParentDeath {
    /// The signal to get.
    pub signal: Signal,
    /// Who our parent was when it started us: if it is another one by now, it has ended.
    pub parent: Option<Pid>,
}

/// How much to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verbosity {
    /// Only why nothing was started.
    Quiet,
    /// What the operator must know.
    Normal,
    /// Each step.
    Verbose,
}

/// The help, which says all there is: `lastout --help`.
pub const HELP: &str = "\
Usage: lastout [OPTIONS] [--] COMMAND [ARG...]

Runs COMMAND as a container's init: sends signals on to it, reaps zombies, and when it has
ended asks every other process to end, waits for them, and leaves with COMMAND's exit code.

When everybody is to stop:
      --drain-grace TIME     after COMMAND has ended the others have this long (5s; 0: leave
                             at once, as other inits do)
      --drain-signal SIG     what they are asked with (TERM)
      --last-call TIME       then they are asked once more and have this long (250ms)
      --kill-grace TIME      how long SIGKILL may take (2s)
      --stop-grace TIME      how long COMMAND may take after a stop signal (no limit)
      --stop-timeout TIME    how long the engine waits before its SIGKILL (docker stop -t):
                             plans all of the above to be over before that
      --stop-signal LIST     which signals mean stop (TERM,INT)
Signals:
      --forward WHOM         send them on to main (COMMAND), its group, or all (main)
      --rewrite FROM:TO      send TO instead of FROM; TO 0: send nothing (may be repeated)
      --parent-death-signal SIG[:PPID]
                             get SIG when the parent ends, or at once if it is not PPID
Process:
      --session              give COMMAND a session of its own, with the terminal
      --subreaper WHEN       adopt orphans when not PID 1: auto, on or off (auto)
      --kernel-reaping WHEN  let the kernel reap orphans in a storm, if it can: on or
                             off (on)
      --remap-exit FROM:TO   exit with TO instead of FROM (may be repeated)
Words:
  -v, --verbose              tell each step on stderr
  -q, --quiet                tell nothing but why nothing was started
      --record FILE          write each step to FILE, so that it can be replayed
  -h, --help                 show this
  -V, --version              show the version

TIME is like 1500ms, 5s or 2m; SIG like TERM, SIGTERM, RTMIN+3 or 15.
Each option is also an environment variable: LASTOUT_DRAIN_GRACE=3s, LASTOUT_VERBOSE=1.
Exit codes: COMMAND's own, 128+n if signal n killed it; 127 not found, 126 not executable,
125 lastout's own failure.
";

/// The options that take effect on a life. The order is the help's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    DrainGrace,
    DrainSignal,
    LastCall,
    KillGrace,
    StopGrace,
    StopTimeout,
    StopSignal,
    Forward,
    Rewrite,
    ParentDeathSignal,
    Session,
    Subreaper,
    KernelReaping,
    RemapExit,
    Verbose,
    Quiet,
    Record,
}

/// Their long names, and whether they take a value. The name of the variable follows from it.
const OPTIONS: [(&str, Key, bool); 17] = [
    ("drain-grace", Key::DrainGrace, true),
    ("drain-signal", Key::DrainSignal, true),
    ("last-call", Key::LastCall, true),
    ("kill-grace", Key::KillGrace, true),
    ("stop-grace", Key::StopGrace, true),
    ("stop-timeout", Key::StopTimeout, true),
    ("stop-signal", Key::StopSignal, true),
    ("forward", Key::Forward, true),
    ("rewrite", Key::Rewrite, true),
    ("parent-death-signal", Key::ParentDeathSignal, true),
    ("session", Key::Session, false),
    ("subreaper", Key::Subreaper, true),
    ("kernel-reaping", Key::KernelReaping, true),
    ("remap-exit", Key::RemapExit, true),
    ("verbose", Key::Verbose, false),
    ("quiet", Key::Quiet, false),
    ("record", Key::Record, true),
];

/// What the name of each of our variables begins with.
pub const VARIABLE: &str = "LASTOUT_";

/// Where a value comes from, for the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Argument,
    Variable,
}

/// The name of an option, as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Name(&'static str, Source);

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Source::Argument => {
                f.write_str("--")?;
                f.write_str(self.0)
            }
            Source::Variable => {
                f.write_str(VARIABLE)?;
                self.0.bytes().try_for_each(|b| f.write_char(char::from(in_variable(b))))
            }
        }
    }
}

/// A letter of an option's name, which are all ASCII, in the name of its variable.
const fn in_variable(letter: u8) -> u8 {
    if letter == b'-' { b'_' } else { letter.to_ascii_uppercase() }
}

/// What is wrong, where, and how to do it right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage<'a>(Wrong<'a>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong<'a> {
    NoCommand,
    EmptyCommand,
    Unknown(&'a str),
    NoValue(&'static str),
    NeedlessValue(&'static str),
    Value { name: Name, value: &'a str, how: &'static str },
    NoRoom { timeout: Millis, needed: Millis },
    NotText,
}

impl Display for Usage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Wrong::NoCommand => {
                f.write_str("no command given; usage: lastout [OPTIONS] [--] COMMAND [ARG...]")
            }
            Wrong::EmptyCommand => f.write_str("the command is an empty word; give its name"),
            Wrong::Unknown(option) => write!(
                f,
                "{} is no option of lastout; if it is the command, write -- before it",
                Quoted(option)
            ),
            Wrong::NoValue(name) => {
                write!(f, "{} needs a value behind it", Name(name, Source::Argument))
            }
            Wrong::NeedlessValue(name) => {
                write!(f, "{} takes no value", Name(name, Source::Argument))
            }
            Wrong::Value { name, value, how } => {
                write!(f, "{name}: {} ", Quoted(value))?;
                f.write_str(how)
            }
            Wrong::NoRoom { timeout, needed } => write!(
                f,
                "--stop-timeout: the graces need at least {} and do not fit into {}; \
                 name shorter graces, or a longer time-out here and to the engine",
                needed.in_seconds(),
                timeout.in_seconds()
            ),
            Wrong::NotText => {
                f.write_str("an option before the command is not readable text (UTF-8)")
            }
        }
    }
}

/// Reads arguments (our own name first) and environment into `options`, which are
/// [`Options::NONE`] before. They are the caller's, where they stay, as a life has stack for one
/// policy and not for its copies.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse<'a>(
    mut arguments: impl Iterator<Item = &'a [u8]>,
    environment: impl Iterator<Item = &'a [u8]>,
    options: &mut Options<'a>,
) -> Result<Wanted, Usage<'a>> {
    let mut wishes = Wishes::default();
    for variable in environment {
        read_variable(variable, options, &mut wishes)?;
    }
    arguments.next();
    let command = loop {
        options.command += 1;
        let Some(argument) = arguments.next() else {
            return Err(Usage(Wrong::NoCommand));
        };
        if argument.first() != Some(&b'-') || argument.len() == 1 {
            break argument;
        }
        let argument = text(argument)?;
        match argument {
            "--" => {
                options.command += 1;
                break arguments.next().ok_or(Usage(Wrong::NoCommand))?;
            }
            "-h" | "--help" => return Ok(Wanted::Help),
            "-V" | "--version" => return Ok(Wanted::Version),
            _ => (),
        }
        let (option, given) = match cut(argument, b'=') {
            Some((option, value)) => (option, Some(value)),
            None => (argument, None),
        };
        let name = match option {
            "-v" => "verbose",
            "-q" => "quiet",
            _ => option.strip_prefix("--").ok_or(Usage(Wrong::Unknown(argument)))?,
        };
        let Some(&(name, key, takes_value)) = OPTIONS.iter().find(|o| o.0 == name) else {
            return Err(Usage(Wrong::Unknown(argument)));
        };
        let value = match (takes_value, given) {
            (false, None) => "1",
            (false, Some(_)) => return Err(Usage(Wrong::NeedlessValue(name))),
            (true, Some(value)) => value,
            (true, None) => {
                options.command += 1;
                text(arguments.next().ok_or(Usage(Wrong::NoValue(name)))?)?
            }
        };
        set(Name(name, Source::Argument), key, value, options, &mut wishes)?;
    };
    if command.is_empty() {
        return Err(Usage(Wrong::EmptyCommand));
    }
    options.policy.graces = wishes.plan().map_err(|no_room| {
        let timeout = wishes.stop_timeout.unwrap_or_default();
        Usage(Wrong::NoRoom { timeout, needed: no_room.needed })
    })?;
    Ok(Wanted::Run)
}

/// Reads a variable of the environment, if it is one of ours. One that only begins like ours is
/// left alone: Kubernetes makes `LASTOUT_PORT` of a service that is called so. An empty one is
/// not set.
fn read_variable<'a>(
    variable: &'a [u8],
    options: &mut Options<'a>,
    wishes: &mut Wishes,
) -> Result<(), Usage<'a>> {
    let Some(rest) = variable.strip_prefix(VARIABLE.as_bytes()) else {
        return Ok(());
    };
    let Some((name, value)) = text(rest).ok().and_then(|rest| cut(rest, b'=')) else {
        return Ok(());
    };
    let known = OPTIONS.iter().find(|o| o.0.bytes().map(in_variable).eq(name.bytes()));
    match known {
        Some(&(name, key, _)) if !value.is_empty() => {
            set(Name(name, Source::Variable), key, value, options, wishes)
        }
        _ => Ok(()),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Usage<'_>> {
    core::str::from_utf8(bytes).map_err(|_| Usage(Wrong::NotText))
}

/// What is in front of the first such byte, which is ASCII, and what is behind it.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let (front, rest) = text.split_at_checked(text.bytes().position(|b| b == at)?)?;
    Some((front, rest.get(1..)?))
}

/// Calls `each` for every part of a list, which has commas between them.
fn for_each<'a>(
    mut list: &'a str,
    each: &mut dyn FnMut(&'a str) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    while let Some((part, others)) = cut(list, b',') {
        each(part)?;
        list = others;
    }
    each(list)
}

fn set<'a>(
    name: Name,
    key: Key,
    value: &'a str,
    options: &mut Options<'a>,
    wishes: &mut Wishes,
) -> Result<(), Usage<'a>> {
    set_to(key, value, options, wishes).map_err(|how| Usage(Wrong::Value { name, value, how }))
}

/// # Errors
/// What is wrong with the value, or how to write it.
fn set_to<'a>(
    key: Key,
    value: &'a str,
    options: &mut Options<'a>,
    wishes: &mut Wishes,
) -> Result<(), &'static str> {
    let time = || Millis::parse(value).ok_or("is no time; write it like 1500ms, 5s or 2m");
    let switch = || yes(value).ok_or("is neither 1 nor 0");
    let policy = &mut options.policy;
    match key {
        Key::DrainGrace => wishes.drain = Some(time()?),
        Key::LastCall => wishes.last_call = Some(time()?),
        Key::KillGrace => wishes.kill = Some(time()?),
        Key::StopGrace => wishes.stop = Some(time()?),
        Key::StopTimeout => wishes.stop_timeout = Some(time()?),
        Key::DrainSignal => {
            let signal = Signal::parse(value)
                .ok_or("is no signal; write it like TERM, SIGTERM, RTMIN+3 or 15")?;
            if !signal.can_be_taken() || signal == Signal::CHLD {
                return Err("asks nobody to end; write one like TERM, and see --drain-grace 0");
            }
            policy.drain_signal = signal;
        }
        Key::StopSignal => {
            let mut set = SignalSet::EMPTY;
            for_each(value, &mut |word| {
                let signal = Signal::parse(word).filter(|&s| s.can_be_taken() && s != Signal::CHLD);
                let how = "is no list of signals that can be taken; write it like TERM,INT";
                set = set.with(signal.ok_or(how)?);
                Ok(())
            })?;
            policy.stop_signals = set;
        }
        Key::Forward => {
            policy.forward = value.parse().map_err(|_| "is not main, group or all")?;
        }
        Key::Rewrite => {
            for_each(value, &mut |pair| {
                let how =
                    "is no FROM:TO of two signals; write it like HUP:TERM, or HUP:0 to drop it";
                let (from, to) = cut(pair, b':').ok_or(how)?;
                let from = Signal::parse(from).ok_or(how)?;
                let to = match to {
                    "0" => None,
                    to => Some(Signal::parse(to).ok_or(how)?),
                };
                if policy.rewrites.set(from, to) {
                    Ok(())
                } else {
                    Err("is not possible: KILL and STOP cannot be taken, and CHLD is lastout's own")
                }
            })?;
        }
        Key::ParentDeathSignal => {
            let how = "is no signal, nor one with the parent's pid; write it like TERM or TERM:$$";
            let (signal, parent) = match cut(value, b':') {
                Some((signal, parent)) => (signal, Some(Pid::parse(parent.as_bytes()).ok_or(how)?)),
                None => (value, None),
            };
            let signal = Signal::parse(signal).ok_or(how)?;
            options.parent_death = Some(ParentDeath { signal, parent });
        }
        Key::Session => options.session = switch()?,
        Key::Subreaper => {
            options.subreaper = match value {
                "auto" => Subreaper::Auto,
                "on" => Subreaper::On,
                "off" => Subreaper::Off,
                _ => return Err("is not auto, on or off"),
            }
        }
        Key::KernelReaping => {
            policy.reaping.by_kernel = match value {
                "on" => true,
                "off" => false,
                _ => return Err("is neither on nor off"),
            }
        }
        Key::RemapExit => {
            for_each(value, &mut |pair| {
                let how = "is no FROM:TO of two exit codes, 0 to 255; write it like 143:0";
                let codes = cut(pair, b':').and_then(|(from, to)| Some((code(from)?, code(to)?)));
                let (from, to) = codes.ok_or(how)?;
                policy.exit_map.set(from, to);
                Ok(())
            })?;
        }
        Key::Verbose if switch()? => options.verbosity = Verbosity::Verbose,
        Key::Quiet if switch()? => options.verbosity = Verbosity::Quiet,
        Key::Verbose | Key::Quiet => options.verbosity = Verbosity::Normal,
        Key::Record if value.is_empty() => return Err("is no name of a file"),
        Key::Record => options.record = Some(value),
    }
    Ok(())
}

fn yes(value: &str) -> Option<bool> {
    match value {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

fn code(text: &str) -> Option<u8> {
    u8::try_from(decimal::parse(text.as_bytes())?).ok()
}

#[cfg(test)]
mod tests;
