//! What changed from one view to the next, in words: a transcript for the reader.

use lastout_core::{SignalSet, Status};

use super::view::{Phase, Seen, State, View};
use crate::execute::Outcome;
use crate::kernel::{Errno, Waited};
use crate::program::{Instruction, Library, Program};

/// What changed, one line each, in order of birth.
pub fn changes(before: &View, after: &View, library: &Library) -> Vec<String> {
    if let Some(status) = after.over {
        return vec![format!("1 {}: all is over", ended(status))];
    }
    let mut lines = Vec::new();
    let numbers: std::collections::BTreeSet<u32> =
        before.processes.keys().chain(after.processes.keys()).copied().collect();
    for number in numbers {
        let mut words = Vec::new();
        let known = before.answers.get(&number).map_or(0, |known| answered_so_far(known));
        let answers = after.answers.get(&number).map_or(&[][..], Vec::as_slice);
        words.extend(answers.iter().skip(known).flatten().map(|&outcome| answered(outcome)));
        match (before.processes.get(&number), after.processes.get(&number)) {
            (None, Some(new)) => words.push(format!("is born, {}", place(new, library))),
            (Some(_), None) => words.push("is gone".into()),
            (Some(old), Some(new)) => differences(old, new, library, &mut words),
            (None, None) => (),
        }
        if !words.is_empty() {
            lines.push(format!("{number} {}", words.join(", ")));
        }
    }
    lines
}

/// How many have their answer; the last may have been under way.
fn answered_so_far(answers: &[Option<Outcome>]) -> usize {
    answers.len() - usize::from(answers.last().is_some_and(Option::is_none))
}

fn differences(old: &Seen, new: &Seen, library: &Library, words: &mut Vec<String>) {
    if old.state != new.state {
        words.push(match new.state {
            State::Zombie(status) => ended(status),
            State::Stopped => "is stopped".into(),
            State::Sleeping => "goes on".into(),
        });
    }
    for (what, old, new) in [
        ("parent", old.parent, new.parent),
        ("group", old.group, new.group),
        ("session", old.session, new.session),
        ("uid", u32::from(old.uid), u32::from(new.uid)),
    ] {
        if old != new {
            words.push(format!("{what} {new}"));
        }
    }
    if matches!(new.state, State::Zombie(_)) {
        return;
    }
    for (what, old, new) in [
        ("pending", old.pending, new.pending),
        ("blocked", old.blocked, new.blocked),
        ("ignored", old.ignored, new.ignored),
        ("handled", old.handled, new.handled),
    ] {
        if old != new {
            words.push(format!("{what} {}", signals(new)));
        }
    }
    if old.status != new.status {
        words.push(format!("$? {}", new.status));
    }
    if (old.phase, old.program, old.at) != (new.phase, new.program, new.at) {
        words.push(place(new, library));
    }
}

fn place(seen: &Seen, library: &Library) -> String {
    let Some(program) = library.programs.get(usize::from(seen.program)) else {
        return "nowhere".into();
    };
    let here = library.at(seen.program, seen.at);
    match seen.phase {
        Phase::Midway => "midway".into(),
        Phase::Gate => format!("before {}", written(program, library, here)),
        Phase::Call => format!("in {}", written(program, library, here)),
    }
}

fn written(program: &Program, library: &Library, instruction: &Instruction) -> String {
    format!("\"{}\"", program.instruction_text(library, instruction))
}

fn signals(set: SignalSet) -> String {
    let names: Vec<String> = set.iter().map(|signal| signal.to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join("+") }
}

fn ended(status: Status) -> String {
    match status {
        Status::Exited(code) => format!("exits with {code}"),
        Status::Killed { signal, .. } => format!("dies of {signal}"),
    }
}

fn errno(errno: Errno) -> &'static str {
    match errno {
        Errno::NotPermitted => "EPERM",
        Errno::NoSuchProcess => "ESRCH",
        Errno::NoChild => "ECHILD",
        Errno::TryAgain => "EAGAIN",
        Errno::NoMemory => "ENOMEM",
        Errno::Invalid => "EINVAL",
    }
}

fn answered(outcome: Outcome) -> String {
    match outcome {
        Outcome::Quiet | Outcome::Answered(Ok(())) => "done".into(),
        Outcome::Born(Ok(pid)) => format!("makes {pid}"),
        Outcome::Answered(Err(why)) | Outcome::Born(Err(why)) | Outcome::Waited(Err(why)) => {
            errno(why).into()
        }
        Outcome::Waited(Ok(told)) => match told {
            Waited::Dead(pid, Status::Exited(code)) => format!("reaps {pid}: exited with {code}"),
            Waited::Dead(pid, Status::Killed { signal, .. }) => {
                format!("reaps {pid}: killed by {signal}")
            }
            Waited::Stopped(pid, signal) => format!("hears that {pid} was stopped by {signal}"),
            Waited::Trapped(pid, signal) => format!("hears that {pid} stands before {signal}"),
            Waited::Continued(pid) => format!("hears that {pid} was continued"),
            Waited::Nothing => "hears nothing".into(),
        },
        Outcome::CutShort => "EINTR".into(),
    }
}
