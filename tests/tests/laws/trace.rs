//! What happened in one life: the machine's dialogue, and beside it what happened to the world
//! and is nobody's knowledge but the law's.
//!
//! As text, a line for each moment:
//!
//! ```text
//! + 2                    process 2 is born (numbered in order of birth, not by pid; 0 is the main child)
//! - 2                    it is dead, or out of reach
//! ready                  a child has something to report, and CHLD was sent
//! ready unheard          the same, but CHLD was sent before anybody blocked it (K24)
//! unready                the report is gone untaken
//! passed 50ms            in which everybody could run
//! frozen 5s              in which nobody could, but the clock ran on (K97)
//! no-way-out             not even if everybody else dies now does this init leave
//! signal TERM            -> kill 7 TERM; wait
//! ```

use std::fmt;

use lastout_core::{Effect, Event, Millis, Policy, Request, Step};

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Moment {
    Born(u32),
    Gone(u32),
    Ready { announced: bool },
    Unready,
    Passed(Millis),
    Frozen(Millis),
    NoWayOut,
    Did(Did),
}

/// A step of the machine. Not [`lastout_core::Entry`], which cannot hold what S8 forbids.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Did {
    pub(crate) event: Event,
    pub(crate) effects: Vec<Effect>,
    pub(crate) next: Request,
}

impl Did {
    pub(crate) fn new(event: Event, step: &Step) -> Self {
        Self { event, effects: step.effects.iter().collect(), next: step.next }
    }
}

/// A life, and what it was to be judged by.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) policy: Policy,
    /// What the engine gives, if we were told.
    pub(crate) stop_timeout: Option<Millis>,
    pub(crate) moments: Vec<Moment>,
}

impl Trace {
    /// The trace that `text` tells. Panics if it tells none: it is the tests' own.
    pub(crate) fn of(words: &str, text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Self {
            policy: format!("# lastout 1 {words}").parse().unwrap(),
            stop_timeout: None,
            moments: lines.map(moment).collect(),
        }
    }
}

fn moment(line: &str) -> Moment {
    if let Some((event, step)) = line.split_once("->") {
        let (effects, next) = step.split_once(';').unwrap_or(("", step));
        let effects = effects.split(',').filter(|effect| !effect.trim().is_empty());
        return Moment::Did(Did {
            event: event.parse().unwrap(),
            effects: effects.map(|effect| effect.parse().unwrap()).collect(),
            next: next.parse().unwrap(),
        });
    }
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    match words[..] {
        ["+", id] => Moment::Born(id.parse().unwrap()),
        ["-", id] => Moment::Gone(id.parse().unwrap()),
        ["ready"] => Moment::Ready { announced: true },
        ["ready", "unheard"] => Moment::Ready { announced: false },
        ["unready"] => Moment::Unready,
        ["passed", span] => Moment::Passed(Millis::parse(span).unwrap()),
        ["frozen", span] => Moment::Frozen(Millis::parse(span).unwrap()),
        ["no-way-out"] => Moment::NoWayOut,
        _ => panic!("no moment: {line:?}"),
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Born(id) => write!(f, "+ {id}"),
            Self::Gone(id) => write!(f, "- {id}"),
            Self::Ready { announced: true } => f.write_str("ready"),
            Self::Ready { announced: false } => f.write_str("ready unheard"),
            Self::Unready => f.write_str("unready"),
            Self::Passed(span) => write!(f, "passed {span}"),
            Self::Frozen(span) => write!(f, "frozen {span}"),
            Self::NoWayOut => f.write_str("no-way-out"),
            Self::Did(did) => {
                write!(f, "{:<22} -> ", did.event.to_string())?;
                for (i, effect) in did.effects.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{effect}")?;
                }
                let end = if did.effects.is_empty() { "" } else { "; " };
                write!(f, "{end}{}", did.next)
            }
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.policy)?;
        self.moments.iter().try_for_each(|moment| writeln!(f, "{moment}"))
    }
}
