//! Long random lives, one after the other, each twice: the same seed must lead to the same end.

use crate::chooser::{Chooser, Random};
use crate::explore::Counterexample;
use crate::fingerprint::Fingerprints;
use crate::life::{Life, Weights, live, live_in, setting};
use crate::machine::Kind;
use crate::setting::Setting;
use crate::witness::Seen;
use crate::world::World;

/// The most moves of one life. Nearly all are over long before.
pub const MOST_MOVES: u64 = 20_000;

/// What a swarm has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Lives.
    pub lives: u64,
    /// Moves of the world in them, the second time not counted.
    pub moves: u64,
    /// Lives that were not over after [`MOST_MOVES`] moves, or in which nobody moved any more.
    pub unfinished: u64,
    /// Simulated time, in ms.
    pub simulated: u64,
    /// What was seen.
    pub seen: Seen,
}

/// What a swarm found.
#[derive(Debug)]
pub enum Finding {
    /// A law is broken.
    Broken {
        /// The seed of that life.
        seed: u64,
        /// Its circumstances.
        setting: Box<Setting>,
        /// What broke, and how one gets there.
        counterexample: Counterexample,
    },
    /// The same seed led to two different ends: the simulator itself is wrong.
    NotTheSame {
        /// The seed of that life.
        seed: u64,
    },
}

/// One life of that seed.
pub fn one(seed: u64, kind: Kind) -> (Setting, Life) {
    let mut random = Random::new(seed);
    let setting = setting(&mut random, kind);
    let weights = Weights::draw(&mut random);
    let life = live(&setting, &mut random, weights, MOST_MOVES);
    (setting, life)
}

/// The same life of lastout, with everything that happens in it written down.
pub fn noted(seed: u64) -> (Setting, Life) {
    let mut random = Random::new(seed);
    let setting = setting(&mut random, Kind::Lastout);
    let weights = Weights::draw(&mut random);
    let world = World::noted(&setting);
    let life = live_in(world, &setting, &mut random, weights, MOST_MOVES);
    (setting, life)
}

/// Lives lives from `seed` on, each twice, as long as `goes_on` says so after each, or until
/// something is found.
pub fn swarm(
    seed: u64,
    kind: Kind,
    mut goes_on: impl FnMut(&Tally) -> bool,
) -> (Tally, Option<Finding>) {
    let mut tally = Tally::default();
    // Seeds of lives must not overlap between swarms with neighbouring seeds.
    let mut seeds = Random::new(seed);
    let mut prints = Fingerprints::default();
    loop {
        let seed = seeds.next();
        let (setting, life) = one(seed, kind);
        if let Some(counterexample) = life.broken {
            let setting = Box::new(setting);
            return (tally, Some(Finding::Broken { seed, setting, counterexample }));
        }
        let (_, again) = one(seed, kind);
        if prints.exact(&life.world) != prints.exact(&again.world) || life.moves != again.moves {
            return (tally, Some(Finding::NotTheSame { seed }));
        }
        tally.lives += 1;
        tally.moves += life.moves;
        tally.unfinished += u64::from(!life.world.is_over());
        tally.simulated += life.world.passed();
        tally.seen.join(life.world.seen.0);
        if !goes_on(&tally) {
            return (tally, None);
        }
    }
}

/// A seed that nobody has chosen.
pub fn any_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos());
    let mut random = Random::new(u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(0));
    // Short enough to be typed.
    random.below(1 << 32) as u64
}
