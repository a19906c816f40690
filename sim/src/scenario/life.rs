//! One life, to look at.

use lastout_core::Pid;

use super::Scenario;
use crate::note::Note;
use crate::setting::Setting;
use crate::world::{Choice, World};

/// The most moves of a life that nobody wrote down: longer than any that ends.
const LONGEST: usize = 100_000;

/// Lives one life, and notes what happens. It is the one whose moves the scenario has; without
/// any, everybody gets a turn in time: init whenever it has something to do, then the processes
/// one after the other, then the engine, then the clock, and what holds a process lets go of it
/// when nothing else can happen. Nothing goes wrong in that life, and it ends where nobody can
/// move, if nobody moves in circles.
///
/// Laws are not judged, so that a counterexample can be looked at beyond what it breaks. A move
/// that is not possible ends the life, and is noted.
pub fn life(scenario: &Scenario) -> World {
    let setting = Setting { judged: false, ..scenario.setting.clone() };
    let mut world = World::noted(&setting);
    let mut choices = Vec::new();
    if scenario.moves.is_empty() {
        let mut last = None;
        for turn in 0..LONGEST {
            world.choices(&setting, &mut choices);
            let Some(choice) = fair(&choices, &mut last, turn) else {
                break;
            };
            let verdict = world.apply(&setting, choice);
            debug_assert_eq!(verdict, Ok(()), "laws are not judged");
        }
        return world;
    }
    for &choice in &scenario.moves {
        world.choices(&setting, &mut choices);
        if !choices.contains(&choice) {
            let what = format!("the text's next move, \"{choice}\", is not possible here");
            world.kernel.notes.add(|| Note::Outside { what });
            break;
        }
        let verdict = world.apply(&setting, choice);
        debug_assert_eq!(verdict, Ok(()), "laws are not judged");
    }
    world
}

/// Whose turn it is after that of `last`.
fn fair(choices: &[Choice], last: &mut Option<Pid>, turn: usize) -> Option<Choice> {
    if choices.contains(&Choice::Init) {
        return Some(Choice::Init);
    }
    let processes = || {
        choices.iter().filter_map(|&choice| match choice {
            Choice::Process(pid, _) => Some((pid, choice)),
            _ => None,
        })
    };
    let next = processes().filter(|(pid, _)| Some(*pid) > *last).min_by_key(|(pid, _)| *pid);
    if let Some((pid, _)) = next.or_else(|| processes().min_by_key(|(pid, _)| *pid)) {
        *last = Some(pid);
        // Each of its alternatives, in turn.
        let ways: Vec<_> = processes().filter(|(other, _)| *other == pid).collect();
        return Some(ways[turn % ways.len()].1);
    }
    let of = |kind: fn(&Choice) -> bool| choices.iter().copied().find(kind);
    of(|choice| matches!(choice, Choice::Engine(_)))
        .or_else(|| of(|choice| matches!(choice, Choice::Pass(_))))
        .or_else(|| of(|choice| matches!(choice, Choice::LetGo(_))))
}
