//! The laws S1 to S11 and L1 to L4, as far as they can be said about the machine alone: random
//! lives in a small consistent world ([`world`]), each judged by every law ([`law`]).
//!
//! What cannot be said here, because it is not the machine's doing:
//!
//! * S2: that a pid is not reaped behind our back by somebody else, and not given away between
//!   the machine's decision and the system call (it is not: only our reaping frees it, K37).
//! * S3: that the kernel leaves CHLD pending. Here the world does, and the machine must keep to
//!   its part: never to wait while a report is untaken that no CHLD announces.
//! * S4: that blocked signals are neither lost nor taken twice before the machine sees them, and
//!   that what is sent arrives.
//! * S7: that an alarm replaces the one before, in the kernel's timer.
//! * S9: that `getpid()` is 1 where the policy says so; and of "descendants", that the walk
//!   finds all of them. In this world both are everybody.
//! * S10: that `kill(-1)` is atomic against fork (K50), and that it is allowed at all (EPERM).
//! * S11: that the lateness of an alarm is measured rightly. A freeze too short to be told from
//!   a busy machine (less than TICK + FROZEN) is counted as time in which everybody could run.
//! * L2, L3: that an exit as PID 1 ends (K59), that the census sees everybody.
//! * L4: that the engine's clock and ours agree.
//!
//! Those come with a simulated kernel and on real ones.
//!
//! Every run is the same. `LASTOUT_SEED=7 PROPTEST_CASES=100000 cargo test -p lastout-tests
//! --test laws` looks further.

mod can_fail;
mod law;
mod trace;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::env;

use lastout_core::machine::FROZEN;
use lastout_core::step::MAX_EFFECTS;
use lastout_core::{
    Effect, Event, Forward, Graces, Init, Millis, Notice, Phase, Pid, Policy, Request, Role,
    Signal, SignalSet, SpawnError, Status, Wishes,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use law::{LAWS, Law};
use trace::{Moment, Trace};
use world::{Move, SHORTEST_FREEZE, Setting, Stepper, live};

/// Enough that each of [`SOMETIMES`] is seen many times, and all of it takes a few seconds.
const LIVES: u32 = 3000;

// ------------------------------------------------------------------------------ what is random

fn runner(cases: u32) -> TestRunner {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u32>().expect(name));
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("LASTOUT_SEED").unwrap_or(0).to_le_bytes());
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(cases),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn signal() -> impl Strategy<Value = Signal> {
    (1..=64_u8).prop_map(|number| Signal::new(number).unwrap())
}

/// What can be sent to us and taken: mostly what matters, and anything else.
fn taken() -> impl Strategy<Value = Signal> {
    let usual = [Signal::TERM, Signal::INT, Signal::USR1, Signal::CHLD, Signal::CONT];
    prop_oneof![
        3 => select(usual.to_vec()),
        1 => signal().prop_filter("cannot be taken", |signal| signal.can_be_taken()),
    ]
}

/// What an operator may set as the drain signal, or rewrite a signal to, without breaking a law
/// by his own will: KILL would kill unasked.
fn asking() -> impl Strategy<Value = Signal> {
    select(&[Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR2][..])
}

/// A grace of at most that many milliseconds; none rather often.
fn grace(most: u32) -> impl Strategy<Value = Millis> {
    prop_oneof![1 => Just(0), 7 => 1..=most].prop_map(Millis)
}

fn graces() -> impl Strategy<Value = Graces> {
    (option::of(grace(200)), grace(300), grace(150), grace(150))
        .prop_map(|(stop, drain, last_call, kill)| Graces { stop, drain, last_call, kill })
}

