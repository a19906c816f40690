//! The proof that a wrong machine is found out, by each law that is judged.

use super::*;

/// A machine's step, but for what is wrong with it.
fn but(init: &mut Init, policy: &Policy, event: Event, wrong: &str) -> Step {
    init.step(policy, event);
    wrong.parse().expect("a step")
}

/// The law that must be named, and a stepper that breaks it.
const WRONG: [(&str, Stepper); 13] = [
    ("S1", |init, policy, event| {
        let step = init.step(policy, event);
        match step.next {
            // A machine that leaves and says something else; the state cannot be reached.
            Request::Exit(143) => *init = exited_with(0),
            _ => return step,
        }
        Step { next: init.outstanding(), ..step }
    }),
    ("S2", |init, policy, event| {
        let dead = init.main_child();
        let step = init.step(policy, event);
        match (dead, event) {
            (Some(pid), Event::Reaped(child, _)) if pid == child && step.next == Request::Reap => {
                format!("kill {pid} CONT; reap").parse().expect("a step")
            }
            _ => step,
        }
    }),
    ("S2", |init, policy, event| {
        let dead = init.main_child();
        let step = init.step(policy, event);
        match (dead, init.main_child()) {
            (Some(pid), None) => {
                format!("foreground {pid}; {}", step.next).parse().expect("a step")
            }
            _ => step,
        }
    }),
    ("S2", |init, policy, event| match event {
        Event::Continued(_) => but(init, policy, event, "detach 42; reap"),
        _ => init.step(policy, event),
    }),
    ("S2", |init, policy, event| match event {
        // It takes the death of a stranger for that of the main child.
        Event::Reaped(pid, status) if init.main_child().is_some_and(|main| main != pid) => {
            init.step(policy, Event::Reaped(init.main_child().unwrap_or(pid), status))
        }
        _ => init.step(policy, event),
    }),
    ("S4", |init, policy, event| match event {
        Event::Signal { signal: Signal::INT, .. } if init.outstanding() == Request::Wait => {
            but(init, policy, event, "wait")
        }
        _ => init.step(policy, event),
    }),
    ("S4", |init, policy, event| {
        let (main, asked) = (init.main_child(), init.outstanding());
        let step = init.step(policy, event);
        match (main, event) {
            (Some(pid), Event::Signal { signal, .. })
                if asked == Request::Wait && signal != Signal::CHLD =>
            {
                let twice = format!("kill {pid} {signal}, kill {pid} {signal}; {}", step.next);
                twice.parse().expect("a step")
            }
            _ => step,
        }
    }),
    ("S5", |init, policy, event| match event {
        Event::Signal { signal: Signal::CHLD, .. } if init.outstanding() == Request::Wait => {
            but(init, policy, event, "kill all CHLD; reap")
        }
        _ => init.step(policy, event),
    }),
    ("S6", |init, policy, event| match init.outstanding() {
        Request::Exit(code) => but(init, policy, event, &format!("stop-self; exit {code}")),
        _ => init.step(policy, event),
    }),
    ("S7", |init, policy, event| match event {
        Event::Continued(_) => but(init, policy, event, "alarm 50ms, alarm 1ms; reap"),
        _ => init.step(policy, event),
    }),
    ("S9", |init, policy, event| {
        let other = Policy {
            role: if policy.role == Role::Pid1 { Role::Plain } else { Role::Pid1 },
            ..*policy
        };
        init.step(&other, event)
    }),
    ("it asks something else", |init, policy, event| Step {
        next: Request::Census,
        ..init.step(policy, event)
    }),
    ("a panic: unwrapped too much", |init, policy, event| {
        assert!(event != Event::Alone, "unwrapped too much");
        init.step(policy, event)
    }),
];

fn exited_with(code: u8) -> Init {
    let mut init = Init::start().0;
    let mut policy = Policy::default();
    policy.exit_map.set(OWN_FAILURE, code);
    policy.graces.drain = lastout_core::Millis::ZERO;
    let pid = Pid::new(7).expect("a pid");
    init.step(&policy, Event::Spawned(pid));
    init.step(&policy, Event::Reaped(pid, lastout_core::Status::Exited(OWN_FAILURE)));
    init
}

/// Bytes for the `nth` life: the same in every run.
fn bytes(nth: u64) -> Vec<u8> {
    let mut state = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..300).map(|_| byte()).collect()
}

#[test]
fn the_machine_keeps_the_laws_whatever_happens() {
    let ended = (0..2000).try_for_each(|nth| step(&bytes(nth)));
    assert_eq!(ended, Ok(()));
    assert_eq!(step(&[]), Ok(()), "no bytes are zeros");
}

#[test]
fn a_wrong_machine_is_found_out_and_told_in_the_notation() {
    for (at, (law, stepper)) in WRONG.into_iter().enumerate() {
        let verdicts = (0..2000).filter_map(|nth| step_with(stepper, &bytes(nth)).err());
        let named = verdicts.into_iter().find(|verdict| verdict.starts_with(law));
        let told = named.unwrap_or_else(|| panic!("number {at}: {law} is never found broken"));
        let mut lines = told.lines().skip(1);
        let policy = lines.next().map(str::parse::<Policy>);
        assert!(matches!(policy, Some(Ok(_))), "{told}");
        let last = lines.last().and_then(|line| line.split("->").next());
        assert!(last.is_some_and(|event| event.parse::<Event>().is_ok()), "{told}");
    }
}

/// Where only answers happen, the dialogue is a record; so it can be kept as a scenario.
#[test]
fn a_machine_that_does_something_else_than_the_real_one_does_not_replay() {
    let lazy: Stepper = |init, policy, event| match event {
        Event::Trapped(..) => but(init, policy, event, "reap"),
        _ => init.step(policy, event),
    };
    let verdicts = (0..2000).filter_map(|nth| step_with(lazy, &bytes(nth)).err());
    let found = verdicts.into_iter().find(|v| v.starts_with("it does not replay: line"));
    assert!(found.is_some());
}
