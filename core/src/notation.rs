//! The notation: one line of text per step, the policy as the first line.
//!
//! ```text
//! # lastout 1 role=pid1 forward=main stop-signal=INT,TERM drain-signal=TERM drain-grace=5s last-call=250ms kill-grace=2s
//! spawned 7              -> reap
//! none-ready             -> wait
//! signal TERM            -> kill 7 TERM; wait
//! signal CHLD            -> reap
//! reaped 7 exit 0        -> kill all TERM, kill all CONT, alarm 50ms; reap
//! no-children            -> census
//! alone                  -> exit 0
//! ```
//!
//! What `-v` prints, what a record holds and what a scenario file says is this text. Each type
//! writes itself (`Display`) and reads itself back (`FromStr`); [`crate::replay`] compares, and
//! knows the one other line that a record can hold, `# gap N`. A word that is added here is a
//! word that the machine's vocabulary was missing.
//!
//! Long, because each type writes and reads itself, and the two are to be seen side by side.

use core::fmt::{self, Display, Write};
use core::num::NonZeroU8;
use core::str::{FromStr, SplitAsciiWhitespace};

use crate::decimal::Decimal;
use crate::event::{Event, SpawnError};
use crate::policy::{Forward, Policy, Reaping, Role};
use crate::signal::{Signal, SignalSet};
use crate::status::Status;
use crate::step::{Effect, Effects, Notice, Pid, Request, Step, Target};
use crate::time::Millis;

/// The first words of a policy line; the number is the notation's version.
const HEAD: &str = "# lastout 1";

/// Where the arrow of a line stands, for the eye.
const ARROW: usize = 23;

/// One line: what happened, and what was done about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// What was done about it.
    pub step: Step,
}

/// A text is not in the notation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// What should have been there.
    pub expected: &'static str,
}

impl Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl core::error::Error for ParseError {}

const fn expected<T>(expected: &'static str) -> Result<T, ParseError> {
    Err(ParseError { expected })
}

// ------------------------------------------------------------------------------------- words

/// Types that are one of a few words: the table serves both directions.
macro_rules! words {
    ($type:ty, $what:literal, $($word:literal = $value:path),* $(,)?) => {
        impl Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($value => $word),* })
            }
        }

        impl FromStr for $type {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                match text {
                    $($word => Ok($value),)*
                    _ => expected($what),
                }
            }
        }
    };
}

words!(
    Role,
    "a role: pid1, subreaper or plain",
    "pid1" = Self::Pid1,
    "subreaper" = Self::Subreaper,
    "plain" = Self::Plain
);
words!(
    Forward,
    "main, group or all",
    "main" = Self::Main,
    "group" = Self::Group,
    "all" = Self::All
);
words!(
    SpawnError,
    "why it was not started: not-found, not-executable or no-process",
    "not-found" = Self::NotFound,
    "not-executable" = Self::NotExecutable,
    "no-process" = Self::NoProcess
);
words!(
    Notice,
    "a notice",
    "stop-grace-over" = Self::StopGraceOver,
    "drain-grace-over" = Self::DrainGraceOver,
    "killing" = Self::Killing,
    "kill-grace-over" = Self::KillGraceOver,
    "main-lost" = Self::MainLost
);

/// The words of a line, each read as what is expected there.
struct Words<'t>(SplitAsciiWhitespace<'t>);

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self(text.split_ascii_whitespace())
    }

    fn word(&mut self, what: &'static str) -> Result<&'t str, ParseError> {
        self.0.next().ok_or(ParseError { expected: what })
    }

    fn number<N: FromStr>(&mut self, what: &'static str) -> Result<N, ParseError> {
        number(self.word(what)?, what)
    }

    fn pid(&mut self) -> Result<Pid, ParseError> {
        pid(self.word("a pid")?)
    }

    fn signal(&mut self) -> Result<Signal, ParseError> {
        signal(self.word("a signal")?)
    }

    fn span(&mut self) -> Result<Millis, ParseError> {
        span(self.word("a time")?)
    }

    /// How somebody ended.
    fn status(&mut self) -> Result<Status, ParseError> {
        Ok(match self.word("exit or signal")? {
            "exit" => Status::Exited(self.number("an exit code")?),
            "signal" => {
                let signal = self.signal()?;
                let core = match self.0.next() {
                    None => false,
                    Some("core") => true,
                    Some(_) => return expected("core, or nothing more"),
                };
                Status::Killed { signal, core }
            }
            _ => return expected("exit or signal"),
        })
    }

    /// `value N`, if it comes next.
    fn value(&mut self) -> Result<Option<u64>, ParseError> {
        match self.0.next() {
            None => Ok(None),
            Some("value") => self.number("the value").map(Some),
            Some(_) => expected("value, or nothing more"),
        }
    }

    fn end(mut self) -> Result<(), ParseError> {
        self.0.next().map_or(Ok(()), |_| expected("nothing more"))
    }
}