fn policy() -> impl Strategy<Value = Policy> {
    let roles = [Role::Pid1, Role::Pid1, Role::Subreaper, Role::Plain];
    let forwards = [Forward::Main, Forward::Main, Forward::Group, Forward::All];
    let stop_signals = vec(taken(), 0..3).prop_map(|signals| {
        let usual = SignalSet::EMPTY.with(Signal::TERM).with(Signal::INT);
        signals.into_iter().fold(usual, SignalSet::with)
    });
    let rewrites = vec((taken(), option::weighted(0.7, asking())), 0..3);
    let exits = vec((any::<u8>(), any::<u8>()), 0..3);
    let who = (select(roles.to_vec()), any::<bool>(), select(forwards.to_vec()));
    (who, stop_signals, rewrites, asking(), graces(), exits).prop_map(
        |((role, terminal, forward), stop_signals, rewrites, drain_signal, graces, exits)| {
            let mut policy = Policy {
                role,
                terminal,
                forward,
                stop_signals,
                drain_signal,
                graces,
                ..Policy::default()
            };
            for (from, to) in rewrites {
                policy.rewrites.set(from, to);
            }
            for (from, to) in exits {
                policy.exit_map.set(from, to);
            }
            policy
        },
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let errors = [SpawnError::NotFound, SpawnError::NotExecutable, SpawnError::NoProcess];
    let fails = prop_oneof![19 => Just(Ok(())), 1 => select(errors.to_vec()).prop_map(Err)];
    (policy(), fails, any::<bool>()).prop_map(|(policy, spawn, inherited)| Setting {
        spawn,
        inherited,
        ..Setting::of(&policy)
    })
}

/// A stop time-out is told, the engine does not freeze us, and the machine is not so busy that
/// the four graces' last ticks eat up what the plan leaves unplanned: T/20.
fn setting_with_stop_timeout() -> impl Strategy<Value = Setting> {
    (policy(), 100..30_000_u32).prop_map(|(mut policy, timeout)| {
        let stop_timeout = Some(Millis(timeout));
        let wishes = Wishes { stop_timeout, ..Wishes::default() };
        policy.graces = wishes.plan().unwrap();
        Setting {
            stop_timeout,
            busy: (timeout / 80).min(FROZEN.0 - 1),
            freezes: false,
            ..Setting::of(&policy)
        }
    })
}

/// A number as a source of smaller ones: much quicker than a strategy for each, and it shrinks
/// towards the first of each choice.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        let sides = u64::try_from(sides).unwrap();
        let number = self.0 % sides;
        self.0 /= sides;
        usize::try_from(number).unwrap()
    }

    fn span(&mut self, least: u32, most: u32) -> u32 {
        least + u32::try_from(self.below((most - least) as usize + 1)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn signal(&mut self) -> Signal {
        Signal::new(u8::try_from(self.span(1, 64)).unwrap()).unwrap()
    }

    fn status(&mut self) -> Status {
        match self.below(3) {
            0 => Status::Exited(u8::try_from(self.below(256)).unwrap()),
            1 => Status::Killed { signal: Signal::TERM, core: false },
            _ => Status::Killed { core: self.below(2) == 1, signal: self.signal() },
        }
    }

    fn value(&mut self) -> Option<u64> {
        (self.below(2) == 1).then_some(self.0)
    }

    fn r#move(&mut self) -> Move {
        let stops = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let usual = [Signal::TERM, Signal::INT, Signal::USR1, Signal::CHLD, Signal::CONT];
        match self.below(48) {
            0..24 => Move::Answer,
            24..28 => Move::Fork(self.below(8)),
            28 => Move::Enter,
            29..33 => Move::Die(self.below(8), self.status()),
            33 => Move::Stop(self.below(8), self.one_of(&stops)),
            34 => Move::Continue(self.below(8)),
            35 => Move::Trap(self.below(8), self.signal()),
            36 => Move::Sleep(self.below(8)),
            37 => Move::Steal,
            38..41 => Move::Send(self.one_of(&usual), self.value()),
            41 => match self.signal() {
                signal if signal.can_be_taken() => Move::Send(signal, self.value()),
                _ => Move::Answer,
            },
            42..47 => Move::Pass(self.span(1, 250)),
            _ => Move::Freeze(self.span(SHORTEST_FREEZE, 10_000)),
        }
    }

    /// Any event at all.
    fn event(&mut self) -> Event {
        let pid = Pid::new(self.span(2, 5)).unwrap();
        let errors = [SpawnError::NotFound, SpawnError::NotExecutable, SpawnError::NoProcess];
        let lates = [0, 1, 199, 200, u32::MAX];
        match self.below(16) {
            0..2 => Event::Spawned(pid),
            2 => Event::SpawnFailed(self.one_of(&errors)),
            3..5 => Event::Signal { signal: self.signal(), value: self.value() },
            5..8 => Event::Alarm { late: Millis(self.one_of(&lates)) },
            8 => Event::Reaped(pid, self.status()),
            9 => Event::Stopped(pid, self.signal()),
            10 => Event::Trapped(pid, self.signal()),
            11 => Event::Continued(pid),
            12 => Event::NoneReady,
            13 => Event::NoChildren,
            14 => Event::Alone,
            _ => Event::Company,
        }
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    vec(any::<u64>().prop_map(|number| Dice(number).r#move()), 1..120)
}

fn any_event() -> impl Strategy<Value = Event> {
    any::<u64>().prop_map(|number| Dice(number).event())
}

// ------------------------------------------------------------------------------ the properties

/// Lives such lives and judges each; calls `also` with it.
fn judge(
    step: Stepper,
    setting: impl Strategy<Value = Setting>,
    laws: &[Law],
    also: impl Fn(&Trace),
) -> Result<(), String> {
    let mut runner = runner(LIVES);
    let outcome = runner.run(&(setting, moves()), |(setting, moves)| {
        let trace = live(step, &setting, &moves);
        also(&trace);
        laws.iter().try_for_each(|law| law.judge(&trace)).map_err(TestCaseError::fail)
    });
    outcome.map_err(|error| error.to_string())
}

#[test]
fn the_machine_keeps_every_law_in_every_random_life() {
    let seen = RefCell::new(BTreeSet::new());
    let kept = judge(Init::step, setting(), LAWS, |trace| {
        seen.borrow_mut().extend(sometimes(trace));
    });
    assert!(kept.is_ok(), "{}", kept.unwrap_err());
    let unseen: Vec<_> = SOMETIMES.iter().filter(|what| !seen.borrow().contains(*what)).collect();
    assert!(unseen.is_empty(), "worthless: never seen: {unseen:?}");
}

#[test]
fn with_a_stop_timeout_told_all_is_over_before_the_engine_kills_l4() {
    let seen = RefCell::new(BTreeSet::new());
    let kept = judge(Init::step, setting_with_stop_timeout(), LAWS, |trace| {
        seen.borrow_mut().extend(sometimes(trace));
    });
    assert!(kept.is_ok(), "{}", kept.unwrap_err());
    for what in ["the stop grace over", "the kill grace over"] {
        assert!(seen.borrow().contains(what), "worthless: never seen: {what}");
    }
}

/// A policy that breaks laws by the operator's will, too.
fn any_policy() -> impl Strategy<Value = Policy> {
    let rewrites = vec((signal(), option::of(signal())), 0..5);
    (policy(), any::<u64>(), signal(), rewrites).prop_map(|(mut policy, stop, drain, rewrites)| {
        policy.stop_signals = SignalSet::from_bits(stop);
        policy.drain_signal = drain;
        for (from, to) in rewrites {
            policy.rewrites.set(from, to);
        }
        policy
    })
}

/// No panic, S6, S8; and the exit code is not lost once the main child was reaped.
#[test]
fn the_machine_survives_what_cannot_happen() {
    let outcome =
        runner(2 * LIVES).run(&(any_policy(), vec(any_event(), 1..80)), |(policy, events)| {
            let mut init = Init::start().0;
            let mut code = None;
            for event in events {
                let before = init;
                let step = init.step(&policy, event);
                prop_assert!(step.effects.iter().count() <= MAX_EFFECTS, "S8: {step}");
                prop_assert_eq!(step.next, init.outstanding());
                if before.phase() == Phase::Exited {
                    prop_assert_eq!(init, before, "S6: after the exit");
                    prop_assert!(step.effects.is_empty(), "S6: after the exit: {}", step);
                }
                if let Event::Reaped(pid, status) = event
                    && before.main_child() == Some(pid)
                    && before.phase() != Phase::Exited
                {
                    code = Some(policy.exit_map.apply(status));
                    prop_assert_eq!(init.main_child(), None, "S2: reaped");
                }
                let leaves = matches!(step.next, Request::Exit(_));
                prop_assert_eq!(leaves, init.phase() == Phase::Exited);
                if let (Request::Exit(with), Some(code)) = (step.next, code) {
                    prop_assert_eq!(with, code, "S1");
                }
            }
            Ok(())
        });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

// ---------------------------------------------------------------------------------- sometimes

/// A set of lives is worthless unless it saw these.
const SOMETIMES: [&str; 14] = [
    "a start that failed",
    "an orphan adopted",
    "two deaths under one CHLD",
    "a signal between death and reap",
    "a process born between the first asking and the last call",
    "escalation to KILL",
    "a main child that dies of the forwarded signal",
    "a main child that was lost",
    "a pid reused",
    "an entered process outliving the main child",
    "a thaw after the alarm was due",
    "the stop grace over",
    "the kill grace over",
    "a child traced by us",
];

fn sometimes(trace: &Trace) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let (mut main, mut reaped) = (None, false);
    let (mut draining, mut born, mut dead, mut deaths) = (false, false, false, 0);
    let mut sent = BTreeSet::new();
    for moment in &trace.moments {
        match moment {
            Moment::Born(_) => born |= draining,
            Moment::Gone(0) => dead = true,
            Moment::Did(did) => {
                match did.event {
                    Event::Spawned(pid) => main = Some(pid),
                    Event::SpawnFailed(_) => _ = seen.insert("a start that failed"),
                    Event::Signal { signal: Signal::CHLD, .. } => deaths = 0,
                    Event::Signal { signal, .. } => {
                        _ = sent.insert(signal);
                        if dead && !reaped {
                            seen.insert("a signal between death and reap");
                        }
                    }
                    Event::Alarm { late } if late >= FROZEN => {
                        _ = seen.insert("a thaw after the alarm was due");
                    }
                    Event::Reaped(pid, status) => {
                        deaths += 1;
                        if deaths == 2 {
                            seen.insert("two deaths under one CHLD");
                        }
                        if main == Some(pid) && reaped {
                            seen.insert("a pid reused");
                        }
                        if main == Some(pid) && !reaped {
                            reaped = true;
                            if let Status::Killed { signal, .. } = status
                                && sent.contains(&signal)
                            {
                                seen.insert("a main child that dies of the forwarded signal");
                            }
                        } else {
                            seen.insert("an orphan adopted");
                        }
                    }
                    Event::Trapped(..) => _ = seen.insert("a child traced by us"),
                    Event::Company => {
                        _ = seen.insert("an entered process outliving the main child");
                    }
                    _ => (),
                }
                for effect in &did.effects {
                    _ = match effect {
                        Effect::Say(Notice::StopGraceOver) => seen.insert("the stop grace over"),
                        Effect::Say(Notice::KillGraceOver) => seen.insert("the kill grace over"),
                        Effect::Say(Notice::Killing) => seen.insert("escalation to KILL"),
                        Effect::Say(Notice::MainLost) => seen.insert("a main child that was lost"),
                        Effect::Say(Notice::DrainGraceOver) if born => {
                            seen.insert("a process born between the first asking and the last call")
                        }
                        _ => false,
                    };
                }
                draining |= reaped || did.effects.contains(&Effect::Say(Notice::StopGraceOver));
            }
            _ => (),
        }
    }
    seen
}
