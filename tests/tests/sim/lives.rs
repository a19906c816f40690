//! Random lives: seeds, and the vectors of a property test, which shrink.

use lastout_sim::machine::Kind;
use lastout_sim::mutant::Mutant;
use lastout_sim::witness::Witness;
use lastout_sim::{fuzz, swarm};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

#[test]
fn a_swarm_of_lives_breaks_no_law_and_ends_the_same_twice() {
    let lives = if cfg!(debug_assertions) { 6000 } else { 20_000 };
    let (tally, found) = swarm::swarm(1, Kind::Lastout, |tally| tally.lives < lives);
    if let Some(found) = found {
        panic!("{found:?}");
    }
    assert_eq!(tally.lives, lives);
    // A container that nobody stops has none.
    assert!(tally.unfinished * 3 < lives, "too many have no end: {}", tally.unfinished);
    let missing: Vec<_> =
        Witness::ALL.iter().filter(|w| !tally.seen.has(**w)).map(|w| w.what()).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 1500,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..700)
}

#[test]
fn lives_that_a_vector_chooses_break_no_law() {
    let outcome = runner().run(&bytes(), |bytes| fuzz::world(&bytes).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn a_vector_that_finds_a_mistake_shrinks() {
    let judge = |bytes: &[u8]| fuzz::world_with(Kind::Mutant(Mutant::LeavesWithMain), bytes);
    let outcome = runner().run(&bytes(), |bytes| judge(&bytes).map_err(TestCaseError::fail));
    let Err(TestError::Fail(_, least)) = outcome else {
        panic!("it is not found");
    };
    // 160 of them are the setting's; of 25 runs, the longest left 223.
    assert!(least.len() < 300, "{} bytes", least.len());
    let told = judge(&least).unwrap_err();
    assert!(told.contains("S10") || told.contains("L3") || told.contains("S11"), "{told}");
}
