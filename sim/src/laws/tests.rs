//! Lives that a law once blamed wrongly, move by move.

use crate::scenario;
use crate::world::World;

/// Lives that life, judged; how many moves it has.
fn lives(text: &str) -> usize {
    let scenario = scenario::parse(text).unwrap();
    let mut world = World::new(&scenario.setting);
    let mut choices = Vec::new();
    for choice in &scenario.moves {
        world.choices(&scenario.setting, &mut choices);
        assert!(choices.contains(choice), "{choice} is not possible");
        assert_eq!(world.apply(&scenario.setting, *choice), Ok(()), "{choice}");
    }
    scenario.moves.len()
}

#[test]
fn a_tick_that_is_late_then_frozen_over_then_late_again_breaks_no_law() {
    assert!(lives(include_str!("lives/late-frozen-late.world")) > 50);
}
