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
    /// The signals that this play is about.
    palette: [Signal; 4],
    /// Their signals are slots: see [`Draft::signal`].
    programs: Vec<Vec<Instruction>>,
    cues: Vec<(u8, u8, u8)>,
}

const fn signal(number: u8) -> Signal {
    Signal::new(number).unwrap()
}

/// Signals that have a lot to do with each other. Four: no process has room for more handlers in
/// the simulator.
const PALETTES: [[Signal; 4]; 9] = [
    [signal(10), Signal::TERM, Signal::CHLD, Signal::CONT],
    [Signal::TSTP, Signal::CONT, Signal::CHLD, Signal::HUP],
    [Signal::TSTP, Signal::TTIN, Signal::CONT, signal(10)],
    [Signal::TERM, Signal::CHLD, Signal::CONT, signal(34)],
    [signal(34), signal(40), Signal::TERM, signal(10)],
    [signal(11), signal(4), Signal::QUIT, Signal::TERM],
    [signal(8), signal(31), Signal::CHLD, Signal::TERM],
    [Signal::QUIT, signal(31), Signal::CHLD, signal(64)],
    [Signal::CHLD, Signal::WINCH, signal(22), Signal::INT],
];

/// All that are sent.
const SENT: [Signal; 20] = [
    signal(10),
    Signal::TERM,
    Signal::CHLD,
    Signal::CONT,
    Signal::STOP,
    Signal::TSTP,
    Signal::TTIN,
    signal(22),
    Signal::KILL,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::WINCH,
    signal(4),
    signal(8),
    signal(11),
    signal(31),
    signal(34),
    signal(40),
    signal(64),
];

/// What a process does wrong: SEGV, ILL, FPE.
const FAULTS: [Signal; 3] = [signal(11), signal(4), signal(8)];

/// The slot of CHLD.
const CHLD: u8 = 7;

/// A slot: one of the palette, or STOP or KILL.
fn any_signal() -> impl Strategy<Value = Signal> {
    prop_oneof![12 => (1..5_u8).prop_map(signal), 2 => Just(signal(5)), 1 => Just(signal(6))]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        2 => Just(Whom::Myself),
        1 => Just(Whom::Parent),
        1 => Just(Whom::Init),
        2 => Just(Whom::Child),
        1 => Just(Whom::Group),
        1 => Just(Whom::ChildGroup),
        1 => Just(Whom::All),
    ]
}

fn action() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        (any_signal(), prop_oneof![Just(Action::Default), Just(Action::Ignore)])
            .prop_map(|(signal, action)| Instruction::On(signal, action)),
        (any_signal(), any::<u8>(), any::<bool>())
            .prop_map(|(signal, at, once)| Instruction::On(signal, Action::Goto { at, once })),
    ]
}

fn kill() -> impl Strategy<Value = Instruction> {
    (whom(), any_signal()).prop_map(|(whom, signal)| Instruction::Kill(whom, signal))
}

fn fork() -> impl Strategy<Value = Instruction> {
    any::<u8>().prop_map(Instruction::Fork)
}

fn uid() -> impl Strategy<Value = Instruction> {
    (0..3_u8).prop_map(Instruction::Uid)
}

/// Which fault it is, is known with the palette.
fn crash() -> impl Strategy<Value = Instruction> {
    (1..5_u8).prop_map(|slot| Instruction::Crash(signal(slot)))
}

fn exit() -> impl Strategy<Value = Instruction> {
    (0..4_u8).prop_map(|code| Instruction::Exit(Some(code)))
}

/// Any instruction.
fn any_instruction() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        6 => fork(),
        3 => any::<u8>().prop_map(I::Spawn),
        1 => any::<u8>().prop_map(I::Exec),
        1 => any::<u8>().prop_map(I::Daemon),
        10 => kill(),
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
        1 => uid(),
        1 => Just(I::Subreaper),
        1 => crash(),
        2 => any::<u8>().prop_map(I::Goto),
        1 => (2..4_u8, any::<u8>()).prop_map(|(times, at)| I::Repeat(times, at)),
        1 => any::<u8>().prop_map(I::WhileChild),
        1 => vec(any::<u8>(), 1..3).prop_map(I::Either),
        3 => Just(I::Return),
        1 => exit(),
        1 => Just(I::Exit(None)),
    ]
}

/// One process, its mask, its dispositions and what is pending.
fn about_signals() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        4 => any_signal().prop_map(|signal| I::Kill(Whom::Myself, signal)),
        2 => kill(),
        5 => action(),
        4 => any_signal().prop_map(I::Mask),
        3 => any_signal().prop_map(I::Unmask),
        3 => any_signal().prop_map(I::Take),
        2 => Just(I::Pause),
        2 => Just(I::Return),
        1 => any::<u8>().prop_map(I::Exec),
        1 => fork(),
        1 => crash(),
    ]
}

