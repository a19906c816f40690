//! Exhaustive search: every world that can come of a setting, breadth first, so that the first
//! broken law has the shortest path to it.
//!
//! A state is remembered by a fingerprint of 128 bits (xxh3), not by itself: among the ten
//! million states of a large search, two have the same one with a probability of less than
//! 10⁻²⁴. The order of the search depends on nothing but the setting, and so do its numbers:
//! tests pin them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use lastout_core::{Event, Phase};

use crate::fingerprint::Fingerprints;
use crate::kernel::{Ending, Fate};
use crate::laws::{Broken, Law};
use crate::setting::Setting;
use crate::witness::Seen;
use crate::world::{Choice, Driver, World};

/// A fingerprint is as good a hash as any.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.last_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

/// A law is broken, and how one gets there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counterexample {
    /// What is broken.
    pub broken: Broken,
    /// The choices from the beginning to there; the last one breaks it.
    pub path: Vec<Choice>,
}

/// A change of phase that was seen, and the events that lead to it.
pub type Changes = BTreeMap<(Place, Place), BTreeSet<&'static str>>;

/// A phase, in the order of a life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "they are the machine's phases")]
pub enum Place {
    Starting,
    Running,
    Stopping,
    Draining,
    LastCall,
    Killing,
    Exited,
}

impl From<Phase> for Place {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Stopping => Self::Stopping,
            Phase::Draining => Self::Draining,
            Phase::LastCall => Self::LastCall,
            Phase::Killing => Self::Killing,
            Phase::Exited => Self::Exited,
        }
    }
}

/// How a life ended, for a scenario to look at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Outcome {
    /// What became of init; alive: nobody will ever move again.
    pub init: Fate,
    /// What became of each process.
    pub endings: Vec<Ending>,
}

impl Outcome {
    fn of(world: &World) -> Self {
        Self {
            init: world.exit().map_or(Fate::Alive, Fate::from),
            endings: world.kernel.all_endings(),
        }
    }
}

/// What an exploration found.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Different worlds.
    pub states: u64,
    /// Moves between them.
    pub moves: u64,
    /// The longest way from the beginning, in moves.
    pub depth: u32,
    /// Worlds that are over.
    pub ends: u64,
    /// Worlds in which nobody will ever move again, though init is there.
    pub stuck: u64,
    /// Was everything seen within the bound?
    pub complete: bool,
    /// What was seen on the way.
    pub seen: Seen,
    /// The first law that was broken, with the shortest path.
    pub broken: Option<Counterexample>,
    /// For each law that was broken, the first time, with the shortest path: all of them only of
    /// [`survey`].
    pub breaks: BTreeMap<Law, Counterexample>,
    /// The changes of phase.
    pub changes: Changes,
    /// How lives ended or got stuck, if the setting keeps that; with the shortest path to each.
    pub outcomes: BTreeMap<Outcome, Vec<Choice>>,
}

/// How often a search tells how far it is: after so many states.
const TELL: u64 = 10_000;

/// Searches everything that can come of `setting`, until a law is broken, but no more than `most`
/// states. `tell` hears now and then how many there are and how many wait.
pub fn explore(setting: &Setting, most: u64, tell: impl FnMut(u64, u64)) -> Explored {
    search(setting, most, tell, true, setting.is_pid1())
}

/// As [`explore`], but worlds that differ in nothing but numbers and order are different ones:
/// slow, and the proof that [`crate::fingerprint`] loses nothing.
pub fn explore_exactly(setting: &Setting, most: u64) -> Explored {
    search(setting, most, |_, _| (), true, false)
}

/// As [`explore`], but a broken law ends only the lives that break it, and the search goes on.
pub fn survey(setting: &Setting, most: u64) -> Explored {
    search(setting, most, |_, _| (), false, setting.is_pid1())
}

fn search(
    setting: &Setting,
    most: u64,
    mut tell: impl FnMut(u64, u64),
    first_only: bool,
    in_order: bool,
) -> Explored {
    let mut search = Search::new(setting, in_order);
    let mut choices = Vec::new();
    let mut found = Explored { complete: true, ..Explored::default() };
    while let Some((world, index, depth)) = search.waiting.pop_front() {
        found.depth = depth;
        found.seen.join(world.seen.0);
        if world.is_over() {
            found.ends += 1;
            note_outcome(&mut found.outcomes, &world, || search.path(setting, index));
            continue;
        }
        // Of all others, the graph tells (`spins`).
        if world.driver().is_some_and(Driver::is_waiting)
            && let Err(broken) = world.has_way_out(setting)
        {
            found.breaks(&broken, || search.path(setting, index));
            if first_only {
                break;
            }
            continue;
        }
        world.choices(setting, &mut choices);
        if choices.is_empty() {
            found.stuck += 1;
            note_outcome(&mut found.outcomes, &world, || search.path(setting, index));
        }
        for (at, &choice) in choices.iter().enumerate() {
            let mut next = world.clone();
            let verdict = next.apply(setting, choice);
            found.moves += 1;
            if let Err(broken) = verdict {
                found.breaks(&broken, || {
                    let mut path = search.path(setting, index);
                    path.push(choice);
                    path
                });
                if first_only {
                    found.states = search.known.len() as u64;
                    return found;
                }
                continue;
            }
            if choice == Choice::Init {
                note_change(&mut found.changes, &world, &next);
            }
            let reached = search.reach(next, index, at, depth + 1);
            if choice == Choice::Init {
                search.after_init[index as usize] = reached;
            }
        }
        found.states = search.known.len() as u64;
        if found.states % TELL < choices.len() as u64 {
            tell(found.states, search.waiting.len() as u64);
        }
        if found.states >= most {
            found.complete = false;
            break;
        }
    }
    found.states = search.known.len() as u64;
    if (found.broken.is_none() || !first_only)
        && setting.judged
        && let Some(index) = search.spins()
    {
        let broken = crate::laws::spins();
        found.breaks(&broken, || search.path(setting, index));
    }
    found
}

