//! Programs and cues by chance.
//!
//! The programs are dense with what the rules of docs/kernel.md are about: few signals, so that
//! they meet handlers, masks and each other; short programs, so that many cues reach their ends.
//! Cues are numbers that become cues when it is known who is there, so that a shorter list is a
//! shorter play and everything shrinks.

use lastout_core::Signal;
use lastout_sim::kernel::Unhashed;
use lastout_sim::parity::Cue;
use lastout_sim::program::{Action, Instruction, Library, Program, Whom};
use lastout_tests::parity::Options;
use proptest::collection::vec;
use proptest::prelude::*;

/// The most who may ever be born in a play: a bomb of forks shows nothing new.
const MOST_BORN: usize = 10;

/// Programs, and numbers for cues.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    programs: Vec<Vec<Instruction>>,
    cues: Vec<(u8, u8, u8)>,
}

const fn signal(number: u8) -> Signal {
    Signal::new(number).unwrap()
}

/// Signals that programs have handlers for: no more than the simulator has room for.
const HANDLED: [Signal; 4] = [signal(10), Signal::TERM, Signal::CHLD, Signal::CONT];

/// All that are sent.
const SENT: [Signal; 16] = [
    signal(10),
    Signal::TERM,
    Signal::CHLD,
    Signal::CONT,
    Signal::STOP,
    Signal::TSTP,
    Signal::TTIN,
    Signal::KILL,
    Signal::HUP,
    Signal::INT,
    signal(3),
    Signal::WINCH,
    signal(31),
    signal(34),
    signal(40),
    signal(64),
];

/// What a process does wrong: SEGV, ILL, FPE.
const FAULTS: [Signal; 3] = [signal(11), signal(4), signal(8)];

fn any_signal() -> impl Strategy<Value = Signal> {
    prop_oneof![3 => prop::sample::select(&HANDLED[..]), 4 => prop::sample::select(&SENT[..])]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        Just(Whom::Myself),
        Just(Whom::Parent),
        Just(Whom::Init),
        Just(Whom::Child),
        Just(Whom::Group),
        Just(Whom::ChildGroup),
        Just(Whom::All),
    ]
}

fn action() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        (any_signal(), prop_oneof![Just(Action::Default), Just(Action::Ignore)])
            .prop_map(|(signal, action)| Instruction::On(signal, action)),
        (prop::sample::select(&HANDLED[..]), any::<u8>(), any::<bool>())
            .prop_map(|(signal, at, once)| Instruction::On(signal, Action::Goto { at, once })),
    ]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        6 => any::<u8>().prop_map(I::Fork),
        3 => any::<u8>().prop_map(I::Spawn),
        1 => any::<u8>().prop_map(I::Exec),
        1 => any::<u8>().prop_map(I::Daemon),
        10 => (whom(), any_signal()).prop_map(|(whom, signal)| I::Kill(whom, signal)),
        6 => action(),
        3 => any_signal().prop_map(I::Mask),
        2 => any_signal().prop_map(I::Unmask),
        4 => Just(I::Pause),
        2 => Just(I::Wait),
        2 => Just(I::Reap),
        3 => Just(I::Report),
        2 => any_signal().prop_map(I::Take),
        2 => Just(I::Setpgid),
        1 => Just(I::Setsid),
        1 => (0..3_u8).prop_map(I::Uid),
        1 => Just(I::Subreaper),
        1 => prop::sample::select(&FAULTS[..]).prop_map(I::Crash),
        2 => any::<u8>().prop_map(I::Goto),
        1 => (2..4_u8, any::<u8>()).prop_map(|(times, at)| I::Repeat(times, at)),
        1 => any::<u8>().prop_map(I::WhileChild),
        1 => vec(any::<u8>(), 1..3).prop_map(I::Either),
        3 => Just(I::Return),
        1 => (0..4_u8).prop_map(|code| I::Exit(Some(code))),
        1 => Just(I::Exit(None)),
    ]
}

/// Any draft.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    use Instruction as I;
    // Under a PID 1 that only reaps, the life of ordinary processes is longer.
    let quiet = vec![I::Spawn(1), I::Reap, I::Pause, I::Goto(1)];
    let free = vec(vec(instruction(), 2..14), 1..4);
    let below = vec(vec(instruction(), 2..14), 1..3).prop_map(move |mut programs| {
        programs.insert(0, quiet.clone());
        programs
    });
    let programs = prop_oneof![free, below];
    (programs, vec(any::<(u8, u8, u8)>(), 4..40))
        .prop_map(|(programs, cues)| Draft { programs, cues })
}

impl Draft {
    /// The programs: places and programs that are not there become some that are.
    pub(crate) fn library(&self) -> Library {
        let count = u8::try_from(self.programs.len()).expect("a few");
        let names = ["init", "first", "second"];
        let programs = self.programs.iter().zip(names).map(|(code, name)| {
            let length = u8::try_from(code.len()).expect("a few");
            let mut code = code.clone();
            for instruction in &mut code {
                match instruction {
                    Instruction::On(_, Action::Goto { at, .. })
                    | Instruction::Fork(at)
                    | Instruction::Goto(at)
                    | Instruction::Repeat(_, at)
                    | Instruction::WhileChild(at) => *at %= length,
                    Instruction::Either(places) => places.iter_mut().for_each(|at| *at %= length),
                    Instruction::Exec(program)
                    | Instruction::Spawn(program)
                    | Instruction::Daemon(program) => *program %= count,
                    _ => (),
                }
            }
            Program { name: name.into(), code, labels: Unhashed::default() }
        });
        Library { programs: programs.collect() }
    }

    /// The cue that the numbers mean, now that these are there; none: they mean nothing now.
    fn cue(&self, (kind, who, what): (u8, u8, u8), options: &Options) -> Option<Cue> {
        let pick = |from: &[u32]| (!from.is_empty()).then(|| from[usize::from(who) % from.len()]);
        let makes = |instruction: &Instruction| {
            use Instruction as I;
            matches!(instruction, I::Fork(_) | I::Spawn(_) | I::Daemon(_))
        };
        let full = options.born >= MOST_BORN;
        match kind {
            0..=199 => {
                let ready = options.at_gate.iter().filter(|(_, next)| !full || !makes(next));
                let ready: Vec<_> = ready.collect();
                let (who, next) = *ready.get(usize::from(who) % ready.len().max(1))?;
                let ways = if let Instruction::Either(places) = next { places.len() } else { 1 };
                Some(Cue::Step { who: *who, way: what % u8::try_from(ways).ok()? })
            }
            200..=235 => {
                let signal = SENT[usize::from(what) % SENT.len()];
                Some(Cue::Kill { who: pick(&options.alive)?, signal })
            }
            236..=245 if !full => {
                Some(Cue::Enter { program: what % u8::try_from(self.programs.len()).ok()? })
            }
            _ => Some(Cue::LetGo { who: pick(&options.held)? }),
        }
    }

    /// The cues one by one.
    pub(crate) fn next(&self) -> impl FnMut(&Options) -> Option<Cue> {
        let mut left = self.cues.iter();
        move |options| left.find_map(|&numbers| self.cue(numbers, options))
    }
}
