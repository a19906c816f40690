//! The proof that each law can be broken, and that it is noticed: by a life that is wrong, and
//! by a machine that is.

use std::collections::BTreeSet;

use lastout_core::{Event, Millis, Policy, Step};

use crate::law::{LAWS, Law};
use crate::trace::Trace;
use crate::world::Stepper;
use crate::{judge, setting};

fn law(number: &str) -> &'static Law {
    LAWS.iter().find(|law| law.number == number).unwrap()
}

/// A right life: nothing in it is to be complained of.
const RIGHT: (&str, &str) = (
    "drain-grace=100ms last-call=50ms kill-grace=50ms",
    "+ 0
     spawned 2 -> reap
     none-ready -> wait
     + 1
     signal TERM -> kill 2 TERM; wait
     - 0
     ready
     ready
     signal CHLD -> reap
     reaped 2 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
     reaped 4 exit 0 -> reap
     none-ready -> wait
     passed 50ms
     alarm -> alarm 50ms; wait
     + 2
     frozen 10s
     alarm late 10s -> alarm 50ms; wait
     passed 50ms
     alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap
     none-ready -> wait
     passed 50ms
     alarm -> say killing, kill all KILL, alarm 50ms; reap
     - 1
     - 2
     ready
     ready
     reaped 2 signal KILL -> reap
     reaped 3 signal KILL -> reap
     no-children -> census
     alone -> exit 3
     alarm -> exit 3",
);

/// Each law, a policy, and a life that breaks it.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "S1",
        "drain-grace=0",
        "spawned 2 -> reap
         reaped 2 exit 3 -> exit 0",
    ),
    (
        "S1",
        "drain-grace=0 remap-exit=3:4",
        "spawned 2 -> reap
         reaped 2 exit 3 -> exit 3",
    ),
    ("S1", "", "spawn-failed not-found -> exit 126"),
    (
        "S1",
        "",
        "spawned 2 -> reap
         none-ready -> exit 137",
    ),
    (
        "S1",
        "",
        "spawned 2 -> reap
         reaped 2 exit 3 -> reap
         reaped 2 exit 9 -> exit 9",
    ),
    (
        "S2",
        "",
        "spawned 2 -> reap
         reaped 2 exit 3 -> kill 2 CONT; reap",
    ),
    (
        "S2",
        "",
        "spawned 2 -> reap
         reaped 2 exit 3 -> reap
         stopped 2 TSTP -> kill group 2 CONT; reap",
    ),
    (
        "S2",
        "",
        "spawned 2 -> reap
         reaped 3 exit 3 -> detach 3; reap",
    ),
    (
        "S2",
        "",
        "spawned 2 -> reap
         no-children -> foreground 2; reap",
    ),
    (
        "S3",
        "",
        "ready
         signal CHLD -> wait",
    ),
    (
        "S3",
        "",
        "ready unheard
         spawned 2 -> wait",
    ),
    (
        "S3",
        "",
        "ready
         ready
         signal CHLD -> reap
         reaped 3 exit 0 -> wait",
    ),
    (
        "S4",
        "",
        "spawned 2 -> reap
         signal HUP -> wait",
    ),
    (
        "S4",
        "",
        "spawned 2 -> reap
         signal HUP -> kill 2 HUP, kill 2 HUP; wait",
    ),
    (
        "S4",
        "",
        "spawned 2 -> reap
         signal RTMIN value 5 -> kill 2 RTMIN; wait",
    ),
    (
        "S4",
        "rewrite=HUP:0",
        "spawned 2 -> reap
         signal HUP -> kill 2 HUP; wait",
    ),
    (
        "S4",
        "forward=group",
        "spawned 2 -> reap
         signal HUP -> kill 2 HUP; wait",
    ),
    (
        "S4",
        "",
        "spawned 2 -> reap
         signal TERM -> kill 2 TERM; wait
         alarm -> kill 2 TERM; wait",
    ),
    ("S5", "", "signal CHLD -> kill 2 USR1; reap"),
    ("S5", "", "signal USR1 -> kill 2 CHLD; wait"),
    (
        "S6",
        "",
        "spawn-failed not-found -> exit 127
         signal TERM -> kill all TERM; exit 127",
    ),
    (
        "S6",
        "",
        "spawn-failed not-found -> exit 127
         alarm -> exit 0",
    ),
    (
        "S6",
        "",
        "spawn-failed not-found -> exit 127
         alarm -> reap",
    ),
    ("S7", "", "spawned 2 -> alarm 50ms; reap"),
    ("S7", "", "reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms, alarm 5s; reap"),
    ("S8", "", "none-ready -> stop-self, stop-self, stop-self, stop-self, stop-self; wait"),
    ("S9", "role=subreaper", "signal TERM -> kill all TERM; wait"),
    ("S9", "role=plain", "alarm -> kill all KILL; wait"),
    ("S9", "role=pid1", "alarm -> kill descendants KILL; wait"),
    (
        "S10",
        "",
        "+ 0
         spawned 2 -> reap
         alarm -> kill all KILL; wait",
    ),
    (
        "S10",
        "",
        "+ 0
         spawned 2 -> reap
         reaped 2 exit 0 -> kill all TERM, alarm 50ms; reap
         alarm -> say drain-grace-over, kill all TERM, alarm 50ms; reap
         alarm -> say killing, kill all KILL; reap",
    ),
    (
        "S10",
        "",
        "+ 0
         spawned 2 -> reap
         - 0
         reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
         + 1
         alarm -> say drain-grace-over, say killing, kill all KILL; reap",
    ),
    (
        "S10",
        "",
        "+ 0
         spawned 2 -> reap
         + 1
         - 0
         reaped 2 exit 0 -> exit 0",
    ),
    (
        "S11",
        "drain-grace=100ms",
        "+ 0
         spawned 2 -> reap
         reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
         passed 99ms
         alarm -> say killing, kill all KILL; reap",
    ),
    (
        "S11",
        "drain-grace=100ms last-call=0",
        "+ 0
         spawned 2 -> reap
         reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
         passed 50ms
         frozen 50ms
         alarm -> say killing, kill all KILL; reap",
    ),
    (
        "S11",
        "drain-grace=100ms last-call=50ms",
        "+ 0
         spawned 2 -> reap
         reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
         passed 200ms
         alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap
         passed 49ms
         alarm -> say killing, kill all KILL; reap",
    ),
    (
        "L1",
        "",
        "spawned 2 -> wait
         no-way-out",
    ),
    (
        "L2",
        "drain-grace=100ms last-call=100ms kill-grace=100ms",
        "spawned 2 -> reap
         reaped 2 exit 0 -> kill all TERM, kill all CONT; reap
         none-ready -> wait
         passed 901ms
         alone -> exit 0",
    ),
    (
        "L3",
        "",
        "+ 0
         spawned 2 -> reap
         + 1
         - 0
         reaped 2 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
         no-children -> exit 0",
    ),
    (
        "L4",
        "",
        "spawned 2 -> reap
         signal TERM -> kill 2 TERM, alarm 50ms; wait
         passed 9s
         frozen 1001ms
         signal CHLD -> reap",
    ),
];