/// Only what we would write ourselves: no sign, no leading zero.
pub(crate) fn number<N: FromStr>(text: &str, what: &'static str) -> Result<N, ParseError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(number) if plain => Ok(number),
        _ => expected(what),
    }
}

fn pid(text: &str) -> Result<Pid, ParseError> {
    Pid::new(number(text, "a pid")?).ok_or(ParseError { expected: "a pid" })
}

fn signal(text: &str) -> Result<Signal, ParseError> {
    Signal::parse(text).ok_or(ParseError { expected: "a signal" })
}

fn span(text: &str) -> Result<Millis, ParseError> {
    Millis::parse(text).ok_or(ParseError { expected: "a time like 1500ms, 5s or 2m" })
}

struct Value(Option<u64>);

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |value| write!(f, " value {}", Decimal(value)))
    }
}

/// How somebody ended.
struct End(Status);

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Status::Exited(code) => write!(f, "exit {}", Decimal(code.into())),
            Status::Killed { signal, core } => {
                write!(f, "signal {signal}")?;
                f.write_str(if core { " core" } else { "" })
            }
        }
    }
}

// ------------------------------------------------------------------------------------ events

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Spawned(pid) => write!(f, "spawned {pid}"),
            Self::SpawnFailed(error) => write!(f, "spawn-failed {error}"),
            Self::Signal { signal, value } => write!(f, "signal {signal}{}", Value(value)),
            Self::Chld(pid) => write!(f, "signal {} from {pid}", Signal::CHLD),
            Self::Settled => f.write_str("settled"),
            Self::Alarm { late: Millis::ZERO } => f.write_str("alarm"),
            Self::Alarm { late } => write!(f, "alarm late {late}"),
            Self::Reaped(pid, status) => write!(f, "reaped {pid} {}", End(status)),
            Self::Proven(pid, status) => write!(f, "proven {pid} {}", End(status)),
            Self::Stopped(pid, signal) => write!(f, "stopped {pid} {signal}"),
            Self::Trapped(pid, signal) => write!(f, "trapped {pid} {signal}"),
            Self::Continued(pid) => write!(f, "continued {pid}"),
            Self::NoneReady => f.write_str("none-ready"),
            Self::NoChildren => f.write_str("no-children"),
            Self::Alone => f.write_str("alone"),
            Self::Company => f.write_str("company"),
        }
    }
}

impl FromStr for Event {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut words = Words::of(text);
        let event = match words.word("an event")? {
            "spawned" => Self::Spawned(words.pid()?),
            "spawn-failed" => Self::SpawnFailed(words.word("why it was not started")?.parse()?),
            "signal" => {
                let signal = words.signal()?;
                match words.0.clone().next() {
                    Some("from") if signal == Signal::CHLD => {
                        words.0.next();
                        Self::Chld(words.pid()?)
                    }
                    _ => Self::Signal { signal, value: words.value()? },
                }
            }
            "settled" => Self::Settled,
            "alarm" => match words.0.next() {
                None => Self::Alarm { late: Millis::ZERO },
                Some("late") => Self::Alarm { late: words.span()? },
                Some(_) => return expected("late, or nothing more"),
            },
            "reaped" => Self::Reaped(words.pid()?, words.status()?),
            "proven" => Self::Proven(words.pid()?, words.status()?),
            "stopped" => Self::Stopped(words.pid()?, words.signal()?),
            "trapped" => Self::Trapped(words.pid()?, words.signal()?),
            "continued" => Self::Continued(words.pid()?),
            "none-ready" => Self::NoneReady,
            "no-children" => Self::NoChildren,
            "alone" => Self::Alone,
            "company" => Self::Company,
            _ => return expected("an event"),
        };
        words.end()?;
        Ok(event)
    }
}

