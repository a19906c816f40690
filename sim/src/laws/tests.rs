//! Lives that a law once blamed wrongly, move by move.

use crate::scenario;
use crate::world::World;

/// Lives that life, judged, up to the first move that is not possible; how many moves that is, and
/// how many there are.
fn lives(text: &str) -> (usize, usize) {
    let scenario = scenario::parse(text).unwrap();
    let mut world = World::new(&scenario.setting);
    let mut choices = Vec::new();
    let mut made = 0;
    for choice in &scenario.moves {
        world.choices(&scenario.setting, &mut choices);
        if !choices.contains(choice) {
            break;
        }
        assert_eq!(world.apply(&scenario.setting, *choice), Ok(()), "{choice}");
        made += 1;
    }
    (made, scenario.moves.len())
}

#[test]
fn a_tick_that_is_late_then_frozen_over_then_late_again_breaks_no_law() {
    let (made, moves) = lives(include_str!("lives/late-frozen-late.world"));
    assert_eq!(made, moves);
}

#[test]
fn an_init_that_is_stopped_for_no_time_is_not_late_once_more() {
    let (made, moves) = lives(include_str!("lives/late-stopped-late.world"));
    assert_eq!((made, moves), (27, 32));
}
