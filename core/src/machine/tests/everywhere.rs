//! What holds in every phase, at every request, under every event, possible or not.

use super::*;

pub(super) const EVENTS: [&str; 26] = [
    "spawned 8",
    "spawn-failed not-found",
    "signal TERM",
    "signal CHLD",
    "signal CHLD from 7",
    "signal CHLD from 8",
    "settled",
    "signal USR1",
    "signal RTMIN+3 value 5",
    "alarm",
    "alarm late 199ms",
    "alarm late 1m",
    "reaped 7 exit 77",
    "reaped 7 signal SEGV core",
    "reaped 8 exit 88",
    "proven 7 exit 66",
    "proven 8 exit 88",
    "stopped 7 TSTP",
    "stopped 8 STOP",
    "trapped 7 TRAP",
    "trapped 8 USR1",
    "continued 7",
    "none-ready",
    "no-children",
    "alone",
    "company",
];

const WORDS: [&str; 9] = [
    SHORT,
    "stop-grace=10ms terminal forward=group",
    "stop-grace=10ms drain-grace=0 kill-grace=0 terminal",
    "stop-grace=10ms drain-grace=10ms last-call=0 kill-grace=0 forward=all",
    "role=subreaper terminal stop-grace=10ms drain-grace=10ms",
    "storm=1 stop-grace=10ms",
    "storm=1 terminal stop-grace=10ms drain-grace=0 forward=group",
    "storm=1 role=subreaper drain-grace=10ms",
    "role=plain terminal drain-grace=1ms rewrite=TERM:0",
];

/// Every state that some five events, possible or not, lead to.
fn everywhere(mut visit: impl FnMut(&Life)) {
    for words in WORDS {
        let mut lives = Vec::from([Life::begins(words)]);
        for _ in 0..5 {
            let mut more = Vec::new();
            for life in &lives {
                for event in EVENTS {
                    let mut next = *life;
                    next.does(event);
                    if !more.iter().any(|other: &Life| other.init == next.init) {
                        more.push(next);
                    }
                }
            }
            more.iter().for_each(&mut visit);
            lives = more;
        }
    }
}

#[test]
fn each_step_is_small_and_sets_one_alarm_at_most_s7_s8() {
    everywhere(|life| {
        for event in EVENTS {
            let mut life = *life;
            let step = life.does(event);
            let alarms = step.effects.iter().filter(|e| matches!(e, Effect::SetAlarm(_)));
            assert!(alarms.count() <= 1 && step.effects.iter().count() <= 5, "{event}: {step}");
        }
    });
}

#[test]
fn an_alarm_runs_in_the_phases_that_have_a_grace_and_never_longer_than_a_tick() {
    everywhere(|life| {
        let idle = [Phase::Starting, Phase::Running, Phase::Exited];
        if idle.contains(&life.init.phase()) {
            assert_eq!(life.init.left(), Millis::ZERO, "{:?}", life.init);
        } else {
            assert!(!life.init.left().is_zero(), "{:?}", life.init);
        }
    });
}

#[test]
fn only_pid_1_signals_all_and_only_others_walk_their_descendants_s9() {
    everywhere(|life| {
        for event in EVENTS {
            let step = { *life }.does(event).to_string();
            let (all, walk) = (step.contains(" all "), step.contains(" descendants "));
            match life.policy.role {
                Role::Pid1 => assert!(!walk, "{step}"),
                Role::Subreaper | Role::Plain => assert!(!all, "{step}"),
            }
        }
    });
}

#[test]
fn an_exit_code_once_decided_is_kept_s1() {
    everywhere(|life| {
        let Main::Reaped { code } = life.init.main else {
            return;
        };
        for event in EVENTS {
            let mut life = *life;
            let step = life.does(event);
            assert_eq!(life.init.main, Main::Reaped { code }, "{event}");
            if let Request::Exit(with) = step.next {
                assert_eq!(with, code, "{event}");
            }
        }
    });
}

#[test]
fn the_machine_asks_to_leave_when_it_has_exited_and_only_then() {
    everywhere(|life| {
        let leaves = matches!(life.init.outstanding(), Request::Exit(_));
        assert_eq!(leaves, life.init.phase() == Phase::Exited, "{:?}", life.init);
    });
}
