//! Rules that need a program or the world around the kernel: `execute` and `world`. Those of
//! shells (part J) and of fork and wait are there because a script sees them.

use lastout_core::{Millis, Policy};

use super::*;
use crate::program::parse as programs;
use crate::scenario::{check, parse};
use crate::setting::Setting;
use crate::world::{Choice, World};

/// Programs that others start.
const OTHERS: &str = "program child\n exit 9\n\
                      program sleeper\n sleep 1s; exit 9\n\
                      program worker\n on TERM goto save\n idle: pause; goto idle\n\
                      save: sleep 1s; exit 42\n";

fn expect(setting: &str, program: &str, expected: &str) {
    let text = format!(
        "# lastout-world 1\ninit program app\n{setting}\nprompt\nprogram app\n{program}\n{OTHERS}\
         expect {expected}\n"
    );
    let checked = check(&parse(&text).unwrap());
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}

/// A program as an ordinary process, to which the engine does this.
fn process(engine: &str, program: &str, expected: &str) {
    expect(&format!("policy role=plain\nengine {engine}"), program, expected);
}

/// A program that is PID 1.
fn pid_1(program: &str, expected: &str) {
    expect("policy role=pid1\nengine settle", program, expected);
}

/// K12.
#[test]
fn a_fault_kills_even_a_pid_1_that_blocks_or_ignores_it() {
    pid_1("crash SEGV", "exit 139");
    pid_1("on SEGV ignore; crash SEGV; exit 1", "exit 139");
    pid_1("on SEGV goto end; mask SEGV; crash SEGV\n end: exit 1", "exit 139");
}

/// K12.
#[test]
fn a_fault_with_a_handler_runs_it_and_comes_again_when_it_returns() {
    let handler = "crash SEGV; exit 1\n end: say fault; return";
    for run in [pid_1, |program: &str, expected: &str| process("settle", program, expected)] {
        run(&format!("on SEGV goto end once; {handler}"), "app says fault");
        run(&format!("on SEGV goto end once; {handler}"), "exit 139");
        run("on SEGV goto end; crash SEGV; exit 1\n end: exit 7", "exit 7");
    }
}

/// K17.
#[test]
fn after_default_ignore_and_catch_a_term_to_itself_kills_all_but_pid_1() {
    let puzzle = "on TERM ignore; kill self TERM; say 1; on TERM goto end; kill self TERM; say 2\n\
                  kill self TERM; say 3; exit 0\n end: on TERM default; say handler; return";
    process("settle", puzzle, "exit 143");
    process("settle", puzzle, "app says 1 handler 2");
    pid_1(puzzle, "exit 0");
    pid_1(puzzle, "app says 1 handler 2 3");
}

/// K19.
#[test]
fn a_forked_child_keeps_the_handlers_wherever_it_goes_on_and_a_program_of_its_own_does_not() {
    let app = |how: &str| {
        format!(
            "start: sleep 1s; on TERM goto end; {how}; kill child TERM; wait; exit status\n\
             end: exit 5"
        )
    };
    process("settle", &app("fork start"), "exit 5");
    process("settle", &app("spawn sleeper"), "exit 143");
}

/// K22.
#[test]
fn of_several_handlers_the_one_delivered_last_runs_first() {
    let app = "on TERM goto term; on CONT goto cont\n idle: pause; goto idle\n\
               term: say term; return\n cont: say cont; return";
    for order in ["TERM, send CONT", "CONT, send TERM"] {
        let stopped = format!("settle, send STOP, settle, send {order}");
        let expected = if order.starts_with("TERM") {
            "app says cont term"
        } else {
            "sometimes app says cont term"
        };
        process(&stopped, app, expected);
    }
}

/// K42.
#[test]
fn a_zombie_counts_against_the_limit_on_processes_until_it_is_reaped() {
    let two = "policy role=pid1\nprocesses 2\nengine settle";
    let app = "mask CHLD; spawn child; take CHLD;";
    expect(two, &format!("{app} spawn child; exit status"), "exit 1");
    expect(two, &format!("{app} wait; spawn child; exit status"), "exit 0");
}

/// K83.
#[test]
fn a_shell_starts_what_runs_in_the_background_with_int_and_quit_ignored() {
    for (start, signal, code) in [
        ("background", "INT", 9),
        ("background", "QUIT", 9),
        ("background", "TERM", 143),
        ("spawn", "INT", 130),
    ] {
        let app = format!("{start} sleeper; kill child {signal}; wait; exit status");
        process("settle", &app, &format!("exit {code}"));
    }
}

