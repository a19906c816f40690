//! Kinship in worlds made for it, in which numbers are given again while they are looked at.

use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

use super::*;

const OWN: u32 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Process {
    parent: u32,
    /// In ms.
    born: u64,
    is_ours: bool,
}

/// Numbers and who has them; whatever changes does so before a look.
struct World<F> {
    clock: u64,
    all: HashMap<u32, Process>,
    looks: usize,
    before_a_look: F,
}

impl<F: FnMut(&mut u64, &mut HashMap<u32, Process>)> Look for &mut World<F> {
    fn stat(&mut self, pid: Pid) -> Option<Stat> {
        (self.before_a_look)(&mut self.clock, &mut self.all);
        self.looks += 1;
        let process = self.all.get(&pid.number())?;
        let born = process.born / 10 * 10;
        Some(Stat { parent: process.parent, state: b'S', threads: 1, born })
    }

    fn now(&mut self) -> u64 {
        self.clock
    }
}

fn pid(number: u32) -> Pid {
    Pid::new(number).unwrap()
}

/// Our parent is PID 1's child; everybody else is in the list: number, parent, born, ours.
fn world(others: &[(u32, u32, u64, bool)]) -> HashMap<u32, Process> {
    let first = [(1, 0, 10, false), (4, 1, 20, false), (OWN, 4, 30, false)];
    let all = first.iter().chain(others);
    all.map(|&(number, parent, born, is_ours)| (number, Process { parent, born, is_ours }))
        .collect()
}

/// Asks about everybody in that order, in a world that does not change; how many looks it took.
fn looks(all: HashMap<u32, Process>, order: impl Iterator<Item = u32>, clock: u64) -> usize {
    let truth = all.clone();
    let mut marks = vec![0; 40_000];
    // A look takes 4 µs.
    let mut count = 0;
    let tick = |clock: &mut u64, _: &mut HashMap<u32, Process>| {
        count += 1;
        *clock += u64::from(count % 250 == 0);
    };
    let mut world = World { clock, all, looks: 0, before_a_look: tick };
    let mut kin = Kin::new(pid(OWN), true, &mut world, Some(&mut marks));
    for number in order {
        let found = kin.of(pid(number)).unwrap().0;
        let is_ours = if truth[&number].is_ours { Kinship::Descendant } else { Kinship::Stranger };
        assert_eq!(found, is_ours, "{number}");
    }
    world.looks
}

const COUNT: u32 = 20_000;

/// A chain below `top`, whose numbers are 10 and more, upwards or downwards.
fn chain(top: u32, up: bool, is_ours: bool, born: u64) -> HashMap<u32, Process> {
    let number = |at: u32| if up { 10 + at } else { 9 + COUNT - at };
    let links = (0..COUNT).map(|at| {
        let parent = if at == 0 { top } else { number(at - 1) };
        (number(at), parent, born, is_ours)
    });
    world(&links.collect::<Vec<_>>())
}

#[test]
fn a_chain_takes_a_look_for_each_and_where_it_is_met_from_below_two() {
    let numbers = || 10..10 + COUNT;
    for (top, is_ours) in [(OWN, true), (4, false)] {
        let up = looks(chain(top, true, is_ours, 100), numbers(), 1000);
        assert!(up <= COUNT as usize + 2, "{up}");
        let down = looks(chain(top, false, is_ours, 100), numbers(), 1000);
        assert!(down <= 2 * COUNT as usize + 2, "{down}");
    }
}

#[test]
fn a_chain_that_was_born_just_now_is_no_chain_to_climb_for_each() {
    // Nobody's mark holds until the clock has gone on.
    let all = looks(chain(OWN, true, true, 1000), 10..10 + COUNT, 1000);
    assert!(all <= 4 * COUNT as usize, "{all}");
}

#[test]
fn births_that_are_not_told_prove_nothing_and_are_done_without() {
    let mut all =
        world(&[(10, OWN, 0, true), (11, 10, 0, true), (12, 11, 0, true), (13, 4, 0, false)]);
    for one in all.values_mut() {
        one.born = 0;
    }
    assert!(looks(all, [10, 11, 12, 13, 12].into_iter(), 1000) > 8);
}

#[test]
fn a_number_that_was_a_descendants_makes_no_descendant_of_a_strangers_child() {
    let before = [(10, OWN, 100, true), (11, 10, 100, true)];
    for born in [1000, 1009, 1010, 1500] {
        // Both numbers are given again, from the moment on at which they were looked at.
        let again = [(10, 4, born, false), (11, 10, born, false)];
        let mut marks = vec![0; 64];
        let change = |clock: &mut u64, all: &mut HashMap<u32, Process>| {
            if *clock >= 1000 {
                (*all, *clock) = (world(&again), born.max(*clock));
            }
        };
        let mut world = World { clock: 990, all: world(&before), looks: 0, before_a_look: change };
        let mut kin = Kin::new(pid(OWN), true, &mut world, Some(&mut marks));
        assert_eq!(kin.of(pid(10)).unwrap().0, Kinship::Descendant);
        kin.look.clock = 1000;
        assert_eq!(kin.of(pid(11)).unwrap().0, Kinship::Stranger, "{born}");
    }
}