// ------------------------------------------------------------------------------------- steps

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main(pid) => write!(f, "{pid}"),
            Self::Group(pid) => write!(f, "group {pid}"),
            Self::All => f.write_str("all"),
            Self::Descendants => f.write_str("descendants"),
        }
    }
}

impl Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Kill { target, signal, value } => {
                write!(f, "kill {target} {signal}{}", Value(value))
            }
            Self::SetAlarm(span) => write!(f, "alarm {span}"),
            Self::ForegroundMain(pid) => write!(f, "foreground {pid}"),
            Self::ForegroundOwn => f.write_str("foreground own"),
            Self::StopSelf => f.write_str("stop-self"),
            Self::Detach(pid, None) => write!(f, "detach {pid}"),
            Self::Detach(pid, Some(signal)) => write!(f, "detach {pid} {signal}"),
            Self::KernelReaps => f.write_str("kernel-reaps"),
            Self::InitReaps => f.write_str("init-reaps"),
            Self::Say(notice) => write!(f, "say {notice}"),
        }
    }
}

impl FromStr for Effect {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut words = Words::of(text);
        let effect = match words.word("an effect")? {
            "kill" => {
                let target = match words.word("whom")? {
                    "all" => Target::All,
                    "descendants" => Target::Descendants,
                    "group" => Target::Group(words.pid()?),
                    word => Target::Main(pid(word)?),
                };
                Self::Kill { target, signal: words.signal()?, value: words.value()? }
            }
            "alarm" => Self::SetAlarm(words.span()?),
            "foreground" => match words.word("own or a pid")? {
                "own" => Self::ForegroundOwn,
                word => Self::ForegroundMain(pid(word)?),
            },
            "stop-self" => Self::StopSelf,
            "detach" => Self::Detach(words.pid()?, words.0.next().map(signal).transpose()?),
            "kernel-reaps" => Self::KernelReaps,
            "init-reaps" => Self::InitReaps,
            "say" => Self::Say(words.word("a notice")?.parse()?),
            _ => return expected("an effect"),
        };
        words.end()?;
        Ok(effect)
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn => f.write_str("spawn"),
            Self::Wait => f.write_str("wait"),
            Self::Settle(quiet) => write!(f, "settle {quiet}"),
            Self::Watch(main) => write!(f, "watch {main}"),
            Self::Reap => f.write_str("reap"),
            Self::ReapOne(child) => write!(f, "reap {child}"),
            Self::Prove(main) => write!(f, "prove {main}"),
            Self::Census => f.write_str("census"),
            Self::Exit(code) => write!(f, "exit {}", Decimal(u64::from(*code))),
        }
    }
}

impl FromStr for Request {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut words = Words::of(text);
        let request = match words.word("a request")? {
            "spawn" => Self::Spawn,
            "wait" => Self::Wait,
            "settle" => Self::Settle(words.span()?),
            "watch" => Self::Watch(words.pid()?),
            "reap" => match words.0.next() {
                None => Self::Reap,
                Some(word) => Self::ReapOne(pid(word)?),
            },
            "prove" => Self::Prove(words.pid()?),
            "census" => Self::Census,
            "exit" => Self::Exit(words.number("an exit code")?),
            _ => {
                return expected(
                    "a request: spawn, wait, settle, watch, reap, prove, census or exit",
                );
            }
        };
        words.end()?;
        Ok(request)
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, effect) in self.effects.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            effect.fmt(f)?;
        }
        if !self.effects.is_empty() {
            f.write_str("; ")?;
        }
        self.next.fmt(f)
    }
}

impl FromStr for Step {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut effects = Effects::NONE;
        let next = match text.split_once(';') {
            None => text,
            Some((list, next)) => {
                for effect in list.split(',') {
                    if !effects.try_push(effect.parse()?) {
                        return expected("fewer effects (S8)");
                    }
                }
                next
            }
        };
        Ok(Self { effects, next: next.parse()? })
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counted = Counted { to: f, written: 0 };
        write!(counted, "{}", self.event)?;
        let gap = ARROW.saturating_sub(counted.written).max(1);
        for _ in 0..gap {
            f.write_str(" ")?;
        }
        write!(f, "-> {}", self.step)
    }
}

