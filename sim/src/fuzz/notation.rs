//! Text: a malformed one gives an error, and what is read is written as it was.

use std::error::Error;
use std::fmt::{Debug, Display, Write as _};
use std::str::FromStr;

use arbitrary::{Arbitrary, Result as Chosen, Unstructured};
use lastout_core::replay::{self, Line};
use lastout_core::{
    Effect, Entry, Event, Forward, Init, Millis, Notice, Policy, Request, Role, Signal, SignalSet,
    SpawnError, Step,
};

use super::caught;
use super::choice::{EventBytes, PolicyBytes, one_of};
use super::edit::{Edit, WORDS};

/// Something that is written as text.
struct Language {
    /// A text in it, as the bytes choose; with errors here and there.
    write: fn(&mut Unstructured<'_>) -> Chosen<String>,
    /// What must hold of any text, read as one in it.
    judge: fn(&str) -> Result<(), String>,
}

/// Every language there is. That of the simulated world comes here, behind the others: so most
/// of the corpus stays what it was.
const LANGUAGES: [Language; 1] = [Language { write: record, judge: judge_record }];

/// Reads the bytes as text, or as choices that make a text, and judges what becomes of it.
///
/// The first byte decides: even, the rest is text in whatever language; odd, choices.
///
/// # Errors
/// What does not hold, and the text.
pub fn notation(data: &[u8]) -> Result<(), String> {
    let Some((&how, rest)) = data.split_first() else {
        return Ok(());
    };
    let (text, languages) = if how % 2 == 0 {
        (String::from_utf8_lossy(rest).into_owned(), &LANGUAGES[..])
    } else {
        let at = usize::from(how / 2) % LANGUAGES.len();
        let text = (LANGUAGES[at].write)(&mut Unstructured::new(rest)).unwrap_or_default();
        (text, &LANGUAGES[at..=at])
    };
    languages.iter().try_for_each(|language| {
        let judged = caught(|| (language.judge)(&text)).and_then(|judged| judged);
        judged.map_err(|wrong| format!("{wrong}\nin {text:?}\nwhich is\n{text}"))
    })
}

// ------------------------------------------------------------------------------------- records

/// A line, before it is edited.
#[derive(Arbitrary)]
struct LineBytes {
    kind: u8,
    /// How many edits: mostly none.
    edits: u8,
    ending: u8,
    event: EventBytes,
}

/// A policy line and lines of the machine's own, or nearly.
fn record(data: &mut Unstructured<'_>) -> Chosen<String> {
    let mut text = PolicyBytes::arbitrary(data)?.policy().to_string();
    let edits = u8::arbitrary(data)?;
    edit(&mut text, edits, data)?;
    let policy = text.parse().unwrap_or_default();
    let mut init = Init::start().0;
    text.push('\n');
    while !data.is_empty() {
        let LineBytes { kind, edits, ending, event: bytes } = LineBytes::arbitrary(data)?;
        let admitted = bytes.admitted(init.outstanding()).unwrap_or(bytes.any());
        let mut line = match kind % 16 {
            0..9 => Entry { event: admitted, step: init.step(&policy, admitted) }.to_string(),
            9..11 => {
                init.step(&policy, admitted);
                admitted.to_string()
            }
            11 => {
                init.step(&policy, admitted);
                format!("{admitted} -> {}", words(data)?)
            }
            12 => bytes.any().to_string(),
            13 => format!("# {}", words(data)?),
            14 => match kind / 16 {
                0..8 => String::new(),
                times => format!("# {times} more of the same"),
            },
            _ => words(data)?,
        };
        edit(&mut line, edits, data)?;
        text.push_str(&line);
        let other = ["", "\r", "\r\n", "\r\r\n", "\n\n", " \n", "\u{85}", "\n\u{a0}\n"];
        text.push_str(if ending < 32 { one_of(&other, ending) } else { "\n" });
    }
    Ok(text)
}

fn edit(line: &mut String, edits: u8, data: &mut Unstructured<'_>) -> Chosen<()> {
    for _ in 0..edits.saturating_sub(192).div_ceil(16) {
        Edit::arbitrary(data)?.apply(line);
    }
    Ok(())
}

/// Some words of the notation, or none.
fn words(data: &mut Unstructured<'_>) -> Chosen<String> {
    let mut text = String::new();
    for _ in 0..u8::arbitrary(data)? % 8 {
        text.push_str(one_of(&WORDS, u8::arbitrary(data)?));
        text.push(' ');
    }
    Ok(text)
}

fn judge_record(text: &str) -> Result<(), String> {
    judge_whole(text)?;
    text.lines().try_for_each(|line| judge_whole(line).and_then(|()| judge_parts(line)))?;

    // A record may be cut in the middle of its last line, which then says nothing.
    let text = text.rfind('\n').map_or(text, |end| &text[..=end]);
    let checked = replay::check(text);
    let (rewritten, faulty) = rewrite(text)?;
    match checked {
        Ok(_) if faulty.is_some() => {
            return Err("what is checked cannot be rewritten".to_owned());
        }
        // But for what ends its lines.
        Ok(_) if !rewritten.lines().eq(text.lines().map(|line| line.trim_end_matches('\r'))) => {
            return Err(format!("what is checked is rewritten, as\n{rewritten}"));
        }
        Ok(_) => (),
        Err(fault) => {
            if text.lines().nth(fault.line - 1) != Some(fault.text) || fault.to_string().is_empty()
            {
                return Err(format!("a fault of another line: {fault}"));
            }
            if faulty.is_some_and(|line| fault.line > line) {
                return Err(format!("rewriting finds a fault that comes before {fault}"));
            }
        }
    }
    if let Err(fault) = replay::check(&rewritten) {
        return Err(format!("what was rewritten is not accepted: {fault}\n{rewritten}"));
    }
    let (again, faulty) = rewrite(&rewritten)?;
    if faulty.is_some() || again != rewritten {
        return Err(format!("rewriting {rewritten:?} makes another text of it, {again:?}"));
    }
    Ok(())
}

/// What `replay::rewrite` shows, as the scenarios' test writes it down, and the line of a fault.
fn rewrite(text: &str) -> Result<(String, Option<usize>), String> {
    let mut written = String::new();
    let rewritten = replay::rewrite(text, |line| {
        match line {
            Line::Remark(remark) => writeln!(written, "{remark}"),
            Line::Policy(policy) => writeln!(written, "{policy}"),
            Line::Entry(entry) => writeln!(written, "{entry}"),
        }
        .expect("a string");
    });
    match rewritten {
        Ok(()) => Ok((written, None)),
        Err(fault) if written.lines().count() + 1 == fault.line => Ok((written, Some(fault.line))),
        Err(fault) => Err(format!("lines were shown after the fault, or not before it: {fault}")),
    }
}

/// Something read as what fills a line.
fn judge_whole(text: &str) -> Result<(), String> {
    reads_back::<Policy>(text)?;
    reads_back::<Entry>(text)?;
    reads_back::<Event>(text)?;
    reads_back::<Step>(text)
}

/// The parts of a line, each read as everything that a part can be.
fn judge_parts(line: &str) -> Result<(), String> {
    if let Some((event, step)) = line.split_once("->") {
        reads_back::<Event>(event)?;
        reads_back::<Step>(step)?;
    }
    for part in line.split(['>', ';', ',']) {
        reads_back::<Effect>(part)?;
        reads_back::<Request>(part)?;
    }
    for word in line.split([' ', '=', ':']) {
        reads_back::<Role>(word)?;
        reads_back::<Forward>(word)?;
        reads_back::<SpawnError>(word)?;
        reads_back::<Notice>(word)?;
        reads_back::<SignalSet>(word)?;
        reads_back_by(word, Signal::parse)?;
        reads_back_by(word, Millis::parse)?;
    }
    Ok(())
}

fn reads_back<T>(text: &str) -> Result<(), String>
where
    T: FromStr<Err: Error> + Display + PartialEq + Debug,
{
    reads_back_by(text, |text| T::from_str(text).ok())
}

/// What is read is written so that it reads back.
fn reads_back_by<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<(), String>
where
    T: Display + PartialEq + Debug,
{
    let Some(value) = read(text) else {
        return Ok(());
    };
    let written = value.to_string();
    match read(&written) {
        Some(again) if again == value => Ok(()),
        again => Err(format!("{text:?} is written {written:?}, which reads as {again:?}")),
    }
}

#[cfg(test)]
mod tests;
