//! Replay: what a record says against what the machine does, byte for byte.
//!
//! A record, a scenario file and a counterexample are the same text: a policy line, then a line
//! per step. Blank lines and further lines that begin with `#` are for the reader, but for one:
//! `# gap 3` says that three lines are missing ([`Gap`]), and nothing behind it can be compared.

#![allow(clippy::result_large_err, reason = "there is no heap to put the difference on")]

use core::fmt::{self, Display, Write};
use core::str::FromStr;

use crate::decimal::Decimal;
use crate::event::Event;
use crate::machine::Init;
use crate::notation::{self, Entry, ParseError};
use crate::policy::Policy;
use crate::step::Request;

/// A line of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'t> {
    /// For the reader: a blank line or a remark.
    Remark(&'t str),
    /// The policy.
    Policy(Policy),
    /// What the machine does about the event of this line.
    Entry(Entry),
}

/// So many lines of a record could not be written: `# gap 3`. Whoever records never waits, and
/// says with the next line that can be written what was lost since the last whole one. What was
/// written of a lost line stands before the gap, on a line of its own; that may be a gap, so of
/// gaps with no step between them the last counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap(pub u32);

const GAP: &str = "# gap ";

impl Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(GAP)?;
        Decimal(u64::from(self.0)).fmt(f)
    }
}

impl FromStr for Gap {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = "# gap and the number of lines that are missing";
        let number = text.strip_prefix(GAP).ok_or(ParseError { expected })?;
        notation::number(number, expected).map(Self)
    }
}

/// Why a record cannot be replayed, or is not true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'t> {
    /// Its line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: &'t str,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What is wrong with a line of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// It is not in the notation.
    Unreadable(ParseError),
    /// Its event is no answer to what was asked last.
    NoAnswer(Request),
    /// The machine does something else.
    Differs(Entry),
    /// So many lines are missing.
    Gap(u32),
}

impl Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?}: ", self.line, self.text)?;
        match self.kind {
            FaultKind::Unreadable(error) => write!(f, "{error}"),
            FaultKind::NoAnswer(request) => write!(f, "this is no answer to \"{request}\""),
            FaultKind::Differs(entry) => write!(f, "the machine does: {entry}"),
            FaultKind::Gap(1) => {
                f.write_str("a line is missing here: what follows cannot be compared")
            }
            FaultKind::Gap(lost) => {
                write!(f, "{lost} lines are missing here: what follows cannot be compared")
            }
        }
    }
}

impl core::error::Error for Fault<'_> {}

/// Feeds the events of `text` to a new machine. Each line is shown as the machine would have
/// it, so that a record can be rewritten; what the text says of the steps is not looked at.
///
/// # Errors
/// A line that is not in the notation, an event that cannot happen there, or a gap.
pub fn rewrite<'t>(text: &'t str, mut show: impl FnMut(Line<'t>)) -> Result<(), Fault<'t>> {
    walk(text, |_, _, line| {
        show(line);
        Ok(())
    })
}

/// Compares `text` with what the machine does. Returns the exit code that it ends with, if it
/// is told to the end. A record may end anywhere, also in the middle of a line: lastout was
/// killed, or there was no room for more.
///
/// # Errors
/// The first line that is not in the notation, cannot happen, or differs in a single byte; or
/// the first gap, wherever it is: nobody shall believe a record with holes.
pub fn check(text: &str) -> Result<Option<u8>, Fault<'_>> {
    let mut code = None;
    let told = walk(text, |number, text, line| {
        let (same, entry) = match line {
            Line::Remark(_) => return Ok(()),
            Line::Policy(policy) => {
                let same = is_written(text, &policy);
                let expected = "the policy as it is written canonically";
                let kind = FaultKind::Unreadable(ParseError { expected });
                return if same { Ok(()) } else { Err(Fault { line: number, text, kind }) };
            }
            Line::Entry(entry) => (is_written(text, &entry), entry),
        };
        if !same {
            return Err(Fault { line: number, text, kind: FaultKind::Differs(entry) });
        }
        if let Request::Exit(with) = entry.step.next {
            code = Some(with);
        }
        Ok(())
    });
    match told {
        Err(fault) if !is_cut_off(text, &fault) => Err(fault),
        _ => Ok(code),
    }
}

