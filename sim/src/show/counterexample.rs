//! A broken law, and all that one needs to see why.

use std::fmt::Write;

use super::{ps, story};
use crate::explore::Counterexample;
use crate::setting::Setting;
use crate::world::{Choice, World};

/// How wide lines of moves are.
const WIDTH: usize = 100;

/// The most moves that are printed. A longer path came from a seed and is nothing to be read;
/// the command that replays it has it.
const MOST_MOVES: usize = 400;

/// The law, why it is broken, the moves that lead there, the dialogue with everybody's moves
/// between, the processes at that moment, and the command that replays it.
pub fn counterexample(setting: &Setting, found: &Counterexample, replay: &str) -> String {
    let mut world = World::noted(setting);
    let mut verdict = Ok(());
    for &choice in &found.path {
        verdict = world.apply(setting, choice);
        if verdict.is_err() {
            break;
        }
    }
    // L1 is about what could follow: no move breaks it.
    let verdict = verdict.and_then(|()| world.has_way_out(setting));
    let (law, why) = (found.broken.law, &found.broken.why);
    let mut text = String::new();
    let _ = writeln!(text, "{law} is broken: {}.", law.sentence());
    let _ = writeln!(text, "Here: {why}.");
    if verdict.as_ref().err() != Some(&found.broken) {
        let _ = writeln!(text, "But not when it is replayed: then {verdict:?}.");
    }
    let _ = writeln!(text, "\n{}", moves(&found.path));
    let _ = writeln!(text, "What happened:\n\n{}\n{}", setting.policy, story(&world).trim_end());
    let _ = writeln!(text, "# {law} is broken here\n");
    let _ = writeln!(text, "The processes then:\n\n{}", ps(&world, setting));
    let _ = writeln!(text, "To see it again:\n\n    {replay}");
    text
}

/// The path, filled into lines.
fn moves(path: &[Choice]) -> String {
    let mut text = format!("{} moves lead there", path.len());
    if path.len() > MOST_MOVES {
        text.push_str(", too many to print.\n");
        return text;
    }
    text.push_str(":\n\n");
    let mut line = String::from("   ");
    for (at, choice) in path.iter().enumerate() {
        let word = format!(" {choice}{}", if at + 1 < path.len() { ";" } else { "" });
        if line.len() + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("   ");
        }
        line.push_str(&word);
    }
    let _ = writeln!(text, "{line}");
    text
}
