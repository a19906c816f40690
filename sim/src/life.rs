//! One life in a random world: what a swarm, a property test and a fuzzer do.
//!
//! Swarm testing: each life has a configuration of its own (policy, programs, engine, faults,
//! and how often which kind of thing happens), drawn by the same chooser as its moves. Lives in
//! which everything happens all the time are alike; lives in which some things never happen are
//! not.

use std::num::NonZeroU8;

use lastout_core::{
    ExitMap, Forward, Graces, Millis, Policy, Role, Signal, SignalSet, SpawnError, Wishes,
};

use crate::chooser::Chooser;
use crate::engine::{Action, Script, stop};
use crate::explore::Counterexample;
use crate::kernel::{Freezer, Unhashed};
use crate::laws::Broken;
use crate::machine::Kind;
use crate::program::{self, Instruction, Library, Program, Whom};
use crate::setting::{Faults, Setting, Who};
use crate::workload;
use crate::world::{Choice, Driver, World};

/// A container that was frozen for less cannot be told from a busy machine
/// (`lastout_core::machine`: a tick and what makes it late).
pub const SHORTEST_FREEZE: u32 = 250;

/// How often each kind of thing happens.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    init: u32,
    process: u32,
    engine: u32,
    pass: u32,
    fault: u32,
}

impl Weights {
    /// Weights of one life.
    pub fn draw(chooser: &mut impl Chooser) -> Self {
        chooser.part(5);
        let of = [1, 4, 16, 64];
        Self {
            init: chooser.one_of(&of),
            process: chooser.one_of(&of),
            engine: chooser.one_of(&of[..2]),
            pass: chooser.one_of(&of[..3]),
            fault: chooser.one_of(&of[..2]),
        }
    }

    const fn of(self, choice: Choice) -> u32 {
        match choice {
            Choice::Init => self.init,
            Choice::Process(..) => self.process,
            Choice::Engine(_) => self.engine,
            Choice::Pass(_) => self.pass,
            Choice::LetGo(_)
            | Choice::Hang(_)
            | Choice::Trace(_)
            | Choice::ForkFails(_)
            | Choice::Chld
            | Choice::Eintr
            | Choice::Steal => self.fault,
        }
    }
}

/// How a life went.
#[derive(Debug)]
pub struct Life {
    /// The world at its end.
    pub world: World,
    /// How many moves it had.
    pub moves: u64,
    /// What broke, and the way there.
    pub broken: Option<Counterexample>,
}

/// Lives a life of at most so many moves.
pub fn live(setting: &Setting, chooser: &mut impl Chooser, weights: Weights, most: u64) -> Life {
    live_in(World::new(setting), setting, chooser, weights, most)
}

/// Lives the life of a world that is already there, with its notes if it keeps any.
pub fn live_in(
    world: World,
    setting: &Setting,
    chooser: &mut impl Chooser,
    weights: Weights,
    most: u64,
) -> Life {
    live_along(&mut Vec::new(), world, setting, chooser, weights, most)
}

/// The same, and `path` has the moves also if the simulator panics at the last of them.
pub fn live_along(
    path: &mut Vec<Choice>,
    mut world: World,
    setting: &Setting,
    chooser: &mut impl Chooser,
    weights: Weights,
    most: u64,
) -> Life {
    let mut choices = Vec::new();
    let mut waits = 0_u32;
    let fails = |world: World, path: &[Choice], broken: Broken| {
        let moves = path.len() as u64;
        let path = path.to_vec();
        Life { world, moves, broken: Some(Counterexample { broken, path }) }
    };
    while (path.len() as u64) < most {
        world.choices(setting, &mut choices);
        let Some(choice) = pick(&choices, chooser, weights) else {
            break;
        };
        path.push(choice);
        if let Err(broken) = world.apply(setting, choice) {
            return fails(world, path, broken);
        }
        // L1 is dear: one waiting state in many is looked at, and the last one.
        waits += u32::from(world.driver().is_some_and(Driver::is_waiting));
        if waits == 64 {
            waits = 0;
            if let Err(broken) = world.has_way_out(setting) {
                return fails(world, path, broken);
            }
        }
    }
    if let Err(broken) = world.has_way_out(setting) {
        return fails(world, path, broken);
    }
    Life { world, moves: path.len() as u64, broken: None }
}