/// Groups that are stopped and continued, and who hears of it.
fn about_jobs() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        5 => fork(),
        3 => Just(I::Setpgid),
        1 => Just(I::Setsid),
        5 => kill(),
        4 => Just(I::Report),
        1 => Just(I::Wait),
        3 => Just(I::Pause),
        2 => action(),
        2 => any_signal().prop_map(I::Mask),
        1 => exit(),
    ]
}

/// Parents, children, orphans and who adopts them.
fn about_families() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        6 => fork(),
        1 => any::<u8>().prop_map(I::Spawn),
        1 => any::<u8>().prop_map(I::Exec),
        1 => any::<u8>().prop_map(I::Daemon),
        2 => Just(I::Subreaper),
        2 => Just(I::Reap),
        2 => Just(I::Wait),
        2 => Just(I::Report),
        2 => Just(I::Pause),
        2 => action(),
        1 => any_signal().prop_map(I::Mask),
        1 => kill(),
        2 => exit(),
    ]
}

/// Who may signal whom.
fn about_users() -> impl Strategy<Value = Instruction> {
    use Instruction as I;
    prop_oneof![
        4 => fork(),
        3 => uid(),
        8 => kill(),
        1 => Just(I::Setpgid),
        1 => Just(I::Setsid),
        1 => Just(I::Pause),
        1 => exit(),
    ]
}

/// Instructions that show something together, and hardly ever come together by chance.
fn phrase() -> impl Strategy<Value = Vec<Instruction>> {
    use Instruction as I;
    let at = any::<u8>();
    let to = prop_oneof![
        1 => Just(Action::Default),
        1 => Just(Action::Ignore),
        2 => (at, any::<bool>()).prop_map(|(at, once)| Action::Goto { at, once }),
    ];
    let to_child = prop_oneof![
        2 => Just(Whom::Child),
        1 => Just(Whom::ChildGroup),
        1 => Just(Whom::Group),
        1 => Just(Whom::All),
    ];
    prop_oneof![
        // Pending and blocked, once or twice; and what is done about it.
        (any_signal(), 1..3_usize, to.clone(), 0..5_u8).prop_map(|(signal, times, to, end)| {
            let mut all = vec![I::Mask(signal)];
            all.extend((0..times).map(|_| I::Kill(Whom::Myself, signal)));
            match end {
                0 => all.push(I::Take(signal)),
                1 => all.push(I::Unmask(signal)),
                2 => all.push(I::Exec(signal.number())),
                _ => all.push(I::On(signal, to)),
            }
            all
        }),
        (any_signal(), to.clone()).prop_map(|(signal, to)| {
            vec![I::On(signal, to), I::Kill(Whom::Myself, signal), I::Return]
        }),
        (1..3_u8, to.clone(), any::<bool>()).prop_map(|(slot, to, blocks)| {
            let fault = signal(slot);
            let mut all = vec![I::On(fault, to), I::Crash(fault), I::Return];
            if blocks {
                all.insert(0, I::Mask(fault));
            }
            all
        }),
        // A child that is stopped, continued, killed, and asked about.
        (at, vec((to_child, any_signal()), 1..4), 0..3_usize).prop_map(|(at, kills, reports)| {
            let mut all = vec![I::Fork(at)];
            all.extend(kills.into_iter().map(|(whom, signal)| I::Kill(whom, signal)));
            all.extend((0..reports).map(|_| I::Report));
            all
        }),
        // A parent that has an opinion of CHLD, and its child.
        (at, to, any::<bool>(), 0..3_u8).prop_map(|(at, to, blocks, end)| {
            let mut all = vec![I::On(signal(CHLD), to), I::Fork(at)];
            if blocks {
                all.insert(0, I::Mask(signal(CHLD)));
            }
            all.push([I::Wait, I::Reap, I::Report][usize::from(end)].clone());
            all
        }),
        (at, at).prop_map(|(a, b)| vec![I::Subreaper, I::Fork(a), I::Fork(b)]),
        (at, any::<bool>()).prop_map(|(at, session)| {
            vec![if session { I::Setsid } else { I::Setpgid }, I::Fork(at)]
        }),
        (at, uid(), kill(), kill()).prop_map(|(at, uid, a, b)| vec![I::Fork(at), uid, a, b]),
    ]
}

