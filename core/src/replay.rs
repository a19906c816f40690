//! Replay: what a record says against what the machine does, byte for byte.
//!
//! A record, a scenario file and a counterexample are the same text: a policy line, then a line
//! per step. Blank lines and further lines that begin with `#` are for the reader.

#![allow(clippy::result_large_err, reason = "there is no heap to put the difference on")]

use core::fmt::{self, Write};

use crate::event::Event;
use crate::machine::Init;
use crate::notation::{Entry, ParseError};
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
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?}: ", self.line, self.text)?;
        match self.kind {
            FaultKind::Unreadable(error) => write!(f, "{error}"),
            FaultKind::NoAnswer(request) => write!(f, "this is no answer to \"{request}\""),
            FaultKind::Differs(entry) => write!(f, "the machine does: {entry}"),
        }
    }
}

impl core::error::Error for Fault<'_> {}

/// Feeds the events of `text` to a new machine. Each line is shown as the machine would have
/// it, so that a record can be rewritten; what the text says of the steps is not looked at.
///
/// # Errors
/// A line that is not in the notation, or an event that cannot happen there.
pub fn rewrite<'t>(text: &'t str, mut show: impl FnMut(Line<'t>)) -> Result<(), Fault<'t>> {
    walk(text, |_, _, line| {
        show(line);
        Ok(())
    })
}

/// Compares `text` with what the machine does. Returns the exit code that it ends with, if it
/// is told to the end.
///
/// # Errors
/// The first line that is not in the notation, cannot happen, or differs in a single byte.
pub fn check(text: &str) -> Result<Option<u8>, Fault<'_>> {
    let mut code = None;
    walk(text, |number, text, line| {
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
        if let Request::Exit(with) = entry.step.next {
            code = Some(with);
        }
        let kind = FaultKind::Differs(entry);
        if same { Ok(()) } else { Err(Fault { line: number, text, kind }) }
    })?;
    Ok(code)
}

fn walk<'t>(
    text: &'t str,
    mut show: impl FnMut(usize, &'t str, Line<'t>) -> Result<(), Fault<'t>>,
) -> Result<(), Fault<'t>> {
    let mut machine: Option<(Policy, Init)> = None;
    for (at, text) in text.lines().enumerate() {
        let line = at + 1;
        let fault = |kind| Fault { line, text, kind };
        let unreadable = |error| fault(FaultKind::Unreadable(error));
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
    struct Rest<'t>(&'t str);

    impl Write for Rest<'_> {
        fn write_str(&mut self, written: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}