impl Explored {
    fn breaks(&mut self, broken: &Broken, path: impl FnOnce() -> Vec<Choice>) {
        let laws = || [broken.law].into_iter().chain(broken.also.iter().copied());
        if laws().all(|law| self.breaks.contains_key(&law)) {
            return;
        }
        let counterexample = Counterexample { broken: broken.clone(), path: path() };
        self.broken.get_or_insert_with(|| counterexample.clone());
        for law in laws() {
            self.breaks.entry(law).or_insert_with(|| counterexample.clone());
        }
    }
}

fn note_outcome(
    outcomes: &mut BTreeMap<Outcome, Vec<Choice>>,
    world: &World,
    path: impl FnOnce() -> Vec<Choice>,
) {
    if world.kernel.endings.is_some() {
        outcomes.entry(Outcome::of(world)).or_insert_with(path);
    }
}

fn note_change(changes: &mut Changes, before: &World, after: &World) {
    let phase = |world: &World| world.driver().map(|d| Place::from(d.machine.init.phase()));
    if let (Some(from), Some(to), Some(driver)) = (phase(before), phase(after), after.driver())
        && from != to
        && let Some(event) = driver.last.0
    {
        changes.entry((from, to)).or_default().insert(kind(event));
    }
}

/// The kind of an event, as the state diagram has it.
fn kind(event: Event) -> &'static str {
    match event {
        Event::Spawned(_) => "spawned",
        Event::SpawnFailed(_) => "spawn-failed",
        Event::Signal { .. } => "signal",
        Event::Chld(_) => "signal",
        Event::Settled => "settled",
        Event::Alarm { .. } => "alarm",
        Event::Reaped(..) => "reaped",
        Event::Proven(..) => "proven",
        Event::Stopped(..) => "stopped",
        Event::Trapped(..) => "trapped",
        Event::Continued(_) => "continued",
        Event::NoneReady => "none-ready",
        Event::NoChildren => "no-children",
        Event::Alone => "alone",
        Event::Company => "company",
    }
}

/// No place: init has no move there.
const NOWHERE: u32 = u32::MAX;

struct Search {
    in_order: bool,
    prints: Fingerprints,
    /// The states, and their places in the order of discovery.
    known: HashMap<[u64; 2], u32, BuildHasherDefault<Itself>>,
    /// For each state, in order of discovery: where it was reached from, and by which choice.
    from: Vec<(u32, u16)>,
    /// For each state, where init's own move leads from there, if it has one.
    after_init: Vec<u32>,
    waiting: VecDeque<(World, u32, u32)>,
}

impl Search {
    fn new(setting: &Setting, in_order: bool) -> Self {
        let mut search = Self {
            in_order,
            prints: Fingerprints::default(),
            known: HashMap::default(),
            from: Vec::new(),
            after_init: Vec::new(),
            waiting: VecDeque::new(),
        };
        search.reach(World::new(setting), 0, 0, 0);
        search
    }

    /// The place of that state, which is a new one or not.
    fn reach(&mut self, world: World, from: u32, choice: usize, depth: u32) -> u32 {
        let print = self.prints.of(&world, self.in_order);
        #[allow(clippy::cast_possible_truncation, reason = "both halves are kept")]
        let halves = [print as u64, (print >> 64) as u64];
        let index = u32::try_from(self.from.len()).expect("fewer than 2^32 states");
        match self.known.entry(halves) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(index);
                let choice = u16::try_from(choice).expect("fewer than 2^16 choices");
                self.from.push((from, choice));
                self.after_init.push(NOWHERE);
                self.waiting.push_back((world, index, depth));
                index
            }
        }
    }

    /// L1 over the graph: a state from which init's own moves lead back to it, so that it never
    /// comes to rest though nobody else moves.
    fn spins(&self) -> Option<u32> {
        let mut walked = vec![NOWHERE; self.after_init.len()];
        for start in 0..self.after_init.len() {
            #[allow(clippy::cast_possible_truncation, reason = "states are counted in 32 bits")]
            let walk = start as u32;
            let mut at = walk;
            while at != NOWHERE && walked[at as usize] == NOWHERE {
                walked[at as usize] = walk;
                at = self.after_init[at as usize];
            }
            if at != NOWHERE && walked[at as usize] == walk {
                return Some(at);
            }
        }
        None
    }

    /// The choices from the beginning to that state.
    fn path(&self, setting: &Setting, mut index: u32) -> Vec<Choice> {
        let mut turns = Vec::new();
        while index != 0 {
            let (from, choice) = self.from[index as usize];
            turns.push(usize::from(choice));
            index = from;
        }
        let mut world = World::new(setting);
        let mut choices = Vec::new();
        let mut path = Vec::with_capacity(turns.len());
        for turn in turns.into_iter().rev() {
            world.choices(setting, &mut choices);
            path.push(choices[turn]);
            let verdict = world.apply(setting, choices[turn]);
            debug_assert_eq!(verdict, Ok(()));
        }
        path
    }
}
