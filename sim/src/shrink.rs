//! A long way to a broken law, made short: what a swarm or a fuzzer finds has hundreds of moves
//! and two dozen programs, of which a reader needs few.

use std::collections::BTreeSet;

use crate::engine::Action;
use crate::explore::Counterexample;
use crate::laws::{Broken, Law};
use crate::program::Instruction;
use crate::setting::{Setting, Who};
use crate::world::{Choice, World};

/// Tries so many moves at most, which takes about a second; then what is left is short enough.
const MOST_MOVES: usize = 500_000;

/// A counterexample of the same law without moves that it can do without: none of those that are
/// left can be left out alone, if it did not take too long to find that out.
#[must_use]
pub fn shrink(setting: &Setting, found: &Counterexample) -> Counterexample {
    let mut best = found.clone();
    let mut tried = 0;
    let mut chunk = best.path.len() / 2;
    while chunk > 0 {
        let before = best.path.len();
        let mut from = 0;
        while from < best.path.len() && tried < MOST_MOVES {
            let (first, rest) = best.path.split_at(from);
            let without = first.iter().chain(rest.iter().skip(chunk));
            tried += best.path.len();
            match breaks(setting, without.copied(), found.broken.law) {
                Some(shorter) if shorter.path.len() < best.path.len() => best = shorter,
                _ => from += chunk,
            }
        }
        // What could not go before may go now.
        let again = best.path.len() < before && chunk == 1;
        chunk = if again { 1 } else { chunk / 2 };
    }
    best
}

/// Makes those of the moves that are possible; does that break the law?
fn breaks(
    setting: &Setting,
    moves: impl Iterator<Item = Choice>,
    law: Law,
) -> Option<Counterexample> {
    let is_it = |broken: &Broken| broken.law == law;
    let mut world = World::new(setting);
    let mut choices = Vec::new();
    let mut path = Vec::new();
    for choice in moves {
        world.choices(setting, &mut choices);
        if !choices.contains(&choice) {
            continue;
        }
        path.push(choice);
        if let Err(broken) = world.apply(setting, choice) {
            return Some(Counterexample { broken, path }).filter(|c| is_it(&c.broken));
        }
    }
    // L1 is about what could follow: no move breaks it.
    let broken = world.has_way_out(setting).err().filter(is_it)?;
    Some(Counterexample { broken, path })
}

/// The setting without programs that nobody can come to execute: nothing that happens changes.
#[must_use]
pub fn without_idle_programs(setting: &Setting) -> Setting {
    let mut setting = setting.clone();
    let programs = std::mem::take(&mut setting.library.programs);
    let mut needed = BTreeSet::new();
    let mut found = vec![setting.main];
    if let Who::Program(program) = setting.who {
        found.push(program);
    }
    for action in setting.engine.iter().flatten() {
        if let Action::Exec(program) = action {
            found.push(*program);
        }
    }
    while let Some(program) = found.pop() {
        if needed.insert(program) {
            let code = programs.get(usize::from(program)).map(|program| program.code.clone());
            found.extend(code.into_iter().flatten().filter_map(|mut i| named(&mut i).copied()));
        }
    }
    let place = |old: &mut u8| {
        *old = u8::try_from(needed.range(..*old).count()).expect("it has not become more");
    };
    for (at, mut program) in programs.into_iter().enumerate() {
        if u8::try_from(at).is_ok_and(|at| needed.contains(&at)) {
            program.code.iter_mut().filter_map(named).for_each(place);
            setting.library.programs.push(program);
        }
    }
    place(&mut setting.main);
    if let Who::Program(program) = &mut setting.who {
        place(program);
    }
    for action in setting.engine.iter_mut().flatten() {
        if let Action::Exec(program) = action {
            place(program);
        }
    }
    setting
}

/// The program that an instruction names.
fn named(instruction: &mut Instruction) -> Option<&mut u8> {
    use Instruction as I;
    match instruction {
        I::Exec(program) | I::Spawn(program) | I::Background(program) | I::Daemon(program) => {
            Some(program)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Kind;
    use crate::mutant::Mutant;
    use crate::swarm;

    /// The first life that finds the mistake out.
    fn found() -> (Setting, Counterexample) {
        let lives = (0..).map(|seed| swarm::one(seed, Kind::Mutant(Mutant::NoCont)));
        let mut broken = lives.filter_map(|(setting, life)| Some((setting, life.broken?)));
        broken.next().expect("seeds do not end")
    }

    #[test]
    fn no_move_is_left_that_could_be_left_out() {
        let (setting, found) = found();
        let short = shrink(&setting, &found);
        assert!(short.path.len() < found.path.len());
        assert_eq!(short.broken.law, found.broken.law);
        for at in 0..short.path.len() {
            let (first, rest) = short.path.split_at(at);
            let without = first.iter().chain(&rest[1..]).copied();
            let shorter = breaks(&setting, without, found.broken.law)
                .filter(|shorter| shorter.path.len() < short.path.len());
            assert_eq!(shorter, None, "without move {at}");
        }
    }

    #[test]
    fn without_idle_programs_the_same_moves_break_the_same_law() {
        let (setting, found) = found();
        let less = without_idle_programs(&setting);
        assert!(less.library.programs.len() < setting.library.programs.len());
        assert_eq!(less.library.name(less.main), setting.library.name(setting.main));
        let again = breaks(&less, found.path.iter().copied(), found.broken.law);
        assert_eq!(again, Some(found));
    }
}