#[test]
fn who_loses_orphans_does_not_believe_that_their_children_are_still_ours() {
    let before = [(10, OWN, 100, true), (11, 10, 100, true), (12, 11, 100, true)];
    // 10 has ended, and 11 is PID 1's.
    let after = [(11, 1, 100, false), (12, 11, 100, false)];
    for (adopts, found) in [(false, Kinship::Stranger), (true, Kinship::Descendant)] {
        let mut marks = vec![0; 64];
        let nothing = |_: &mut u64, _: &mut HashMap<u32, Process>| ();
        let mut world =
            World { clock: 1000, all: world(&before), looks: 0, before_a_look: nothing };
        let mut kin = Kin::new(pid(OWN), adopts, &mut world, Some(&mut marks));
        assert_eq!(kin.of(pid(11)).unwrap().0, Kinship::Descendant);
        kin.look.all = self::world(&after);
        assert_eq!(kin.of(pid(12)).unwrap().0, found, "adopts: {adopts}");
    }
}

#[test]
fn a_circle_has_an_end_with_marks_and_without() {
    let all = world(&[(10, 12, 0, false), (11, 10, 0, false), (12, 11, 0, false)]);
    let nothing = |_: &mut u64, _: &mut HashMap<u32, Process>| ();
    for marks in [true, false] {
        let mut memory = vec![0; 64];
        let mut world = World { clock: 1000, all: all.clone(), looks: 0, before_a_look: nothing };
        let mut kin = Kin::new(pid(OWN), true, &mut world, marks.then_some(&mut memory[..]));
        assert_eq!(kin.of(pid(11)).unwrap().0, Kinship::Unclear);
        assert_eq!(kin.of(pid(11)).unwrap().0, Kinship::Unclear);
    }
}

/// As random as is needed: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn whatever_happens_between_two_looks_a_stranger_is_none_of_ours() {
    let mut found = [0, 0, 0];
    for seed in 1..200_u64 {
        // Few numbers, which are given again soon; each once in a tick.
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut given: HashMap<u32, u64> = HashMap::new();
        let pace = 1 + dice.below(12);
        let happens = |clock: &mut u64, all: &mut HashMap<u32, Process>| {
            for _ in 0..dice.below(6) {
                *clock += dice.below(pace);
                let number = 10 + u32::try_from(dice.below(24)).unwrap();
                let mut living: Vec<u32> = all.keys().copied().filter(|&n| n != 1).collect();
                living.sort_unstable();
                let other = living[usize::try_from(dice.below(living.len() as u64)).unwrap()];
                if let Some(dead) = all.get(&number).copied() {
                    if dice.below(3) == 0 {
                        all.remove(&number);
                        // The orphans: ours among us, others to PID 1.
                        for child in all.values_mut().filter(|child| child.parent == number) {
                            child.parent = if dead.is_ours { OWN } else { 1 };
                        }
                    }
                } else if given.insert(number, *clock / 10) != Some(*clock / 10) {
                    let is_ours = other == OWN || all[&other].is_ours;
                    all.insert(number, Process { parent: other, born: *clock, is_ours });
                }
            }
        };
        let mut marks = vec![0; 64];
        let mut world = World { clock: 1000, all: world(&[]), looks: 0, before_a_look: happens };
        let with_marks = seed % 4 != 0;
        let marks = with_marks.then_some(&mut marks[..]);
        let mut kin = Kin::new(pid(OWN), true, &mut world, marks);
        for round in 0..40 {
            for number in 10..34 {
                let Some((kinship, stat)) = kin.of(pid(number)) else {
                    continue;
                };
                // It is known who it was, if it is there still: otherwise a signal by pidfd
                // reaches nobody.
                let truth = kin.look.all.get(&number).filter(|p| p.born / 10 * 10 == stat.born);
                let Some(truth) = truth else {
                    continue;
                };
                let of = std::format!("{number} of {seed} in round {round}");
                match kinship {
                    Kinship::Descendant => assert!(truth.is_ours, "{of} is a stranger"),
                    Kinship::Stranger => assert!(!truth.is_ours, "{of} is ours"),
                    Kinship::Unclear => (),
                }
                found[kinship as usize] += 1;
            }
        }
    }
    assert!(found[0] > 5_000 && found[1] > 5_000, "{found:?}");
    assert!(found[2] * 20 < found[0] + found[1], "mostly it is clear: {found:?}");
}
