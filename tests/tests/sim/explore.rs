//! The ordinary bounds, searched completely.

use std::sync::{LazyLock, Mutex};
use std::thread;

use lastout_sim::bounds::{self, Bound};
use lastout_sim::explore::{Changes, Explored, explore, explore_exactly};
use lastout_sim::machine::Kind;
use lastout_sim::mutant::Mutant;
use lastout_sim::setting::{Setting, Who};
use lastout_sim::show;
use lastout_sim::witness::{Seen, Witness};

/// Every world of the ordinary bounds, and how many states it has.
const STATES: &[(&str, u64)] = &[
    ("two-stops", 307_334),
    ("visitor-and-freeze", 719_163),
    ("another-signal", 19_209),
    ("subreaper", 297_231),
    ("stop-grace", 92_677),
    ("group", 146_404),
    ("hanging", 396_066),
    ("debugged", 403_576),
    ("for-nothing", 695_790),
    ("stop-timeout", 1_002_193),
    ("failed-start", 11_531),
    ("no-drain", 31),
    ("long-graces", 137_795),
    ("company", 989),
    ("nobody-asked", 8_535),
    ("no-last-call", 4_098),
    ("terminal", 16_775),
    ("job", 25_829),
    ("plain", 3_827),
    ("to-all", 9_514),
    ("other-signals", 6_965),
    ("stood-still", 161_110),
    ("pid-1-stood-still", 44_482),
    ("other-users", 1_198),
    ("frozen-v1", 70_321),
    ("early", 24_107),
    ("storm", 467_258),
    ("storm-by-pid", 467_624),
    ("storm-group", 817_286),
    ("storm-subreaper", 871_545),
    ("storm-later", 289_392),
    ("main-lost", 5_556),
];

/// All of them, searched by as many threads as the machine has processors, largest first.
static FOUND: LazyLock<Vec<(Bound, Explored)>> = LazyLock::new(|| {
    let mut waiting = bounds::ordinary();
    let size = |bound: &Bound| STATES.iter().find(|(name, _)| *name == bound.name).map(|s| s.1);
    waiting.sort_by_key(size);
    let waiting = Mutex::new(waiting);
    let found = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(bound) = waiting.lock().unwrap().pop() else {
                        return;
                    };
                    let explored = explore(&bound.setting, u64::MAX, |_, _| ());
                    found.lock().unwrap().push((bound, explored));
                }
            });
        }
    });
    found.into_inner().unwrap()
});

#[test]
fn every_law_holds_in_every_state_and_the_states_are_as_many_as_ever() {
    for (bound, explored) in FOUND.iter() {
        if let Some(counterexample) = &explored.broken {
            panic!("{}", show::counterexample(&bound.setting, counterexample, "(this test)"));
        }
        assert!(explored.complete && explored.ends > 0, "{}: {explored:?}", bound.name);
    }
    let mut states: Vec<_> = FOUND.iter().map(|(b, found)| (b.name, found.states)).collect();
    let order = |name: &str| bounds::ordinary().iter().position(|bound| bound.name == name);
    states.sort_by_key(|(name, _)| order(name));
    assert_eq!(states, STATES, "another number of states: is that what the change was to do?");
}

#[test]
fn everything_that_must_be_seen_is_seen() {
    let mut seen = Seen::default();
    FOUND.iter().for_each(|(_, explored)| seen.join(explored.seen));
    let missing: Vec<_> =
        Witness::ALL.iter().filter(|w| !seen.has(**w)).map(|w| w.what()).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

/// Written by `cargo run --release -p lastout-sim -- explore --svg docs/state-diagram.svg`.
#[test]
fn the_state_diagram_shows_what_was_explored() {
    let mut changes = Changes::new();
    for (change, events) in FOUND.iter().flat_map(|(_, explored)| &explored.changes) {
        changes.entry(*change).or_default().extend(events);
    }
    let drawn = show::diagram_svg(&changes);
    assert!(
        drawn == crate::read("docs/state-diagram.svg"),
        "docs/state-diagram.svg is another one"
    );
}

/// A world that is small enough to be searched without putting its states in order.
fn small() -> Setting {
    let bound = bounds::ordinary().into_iter().find(|bound| bound.name == "two-stops").unwrap();
    let mut setting = Setting { endings: true, ..bound.setting };
    setting.engine[0].truncate(1);
    setting
}

fn both_ways(setting: &Setting) -> [Explored; 2] {
    [explore(setting, u64::MAX, |_, _| ()), explore_exactly(setting, u64::MAX)]
}

#[test]
fn putting_states_in_order_loses_no_end_of_a_life() {
    let [ordered, exact] = both_ways(&small());
    let ends = |found: &Explored| found.outcomes.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ends(&ordered), ends(&exact));
    assert!(ordered.outcomes.len() > 10 && exact.broken.is_none());
    assert!(ordered.states < exact.states, "nothing was put in order");
}

#[test]
fn putting_states_in_order_loses_no_counterexample() {
    let some = [Mutant::NoCont, Mutant::LeavesWithMain, Mutant::LastStatus, Mutant::NoLastCall];
    for mutant in some {
        let setting = Setting { who: Who::Init(Kind::Mutant(mutant)), ..small() };
        let [ordered, exact] =
            both_ways(&setting).map(|found| found.broken.expect("it breaks one"));
        assert_eq!(ordered.broken.law, exact.broken.law, "{}", mutant.name());
        assert_eq!(ordered.path.len(), exact.path.len(), "{}", mutant.name());
    }
}