/// A program: about something, and it stays at its end, begins anew, or leaves.
fn program() -> impl Strategy<Value = Vec<Instruction>> {
    use Instruction as I;
    let code = prop_oneof![
        2 => vec(any_instruction(), 2..14),
        1 => vec(about_signals(), 2..14),
        2 => vec(about_jobs(), 2..14),
        2 => vec(about_families(), 2..14),
        1 => vec(about_users(), 2..14),
        5 => vec(phrase(), 1..6).prop_map(|phrases| phrases.concat()),
    ];
    (code, 0..4_u8).prop_map(|(mut code, end)| {
        match end {
            0 => (),
            1 => code.push(I::Goto(0)),
            _ => {
                let here = u8::try_from(code.len()).expect("a few");
                code.extend([I::Pause, I::Goto(here)]);
            }
        }
        code
    })
}

/// Any draft.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    use Instruction as I;
    // Under a PID 1 that only reaps, the life of ordinary processes is longer.
    let quiet = vec![I::Spawn(1), I::Reap, I::Pause, I::Goto(1)];
    let free = vec(program(), 1..4);
    let below = vec(program(), 1..3).prop_map(move |mut programs| {
        programs.insert(0, quiet.clone());
        programs
    });
    let programs = prop_oneof![free, below];
    let palette = prop_oneof![
        3 => prop::sample::select(&PALETTES[..]),
        1 => prop::array::uniform4(prop::sample::select(&SENT[..])),
    ];
    (palette, programs, vec(any::<(u8, u8, u8)>(), 4..50))
        .prop_map(|(palette, programs, cues)| Draft { palette, programs, cues })
}

impl Draft {
    /// The signal of a slot: 1 to 4 are the palette's, 5 is STOP, 6 KILL, 7 CHLD.
    fn signal(&self, slot: Signal) -> Signal {
        match slot.number() {
            5 => Signal::STOP,
            6 => Signal::KILL,
            CHLD => Signal::CHLD,
            number => self.palette[usize::from(number - 1) % self.palette.len()],
        }
    }

    /// What goes wrong: if the palette has faults, one of them.
    fn fault(&self, slot: Signal) -> Signal {
        let mut faults: Vec<_> = self.palette.into_iter().filter(|s| FAULTS.contains(s)).collect();
        if faults.is_empty() {
            faults.extend(FAULTS);
        }
        faults[usize::from(slot.number() - 1) % faults.len()]
    }

    /// The programs: places and programs that are not there become some that are.
    pub(crate) fn library(&self) -> Library {
        let count = u8::try_from(self.programs.len()).expect("a few");
        let names = ["init", "first", "second"];
        let programs = self.programs.iter().zip(names).map(|(code, name)| {
            let length = u8::try_from(code.len()).expect("a few");
            let mut code = code.clone();
            for instruction in &mut code {
                match instruction {
                    Instruction::On(signal, _)
                    | Instruction::Mask(signal)
                    | Instruction::Unmask(signal)
                    | Instruction::Take(signal)
                    | Instruction::Kill(_, signal) => *signal = self.signal(*signal),
                    Instruction::Crash(fault) => *fault = self.fault(*fault),
                    _ => (),
                }
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
    /// `last`: who had the one before.
    fn cue(&self, numbers: (u8, u8, u8), options: &Options, last: u32) -> Option<Cue> {
        let (kind, who, what) = numbers;
        let pick = |from: &[u32]| (!from.is_empty()).then(|| from[usize::from(who) % from.len()]);
        let makes = |instruction: &Instruction| {
            use Instruction as I;
            matches!(instruction, I::Fork(_) | I::Spawn(_) | I::Daemon(_))
        };
        let full = options.born >= MOST_BORN;
        match kind {
            0..=179 => {
                let ready = options.at_gate.iter().filter(|(_, next)| !full || !makes(next));
                let ready: Vec<_> = ready.collect();
                // One who goes on alone gets further.
                let again = ready.iter().find(|(number, _)| *number == last && kind < 90);
                let (who, next) = again.or(ready.get(usize::from(who) % ready.len().max(1)))?;
                let ways = if let Instruction::Either(places) = next { places.len() } else { 1 };
                Some(Cue::Step { who: *who, way: what % u8::try_from(ways).ok()? })
            }
            180..=235 => {
                let signal = match what % 16 {
                    0 => Signal::KILL,
                    1 | 2 => Signal::STOP,
                    3..=5 => Signal::CONT,
                    slot => self.palette[usize::from(slot) % self.palette.len()],
                };
                // What comes to who is stopped meets there.
                let stopped = pick(&options.stopped).filter(|_| kind >= 205);
                Some(Cue::Kill { who: stopped.or_else(|| pick(&options.alive))?, signal })
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
        let mut last = 0;
        move |options| {
            let cue = left.find_map(|&numbers| self.cue(numbers, options, last))?;
            if let Cue::Step { who, .. } = cue {
                last = who;
            }
            Some(cue)
        }
    }
}