fn pick(choices: &[Choice], chooser: &mut impl Chooser, weights: Weights) -> Option<Choice> {
    chooser.part(2);
    // A kind first, and then one of that kind: a thousand processes do not starve init.
    let mut most = [0_u32; 5];
    let kind = |choice: Choice| match choice {
        Choice::Init => 0,
        Choice::Process(..) => 1,
        Choice::Engine(_) => 2,
        Choice::Pass(_) => 3,
        _ => 4,
    };
    for &choice in choices {
        most[kind(choice)] = weights.of(choice);
    }
    let sum: u32 = most.iter().sum();
    if sum == 0 {
        return None;
    }
    let mut left = u32::try_from(chooser.below(sum as usize)).unwrap_or(0);
    let mut chosen = 0;
    for (at, weight) in most.into_iter().enumerate() {
        if left < weight {
            chosen = at;
            break;
        }
        left -= weight;
    }
    let of_kind = choices.iter().filter(|&&choice| kind(choice) == chosen).count();
    let which = chooser.below(of_kind);
    choices.iter().copied().filter(|&choice| kind(choice) == chosen).nth(which)
}

// -------------------------------------------------------------------------- what is drawn
//
// Of bytes, each part has as many as it can need, the programs nearly so; with the weights and a
// seed there are 160 before the moves (`crate::fuzz`).

const USUAL_SIGNALS: [Signal; 6] =
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1, Signal::CONT, Signal::CHLD];

fn signal(chooser: &mut impl Chooser) -> Signal {
    if chooser.one_in(4) {
        let number = u8::try_from(chooser.span(1, 64)).unwrap_or(1);
        Signal::new(number).filter(|s| s.can_be_taken()).unwrap_or(Signal::TERM)
    } else {
        chooser.one_of(&USUAL_SIGNALS)
    }
}

/// The bytes of a grace.
const GRACE: usize = 4;

/// A grace: none rather often, most often a few ticks.
fn grace(chooser: &mut impl Chooser) -> Millis {
    chooser.part(GRACE);
    if chooser.one_in(8) {
        return Millis::ZERO;
    }
    Millis(if chooser.one_in(3) { chooser.span(1, 300) } else { 50 * chooser.span(1, 4) })
}

fn policy(chooser: &mut impl Chooser) -> Policy {
    chooser.part(4);
    let role = chooser.one_of(&[Role::Pid1, Role::Pid1, Role::Pid1, Role::Subreaper, Role::Plain]);
    let terminal = chooser.one_in(6);
    let forward = chooser.one_of(&[Forward::Main, Forward::Main, Forward::Group, Forward::All]);
    let stop = if chooser.one_in(2) {
        Some(grace(chooser))
    } else {
        chooser.part(GRACE);
        None
    };
    let mut policy = Policy {
        terminal,
        forward,
        graces: Graces {
            stop,
            drain: grace(chooser),
            last_call: grace(chooser),
            kill: grace(chooser),
        },
        ..Policy::new(role)
    };
    chooser.part(8);
    if chooser.one_in(6) {
        policy.stop_signals = SignalSet::EMPTY.with(Signal::USR1).with(Signal::TERM);
    }
    if chooser.one_in(6) {
        policy.drain_signal = chooser.one_of(&[Signal::HUP, Signal::INT, Signal::QUIT]);
    }
    if chooser.one_in(4) {
        let to = [Some(Signal::INT), Some(Signal::QUIT), Some(Signal::USR2), None];
        let from = signal(chooser);
        policy.rewrites.set(from, chooser.one_of(&to));
    }
    if chooser.one_in(6) {
        let mut map = ExitMap::IDENTITY;
        map.set(143, 0);
        policy.exit_map = map;
    }
    policy
}

