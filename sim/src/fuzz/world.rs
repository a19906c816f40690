//! The whole world: the bytes choose policy, programs, faults and every move.
//!
//! They are drawn from as in a swarm ([`crate::life`]). Each part of the setting has its place in
//! them, and behind it each move has two, so that a byte that is changed changes one choice, or
//! at most those behind it in its part, and leaves the rest. When the moves are used up, the life
//! goes on to its end by random numbers, whose seed is among the bytes: where it was always the
//! first, lives that went round in circles were most of the work.

use super::caught;
use crate::chooser::{Bytes, Chooser, Random};
use crate::kernel::Unhashed;
use crate::life::{Life, Weights, live, live_along, setting};
use crate::machine::Kind;
use crate::mutant::Mutant;
use crate::scenario::{Claim, Expectation, Scenario};
use crate::setting::Setting;
use crate::show;
use crate::shrink::{shrink, without_idle_programs};
use crate::world::{Choice, World};

/// The most moves of a life. One in nine of the corpus has not ended by then; with three times as
/// many, such lives had 37 % of all moves.
const MOST_MOVES: u64 = 1000;

/// Moves by bytes, and then at random.
struct Moves<'b> {
    bytes: Bytes<'b>,
    are_over: bool,
    then: Random,
}

impl Chooser for Moves<'_> {
    fn part(&mut self, bytes: usize) {
        self.bytes.part(bytes);
        self.are_over = self.bytes.is_empty();
    }

    fn below(&mut self, sides: usize) -> usize {
        if self.are_over { self.then.below(sides) } else { self.bytes.below(sides) }
    }
}

/// Whose decisions [`world_with`] is to judge: those of the mutant of that name, if there is one.
///
/// # Errors
/// Which there are, if there is none of that name.
pub fn kind(mutant: Option<&str>) -> Result<Kind, String> {
    let Some(name) = mutant else {
        return Ok(Kind::Lastout);
    };
    let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    let there_is = || format!("no such mutant: {name}; there are {}", names.join(", "));
    Mutant::find(name).map(Kind::Mutant).ok_or_else(there_is)
}

/// Lives the life that the bytes say, and judges it by every law.
///
/// # Errors
/// The broken law with the whole story.
pub fn world(data: &[u8]) -> Result<(), String> {
    world_with(Kind::Lastout, data)
}

/// The same with somebody else's decisions.
///
/// # Errors
/// The broken law with the whole story.
pub fn world_with(kind: Kind, data: &[u8]) -> Result<(), String> {
    let (setting, weights, mut moves) = drawn(kind, data);
    let mut path = Vec::new();
    let lived = caught(|| {
        let world = World::new(&setting);
        live_along(&mut path, world, &setting, &mut moves, weights, MOST_MOVES)
    });
    let less = || without_idle_programs(&setting);
    match lived.map(|life| life.broken) {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            let setting = less();
            let found = shrink(&setting, &found);
            let remark = format!("{} is broken: {}.", found.broken.law, found.broken.why);
            let told = show::counterexample(&setting, &found, AGAIN);
            Err(format!("{told}\n{}", scenario(setting, remark, found.path)))
        }
        Err(panic) => {
            let remark = format!("The last move ends in {panic}.");
            Err(format!("{panic}\n\n{}", scenario(less(), remark, path)))
        }
    }
}

/// The life of lastout that the bytes say, for who wants to know if it was worth it.
pub fn life(data: &[u8]) -> Life {
    let (setting, weights, mut moves) = drawn(Kind::Lastout, data);
    live(&setting, &mut moves, weights, MOST_MOVES)
}

fn drawn(kind: Kind, data: &[u8]) -> (Setting, Weights, Moves<'_>) {
    let mut bytes = Bytes::new(data);
    let setting = setting(&mut bytes, kind);
    let weights = Weights::draw(&mut bytes);
    bytes.part(2);
    let seed = bytes.below(1 << 16) as u64;
    (setting, weights, Moves { bytes, are_over: false, then: Random::new(seed) })
}

/// How a crash is told again.
const AGAIN: &str = "LASTOUT_FUZZ_INPUT=<the file> cargo test -p lastout-tests --test fuzz_corpus
    cargo run -p lastout-sim -- replay <what follows, as a file>";

/// What should have held, and the life in which it did not.
fn scenario(setting: Setting, remark: String, moves: Vec<Choice>) -> Scenario {
    let laws = Expectation { line: Unhashed(0), sometimes: false, claim: Claim::LawsHold };
    Scenario { remark, setting, expectations: vec![laws], moves }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{laws, scenario};

    /// Inputs of up to 600 bytes.
    fn inputs() -> impl Iterator<Item = Vec<u8>> {
        let mut random = Random::new(1);
        (0..400).map(move |_| {
            let length = random.below(601);
            (0..length).map(|_| random.next().to_le_bytes()[0]).collect()
        })
    }

    #[test]
    fn lastout_keeps_the_laws_whatever_the_bytes_are() {
        for data in inputs() {
            assert_eq!(world(&data), Ok(()));
        }
    }

    #[test]
    fn a_broken_law_is_told_as_a_scenario_that_breaks_it() {
        let no_cont = Kind::Mutant(Mutant::NoCont);
        let told = inputs().find_map(|data| world_with(no_cont, &data).err());
        let told = told.expect("a machine that asks without CONT is found out");
        let (law, _) = told.split_once(' ').unwrap();
        let text = &told[told.rfind(scenario::HEAD).expect("there is a scenario")..];
        let Scenario { setting, moves, .. } = scenario::parse(text).expect("it can be read");
        let mut world = World::new(&setting);
        let (last, before) = moves.split_last().unwrap();
        assert!(before.iter().all(|&choice| world.apply(&setting, choice).is_ok()));
        let broken: Option<laws::Law> = world.apply(&setting, *last).err().map(|b| b.law);
        assert_eq!(broken.map(laws::Law::number), Some(law));
    }

    #[test]
    fn every_setting_is_text() {
        for data in inputs() {
            let setting = setting(&mut Bytes::new(&data), Kind::Lastout);
            let it = scenario(setting, "Any.".into(), Vec::new());
            assert_eq!(scenario::parse(&it.to_string()), Ok(it));
        }
    }

    #[test]
    fn a_byte_of_the_setting_leaves_the_rest_of_it() {
        let mut data = [0; 300];
        let plain = setting(&mut Bytes::new(&data), Kind::Lastout);
        let mut differences = 0;
        for at in 0..data.len() {
            data[at] = u8::MAX;
            let other = setting(&mut Bytes::new(&data), Kind::Lastout);
            data[at] = 0;
            if other.stop_timeout != plain.stop_timeout {
                continue; // That plans the graces, and bounds what may be late.
            }
            let same = [
                other.library == plain.library,
                other.policy == plain.policy,
                other.faults == plain.faults,
                other.engine == plain.engine,
            ];
            let changed = same.into_iter().filter(|same| !same).count();
            assert!(changed <= 1, "byte {at} changes {changed} parts");
            differences += changed;
        }
        assert!(differences > 0);
    }
}