/// K84, K85.
#[test]
fn a_second_wait_gives_the_true_status_unless_a_second_term_cuts_it_short_too() {
    let app = "trap TERM goto end; background worker; wait; wait; exit status\n\
               end: kill child TERM; return";
    process("settle, send TERM", app, "exit 42");
    process("settle, send TERM, settle, send TERM", app, "exit 143");
    let around = "trap TERM goto end; background worker\n again: wait; while-child again\n\
                  exit status\n end: kill child TERM; return";
    process("settle, send TERM, settle, send TERM", around, "exit 42");
}

/// K90.
#[test]
fn the_exit_code_of_a_child_is_its_own_or_128_and_the_signal_and_of_a_stranger_127() {
    process("settle", "spawn child; wait; exit status", "exit 9");
    process("settle", "spawn sleeper; kill child RTMIN; wait; exit status", "exit 162");
    process("settle", "wait; exit status", "exit 127");
}

/// K97.
#[test]
fn the_clock_runs_on_while_frozen_and_while_stopped() {
    let app = "sleep 200ms; exit 3";
    process("settle, pause 600ms, unpause, settle, send TERM", app, "exit 3");
    process("settle, pause 100ms, unpause, settle, send TERM", app, "exit 143");
    process("settle, send STOP, wait 600ms, send CONT, settle, send TERM", app, "exit 3");
}

/// K98.
#[test]
fn a_sleep_goes_on_after_a_stop_and_a_continuation() {
    let app = "on CONT goto end; sleep 1s; say slept; exit 3\n end: say cont; return";
    let app = [app, "sleep 1s; say slept; exit 3"];
    let engine = "settle, send STOP, settle, send CONT, wait 500ms, kill";
    process(engine, app[0], "app says cont slept");
    process(engine, app[1], "app says");
}

/// A world with lastout in it, at the first moment at which `stop` is true or can happen.
fn world(
    faults: impl Fn(&mut Setting),
    until: impl Fn(&World, &[Choice]) -> bool,
) -> (Setting, World) {
    let mut setting = Setting::new(Policy::default(), programs(OTHERS).unwrap());
    faults(&mut setting);
    let mut world = World::new(&setting);
    let mut choices = Vec::new();
    for _ in 0..100 {
        world.choices(&setting, &mut choices);
        if until(&world, &choices) {
            return (setting, world);
        }
        world.apply(&setting, choices[0]).unwrap();
    }
    panic!("it never comes to that");
}

/// K98.
#[test]
fn a_wait_can_be_interrupted_by_nothing_and_nothing_comes_of_it() {
    let can = |_: &World, choices: &[Choice]| choices.contains(&Choice::Eintr);
    let (setting, mut world) = self::world(|setting| setting.faults.eintr = 1, can);
    let before = world.kernel.clone();
    world.apply(&setting, Choice::Eintr).unwrap();
    assert_eq!(world.kernel, before);
    let mut choices = Vec::new();
    world.choices(&setting, &mut choices);
    assert!(!choices.contains(&Choice::Eintr), "it was to happen once");
}

/// K41.
#[test]
fn what_another_reaper_takes_is_gone_for_init_and_only_chld_is_left() {
    let can = |_: &World, choices: &[Choice]| choices.contains(&Choice::Steal);
    let (setting, mut world) = self::world(|setting| setting.faults.stolen = 1, can);
    world.kernel.process_mut(one()).unwrap().take(Signal::CHLD);
    world.apply(&setting, Choice::Steal).unwrap();
    assert_eq!(pids(&world.kernel), [1]);
    assert!(at(&world.kernel, one()).pending.contains(Signal::CHLD));
}

/// K101.
#[test]
fn a_start_can_fail_and_leaves_no_process() {
    use lastout_core::{Event, SpawnError};
    let failed = Some(Event::SpawnFailed(SpawnError::NotFound));
    let until = |world: &World, _: &[Choice]| world.driver().unwrap().last.0 == failed;
    let (_, world) = self::world(|s| s.faults.spawn = Some(SpawnError::NotFound), until);
    assert_eq!(pids(&world.kernel), [1]);
    assert!(world.passed() < u64::from(Millis(1).0));
}