/// Programs: the usual ones, and some that nobody would write.
fn library(chooser: &mut impl Chooser) -> Library {
    let mut library = workload::usual();
    chooser.part(64);
    for number in 0..chooser.below(3) {
        let length = chooser.span(3, 12);
        let code = (0..length).map(|_| instruction(chooser, &library, length)).collect();
        library.programs.push(Program {
            name: format!("random{number}"),
            code,
            labels: Unhashed::default(),
        });
    }
    library
}

fn instruction<C: Chooser>(chooser: &mut C, library: &Library, length: u32) -> Instruction {
    use program::Action as A;
    let label = |chooser: &mut C| u8::try_from(chooser.span(0, length - 1)).unwrap_or(0);
    let at = label(chooser);
    let other = u8::try_from(chooser.below(library.programs.len())).unwrap_or(0);
    let whom = [Whom::Myself, Whom::Parent, Whom::Init, Whom::Child, Whom::Group, Whom::All];
    match chooser.below(24) {
        0 | 1 => Instruction::Pause,
        2 => Instruction::On(signal(chooser), A::Ignore),
        3 => Instruction::On(signal(chooser), A::Goto { at, once: chooser.one_in(2) }),
        4 => Instruction::Trap(signal(chooser), A::Goto { at, once: false }),
        5 => Instruction::Mask(signal(chooser)),
        6 => Instruction::Unmask(signal(chooser)),
        7 | 8 => Instruction::Spawn(other),
        9 => Instruction::Fork(at),
        10 => Instruction::Exec(other),
        11 => Instruction::Daemon(other),
        12 => Instruction::Background(other),
        13 => Instruction::Wait,
        14 => Instruction::Reap,
        15 => match chooser.below(4) {
            0 => Instruction::Setsid,
            1 => Instruction::Setpgid,
            2 => Instruction::Subreaper,
            _ => Instruction::TraceMe,
        },
        16 => Instruction::Kill(
            chooser.one_of(&whom),
            if chooser.one_in(4) { Signal::STOP } else { signal(chooser) },
        ),
        17 => Instruction::Work(u8::try_from(chooser.span(1, 3)).unwrap_or(1)),
        18 => Instruction::Sleep(Millis(chooser.span(1, 200))),
        19 => Instruction::Uid(u8::try_from(chooser.below(2)).unwrap_or(0)),
        20 => Instruction::Return,
        21 => Instruction::Goto(at),
        22 => Instruction::Either(vec![at, label(chooser)]),
        _ => Instruction::Exit(Some(u8::try_from(chooser.below(3)).unwrap_or(0))),
    }
}

fn script(chooser: &mut impl Chooser, library: &Library, freezes: &mut u8) -> Script {
    match chooser.below(6) {
        0 | 1 => (0..chooser.span(1, 3)).map(|_| Action::Send(signal(chooser))).collect(),
        2 => {
            let real_time = Signal::new(34 + u8::try_from(chooser.below(2)).unwrap_or(0));
            let real_time = real_time.unwrap_or(Signal::TERM);
            (0..chooser.span(1, 3)).map(|n| Action::Queue(real_time, u64::from(n))).collect()
        }
        3 => vec![Action::Exec(u8::try_from(chooser.below(library.programs.len())).unwrap_or(0))],
        4 if *freezes > 0 => {
            *freezes -= 1;
            let span = chooser.one_of(&[SHORTEST_FREEZE, 1000, 30_000]);
            vec![Action::Pause(Millis(span)), Action::Unpause]
        }
        4 => vec![Action::Press(chooser.one_of(&[Signal::INT, Signal::TSTP, Signal::QUIT]))],
        _ => stop(Signal::TERM, Millis(chooser.one_of(&[500, 10_000]))).to_vec(),
    }
}