/// Is it the last line, and not there to its end?
fn is_cut_off(text: &str, fault: &Fault<'_>) -> bool {
    let is_last = fault.line > 1 && fault.line == text.lines().count();
    is_last && !text.ends_with('\n') && is_half(fault)
}

/// Can it be the beginning of a line that is true?
fn is_half(fault: &Fault<'_>) -> bool {
    match fault.kind {
        FaultKind::Differs(entry) if compare(fault.text, &entry).is_some() => true,
        // Nobody knows what an event was that is not there to its end.
        _ => !fault.text.contains("->"),
    }
}

/// Shows each line, and puts the gap in the place of a fault that is only its consequence.
fn walk<'t>(
    text: &'t str,
    show: impl FnMut(usize, &'t str, Line<'t>) -> Result<(), Fault<'t>>,
) -> Result<(), Fault<'t>> {
    walk_to_fault(text, show).map_err(|fault| match gap_behind(text, &fault) {
        Some(Gap(lost)) if is_half(&fault) => Fault { kind: FaultKind::Gap(lost), ..fault },
        _ => fault,
    })
}

/// The last gap behind that line with no whole step before it.
fn gap_behind(text: &str, fault: &Fault<'_>) -> Option<Gap> {
    let behind = text.lines().skip(fault.line);
    behind.take_while(|l| l.parse::<Entry>().is_err()).filter_map(|l| l.parse().ok()).last()
}

fn walk_to_fault<'t>(
    text: &'t str,
    mut show: impl FnMut(usize, &'t str, Line<'t>) -> Result<(), Fault<'t>>,
) -> Result<(), Fault<'t>> {
    let mut machine: Option<(Policy, Init)> = None;
    for (at, text) in text.lines().enumerate() {
        let line = at + 1;
        let fault = |kind| Fault { line, text, kind };
        let unreadable = |error| fault(FaultKind::Unreadable(error));
        if let Ok(Gap(lost)) = text.parse() {
            return Err(fault(FaultKind::Gap(lost)));
        }
        let shown = match &mut machine {
            None => {
                let policy: Policy = text.parse().map_err(unreadable)?;
                machine = Some((policy, Init::start().0));
                Line::Policy(policy)
            }
            Some(_) if text.trim().is_empty() || text.starts_with('#') => {
                // `lines` takes one CR off, and none before the end of the text.
                Line::Remark(text.trim_end_matches('\r'))
            }
            Some((policy, init)) => {
                let event = text.split_once("->").map_or(text, |(event, _)| event);
                let event: Event = event.parse().map_err(unreadable)?;
                if !init.outstanding().admits(event) {
                    return Err(fault(FaultKind::NoAnswer(init.outstanding())));
                }
                Line::Entry(Entry { event, step: init.step(policy, event) })
            }
        };
        show(line, text, shown)?;
    }
    Ok(())
}

/// Is `text` just what `value` writes?
fn is_written(text: &str, value: &impl fmt::Display) -> bool {
    compare(text, value) == Some(Whole(true))
}

/// All that is written, or only its beginning.
#[derive(PartialEq, Eq)]
struct Whole(bool);

/// Compares `text` with what `value` writes; nothing, if it is something else.
fn compare(text: &str, value: &impl fmt::Display) -> Option<Whole> {
    struct Rest<'t> {
        text: &'t str,
        whole: bool,
    }

    impl Write for Rest<'_> {
        fn write_str(&mut self, written: &str) -> fmt::Result {
            if let Some(rest) = self.text.strip_prefix(written) {
                self.text = rest;
            } else if written.starts_with(self.text) {
                *self = Rest { text: "", whole: false };
            } else {
                return Err(fmt::Error);
            }
            Ok(())
        }
    }

    let mut rest = Rest { text, whole: true };
    let same = write!(rest, "{value}").is_ok() && rest.text.is_empty();
    same.then_some(Whole(rest.whole))
}

#[cfg(test)]
mod tests;
