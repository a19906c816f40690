//! The machine, phase by phase: a file each, and one for each thing that runs through several.
//!
//! A life is told in the notation, a line per step: `EVENT -> STEP`. The event must be an answer
//! to what was asked last; a `!` before it says that it is none, and is sent all the same, as a
//! fuzzer would. 7 is the main child, 8 and up are orphans. Each test begins where its phase
//! does: [`running`], [`stopping`] and so on lead there, and are tests of the way themselves.

use super::*;
use std::format;
use std::string::ToString;
use std::vec::Vec;

mod clock;
mod draining;
mod everywhere;
mod exited;
mod forwarding;
mod job_control;
mod killing;
mod last_call;
mod running;
mod starting;
mod stopping;
mod storm;

/// Graces that end in the midst of a tick, and are told apart by their length.
const SHORT: &str = "stop-grace=120ms drain-grace=110ms last-call=60ms kill-grace=70ms";

/// An init and what it was made for.
#[derive(Clone, Copy)]
struct Life {
    policy: Policy,
    init: Init,
}

impl Life {
    /// A life under the default policy, changed by `words` of a policy line.
    #[track_caller]
    fn begins(words: &str) -> Self {
        let policy = format!("# lastout 1 {words}").parse().unwrap();
        let (init, request) = Init::start();
        assert_eq!((init.phase(), request), (Phase::Starting, Request::Spawn));
        Self { policy, init }
    }

    /// What the machine does about an event, which may be an impossible one.
    fn does(&mut self, event: &str) -> Step {
        self.init.step(&self.policy, event.parse().unwrap())
    }

    /// The life as `text` tells it.
    #[track_caller]
    fn goes(mut self, text: &str) -> Self {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (event, expected) = line.split_once("->").unwrap();
            let impossible = event.starts_with('!');
            let event = event.trim_start_matches('!').trim();
            let asked = self.init.outstanding();
            assert_ne!(
                asked.admits(event.parse().unwrap()),
                impossible,
                "{line:?}: after \"{asked}\""
            );
            let step = self.does(event);
            assert_eq!(step.to_string(), expected.trim(), "{line:?}");
            assert_eq!(step.next, self.init.outstanding(), "{line:?}");
        }
        self
    }

    /// Each of these, impossible here, changes nothing and is asked again.
    #[track_caller]
    fn shrugs_at(self, events: &[&str]) -> Self {
        for event in events {
            let mut life = self;
            let step = life.does(event);
            let (next, before) = (step.next, self.init.outstanding());
            assert!(step.effects.is_empty() && next == before, "{event}: {step}");
            assert_eq!(life.init, self.init, "{event}");
        }
        self
    }

    /// It is in that phase, with so many milliseconds left of its grace.
    #[track_caller]
    fn is_in(self, phase: Phase, left: u32) -> Self {
        let is = (self.init.phase(), self.init.left());
        assert_eq!(is, (phase, Millis(left)));
        self
    }
}

/// Running and idle, under the default policy changed by `words`.
#[track_caller]
fn running(words: &str) -> Life {
    Life::begins(words)
        .goes(
            "spawned 7 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Running, 0)
}

/// TERM came; 120 ms of stop grace.
#[track_caller]
fn stopping(words: &str) -> Life {
    running(&format!("{SHORT} {words}"))
        .goes("signal TERM -> kill 7 TERM, alarm 50ms; wait")
        .is_in(Phase::Stopping, 120)
}

/// The main child exited with 3, others are left; 110 ms of drain grace.
#[track_caller]
fn draining(words: &str) -> Life {
    running(&format!("{SHORT} {words}"))
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait",
        )
        .is_in(Phase::Draining, 110)
}

/// The main child overslept its stop grace; 110 ms of drain grace.
#[track_caller]
fn draining_with_main_child(words: &str) -> Life {
    stopping(words)
        .goes(
            "alarm -> alarm 50ms; wait
             alarm -> alarm 20ms; wait
             alarm -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait",
        )
        .is_in(Phase::Draining, 110)
}

/// From Draining to the last call: 60 ms of it.
#[track_caller]
fn last_call_after(draining: &Life) -> Life {
    draining
        .goes(
            "alarm -> alarm 50ms; wait
             alarm -> alarm 10ms; wait
             alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait",
        )
        .is_in(Phase::LastCall, 60)
}

/// From the last call to the killing: 70 ms of kill grace.
#[track_caller]
fn killing_after(last_call: &Life) -> Life {
    last_call
        .goes(
            "alarm -> alarm 10ms; wait
             alarm -> say killing, kill all KILL, alarm 50ms; reap
             none-ready -> wait",
        )
        .is_in(Phase::Killing, 70)
}