/// What goes wrong, and after how many looks a storm begins, if sooner than usual.
fn faults(chooser: &mut impl Chooser) -> (Faults, Option<NonZeroU8>) {
    chooser.part(20);
    let some = |chooser: &mut dyn FnMut(usize) -> usize| {
        if chooser(4) == 3 { u8::try_from(1 + chooser(3)).unwrap_or(1) } else { 0 }
    };
    let mut dice = |n: usize| chooser.below(n);
    let numbers: [u8; 6] = std::array::from_fn(|_| some(&mut dice));
    let [chld, eintr, fork, hang, tracer, storm] = numbers;
    let faults = Faults {
        late: Millis([0, 0, 10, 199][dice(4)]),
        chld,
        eintr,
        fork,
        spawn: (dice(32) == 31).then(|| {
            [SpawnError::NotFound, SpawnError::NotExecutable, SpawnError::NoProcess][dice(3)]
        }),
        hang,
        tracer,
        lazy: dice(3) == 2,
        eperm: dice(6) == 5,
        stolen: u8::from(dice(12) == 11),
        inherited: dice(6) == 5,
        forgetful: storm == 2,
        early: dice(8) == 7,
    };
    (faults, NonZeroU8::new(storm.div_ceil(2)))
}

/// The circumstances of a random life of lastout, or of a mutant of it.
pub fn setting(chooser: &mut impl Chooser, kind: Kind) -> Setting {
    let library = library(chooser);
    let mut setting = Setting::new(policy(chooser), library);
    setting.who = Who::Init(kind);
    chooser.part(1);
    setting.main = u8::try_from(chooser.below(setting.library.programs.len())).unwrap_or(0);
    let (faults, storm) = faults(chooser);
    setting.faults = faults;
    if storm.is_some() {
        setting.policy.reaping.storm = storm;
    }
    chooser.part(6);
    setting.freezer = chooser.one_of(&[Freezer::V1, Freezer::V2]);
    setting.processes = u16::try_from(chooser.one_of(&[4, 8, 16, 64, 300])).unwrap_or(4);
    setting.halves = chooser.one_in(2);
    // One life in four is told the engine's time-out, and then nothing may be in its way but
    // what L4 allows: no freeze, and a machine that is not too busy for the plan.
    let told = chooser.one_in(4);
    let mut freezes = if told { 0 } else { 3 };
    let scripts = chooser.below(5);
    for at in 0..4 {
        // Its bytes are kept for one that is not there, too.
        chooser.part(8);
        if at < scripts {
            setting.engine.push(script(chooser, &setting.library, &mut freezes));
        }
    }
    chooser.part(2);
    if told {
        let timeout = Millis(chooser.one_of(&[400, 1000, 10_000, 30_000]));
        let wishes = Wishes { stop_timeout: Some(timeout), ..Wishes::default() };
        if let Ok(graces) = wishes.plan() {
            setting.policy.graces = graces;
            setting.stop_timeout = Some(timeout);
            // Five times in a life it may be late: when the signal is taken, and at the end of
            // each of the four graces; what the plan leaves unplanned is T/20.
            setting.faults.late = setting.faults.late.min(Millis(timeout.0 / 100 - 1));
            setting.engine.push(stop(Signal::TERM, timeout).to_vec());
        }
    } else if !chooser.one_in(4) {
        // Of a container that nobody stops, the end is seldom seen.
        setting.engine.push(stop(Signal::TERM, Millis(10_000)).to_vec());
    }
    setting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chooser::Random;

    #[test]
    fn a_life_that_is_cut_off_before_init_waits_breaks_no_law() {
        let setting = Setting::new(Policy::default(), workload::usual());
        let mut random = Random::new(1);
        let weights = Weights::draw(&mut random);
        for most in 0..4 {
            assert_eq!(live(&setting, &mut random, weights, most).broken, None, "{most} moves");
        }
    }
}