fn trace(words: &str, text: &str) -> Trace {
    Trace { stop_timeout: Some(Millis(10_000)), ..Trace::of(words, text) }
}

#[test]
fn of_a_right_life_no_law_complains() {
    let mut right = trace(RIGHT.0, RIGHT.1);
    right.stop_timeout = None;
    for law in LAWS {
        assert_eq!(law.judge(&right), Ok(()));
    }
}

#[test]
fn each_law_complains_of_a_life_that_breaks_it() {
    for (number, words, text) in WRONG {
        let law = law(number);
        let Err(complaint) = law.judge(&trace(words, text)) else {
            panic!("{number} does not complain of\n{text}");
        };
        assert!(
            complaint.starts_with(&format!("{number} ({})", law.sentence))
                && complaint.contains("=> "),
            "{complaint}"
        );
    }
    let all: BTreeSet<_> = LAWS.iter().map(|law| law.number).collect();
    let wrong: BTreeSet<_> = WRONG.iter().map(|(number, ..)| *number).collect();
    assert_eq!(all, wrong, "a law that was never broken");
}

/// What the right machine does, with something replaced.
fn instead(step: Step, from: &str, to: &str) -> Step {
    let text = step.to_string().replace(from, to);
    text.trim_start_matches(", ").parse().unwrap()
}

/// Wrong machines, and the law that finds each out.
const MACHINES: &[(&str, &str, Stepper)] = &[
    ("S1", "is always successful", |init, policy, event| {
        instead(init.step(policy, event), "exit 143", "exit 0")
    }),
    ("S3", "waits after each reaping", |init, policy, event| {
        let step = init.step(policy, event);
        if matches!(event, Event::Reaped(..)) && step.effects.is_empty() {
            instead(step, "reap", "wait")
        } else {
            step
        }
    }),
    ("S3", "does not look for the inherited", |init, policy, event| {
        let step = init.step(policy, event);
        if matches!(event, Event::Spawned(_)) { instead(step, "reap", "wait") } else { step }
    }),
    ("S4", "sends no USR1", |init, policy, event| {
        let step = init.step(policy, event);
        match event {
            Event::Signal { .. } => instead(step, "USR1", "USR2"),
            _ => step,
        }
    }),
    ("S10", "asks without CONT", |init, policy, event| {
        instead(init.step(policy, event), ", kill all CONT", "")
    }),
    ("S10", "has no last call", |init, policy, event| {
        let step = init.step(policy, event);
        instead(step, "say drain-grace-over, kill all TERM, kill all CONT", "say drain-grace-over")
    }),
    ("S11", "has half the patience", |init, policy, event| {
        let mut hasty: Policy = *policy;
        hasty.graces.drain = Millis(policy.graces.drain.0.div_ceil(2));
        init.step(&hasty, event)
    }),
    ("S11", "counts frozen time", |init, policy, event| match event {
        Event::Alarm { late } => {
            let late = late.min(Millis(199));
            init.step(policy, Event::Alarm { late })
        }
        _ => init.step(policy, event),
    }),
    ("L1", "stays when the main child is lost", |init, policy, event| {
        if event == Event::NoChildren && init.main_child().is_some() {
            return "wait".parse().unwrap();
        }
        init.step(policy, event)
    }),
    ("L1", "is deaf", |init, policy, event| match event {
        Event::Signal { .. } => "wait".parse().unwrap(),
        _ => init.step(policy, event),
    }),
    ("L2", "arms no alarm while killing", |init, policy, event| {
        instead(init.step(policy, event), "kill all KILL, alarm 50ms", "kill all KILL")
    }),
    ("L3", "overlooks who entered", |init, policy, event| {
        let step = init.step(policy, event);
        match event {
            Event::NoChildren if init.main_child().is_none() => instead(step, "census", "exit 0"),
            _ => step,
        }
    }),
];

#[test]
fn random_lives_find_out_machines_that_are_wrong() {
    for &(number, what, step) in MACHINES {
        let laws = std::slice::from_ref(law(number));
        let Err(complaint) = judge(step, setting(), laws, |_| ()) else {
            panic!("{number} does not find out a machine that {what}");
        };
        assert!(complaint.contains(&format!("{number} (")), "{what}: {complaint}");
    }
}