impl FromStr for Entry {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some((event, step)) = text.split_once("->") else {
            return expected("EVENT -> STEP");
        };
        Ok(Self { event: event.parse()?, step: step.parse()? })
    }
}

/// Counts what it passes on, so that the arrow can be put under the one above.
struct Counted<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    written: usize,
}

impl Write for Counted<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.written += text.len();
        self.to.write_str(text)
    }
}

// ------------------------------------------------------------------------------------ policy

impl Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        write!(
            f,
            " role={} forward={} stop-signal={} drain-signal={}",
            self.role, self.forward, self.stop_signals, self.drain_signal
        )?;
        let graces = self.graces;
        if let Some(grace) = graces.stop {
            write!(f, " stop-grace={grace}")?;
        }
        write!(
            f,
            " drain-grace={} last-call={} kill-grace={}",
            graces.drain, graces.last_call, graces.kill
        )?;
        if self.terminal {
            f.write_str(" terminal")?;
        }
        let reaping = Reaping::DEFAULT;
        match self.reaping.storm {
            storm if storm == reaping.storm => (),
            None => f.write_str(" storm=never")?,
            Some(looks) => write!(f, " storm={}", Decimal(looks.get().into()))?,
        }
        if self.reaping.by_kernel != reaping.by_kernel {
            f.write_str(" kernel-reaping=off")?;
        }
        for (from, to) in self.rewrites.iter() {
            write!(f, " rewrite={from}:")?;
            match to {
                Some(to) => Display::fmt(&to, f)?,
                None => f.write_str("0")?,
            }
        }
        for (from, to) in self.exit_map.iter() {
            write!(f, " remap-exit={}:{}", Decimal(from.into()), Decimal(to.into()))?;
        }
        Ok(())
    }
}

/// What is not named has its default.
impl FromStr for Policy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some(rest) = text.strip_prefix(HEAD) else {
            return expected("a policy line: # lastout 1 role=…");
        };
        let mut policy = Self::default();
        for word in rest.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "role" => policy.role = value.parse()?,
                "forward" => policy.forward = value.parse()?,
                "stop-signal" => policy.stop_signals = value.parse()?,
                "drain-signal" => policy.drain_signal = signal(value)?,
                "stop-grace" => policy.graces.stop = Some(span(value)?),
                "drain-grace" => policy.graces.drain = span(value)?,
                "last-call" => policy.graces.last_call = span(value)?,
                "kill-grace" => policy.graces.kill = span(value)?,
                "terminal" if value.is_empty() => policy.terminal = true,
                "storm" => policy.reaping.storm = storm(value)?,
                "kernel-reaping" if value == "off" => policy.reaping.by_kernel = false,
                "rewrite" => {
                    let (from, to) = pair(value)?;
                    let to = if to == "0" { None } else { Some(signal(to)?) };
                    if !policy.rewrites.set(signal(from)?, to) {
                        return expected("a signal that can be taken and sent on");
                    }
                }
                "remap-exit" => {
                    let (from, to) = pair(value)?;
                    let code = |text| number(text, "an exit code, 0 to 255");
                    policy.exit_map.set(code(from)?, code(to)?);
                }
                _ => return expected("a key of a policy line"),
            }
        }
        Ok(policy)
    }
}

fn storm(text: &str) -> Result<Option<NonZeroU8>, ParseError> {
    let expected = "never, or after how many looks, 1 to 63";
    if text == "never" {
        return Ok(None);
    }
    let looks = NonZeroU8::new(number(text, expected)?);
    looks.filter(|&looks| looks <= Reaping::MAX_STORM).map(Some).ok_or(ParseError { expected })
}

fn pair(text: &str) -> Result<(&str, &str), ParseError> {
    text.split_once(':').ok_or(ParseError { expected: "FROM:TO" })
}

impl FromStr for SignalSet {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut set = Self::EMPTY;
        if text != "none" {
            for name in text.split(',') {
                set = set.with(signal(name)?);
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests;
