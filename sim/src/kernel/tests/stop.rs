//! Part B: stop and continue.

use super::super::Waited;
use super::*;

/// K25.
#[test]
fn a_stop_deletes_a_pending_cont() {
    let (mut kernel, child) = with_child();
    for stop in [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        block(&mut kernel, child, &[Signal::CONT, Signal::TSTP, Signal::TTIN, Signal::TTOU]);
        send(&mut kernel, child, Signal::CONT);
        assert!(at(&kernel, child).pending.contains(Signal::CONT));
        send(&mut kernel, child, stop);
        assert!(!at(&kernel, child).pending.contains(Signal::CONT), "{stop}");
        send(&mut kernel, child, Signal::CONT);
        assert!(!at(&kernel, child).pending.contains(stop), "{stop}");
    }
}

/// K25.
#[test]
fn cont_continues_even_who_blocks_or_ignores_it() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    ignore(&mut kernel, child, Signal::CONT);
    send(&mut kernel, child, Signal::CONT);
    assert!(!is_stopped(&kernel, child));
    assert!(at(&kernel, child).pending.is_empty());

    strike(&mut kernel, child, Signal::STOP);
    block(&mut kernel, child, &[Signal::CONT]);
    send(&mut kernel, child, Signal::CONT);
    assert!(!is_stopped(&kernel, child));
    assert_eq!(at(&kernel, child).pending, set_of(&[Signal::CONT]));
}

/// K26.
#[test]
fn a_stopped_process_dies_of_term_only_when_it_is_continued() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    send(&mut kernel, child, Signal::TERM);
    assert!(!can_run(&kernel, child));
    send(&mut kernel, child, Signal::CONT);
    assert_eq!(run(&mut kernel, child), Delivery::Died);
}

/// K25, K26: a CONT that stays pending takes nothing away from what it lets be delivered.
#[test]
fn a_stopped_process_that_blocks_cont_dies_of_term_when_it_is_continued() {
    let (mut kernel, child) = with_child();
    block(&mut kernel, child, &[Signal::CONT]);
    strike(&mut kernel, child, Signal::STOP);
    send(&mut kernel, child, Signal::TERM);
    send(&mut kernel, child, Signal::CONT);
    assert!(at(&kernel, child).pending.contains(Signal::CONT));
    assert_eq!(run(&mut kernel, child), Delivery::Died);
}

/// K26.
#[test]
fn a_stopped_process_dies_of_kill_at_once_also_after_a_term() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    send(&mut kernel, child, Signal::TERM);
    assert_eq!(strike(&mut kernel, child, Signal::KILL), Delivery::Died);
    let killed = matches!(
        kernel.wait(one(), None, false),
        Ok(Waited::Dead(_, lastout_core::Status::Killed { signal: Signal::KILL, .. }))
    );
    assert!(killed);
}

/// K28.
#[test]
fn a_stop_is_told_once_and_a_second_stop_of_the_stopped_not_at_all() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    assert_eq!(kernel.wait(one(), None, true), Ok(Waited::Stopped(child, Signal::STOP)));
    assert_eq!(kernel.wait(one(), None, true), Ok(Waited::Nothing));
    send(&mut kernel, child, Signal::STOP);
    assert!(!can_run(&kernel, child));
    assert_eq!(kernel.wait(one(), None, true), Ok(Waited::Nothing));
}

/// K28.
#[test]
fn of_a_stop_and_a_continuation_that_nobody_saw_only_the_later_is_told() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    send(&mut kernel, child, Signal::CONT);
    assert_eq!(kernel.wait(one(), None, true), Ok(Waited::Continued(child)));
    assert_eq!(kernel.wait(one(), None, true), Ok(Waited::Nothing));
    strike(&mut kernel, child, Signal::STOP);
    strike(&mut kernel, child, Signal::KILL);
    assert!(matches!(kernel.wait(one(), None, true), Ok(Waited::Dead(..))));
}

/// K29.
#[test]
fn a_stop_and_a_continuation_raise_chld_though_nobody_is_dead() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    for signal in [Signal::STOP, Signal::CONT] {
        strike(&mut kernel, child, signal);
        assert!(heard(&mut kernel), "{signal}");
        assert_eq!(kernel.wait(one(), None, false), Ok(Waited::Nothing));
    }
}

/// K29, part 0: the continued process itself tells, when it runs.
#[test]
fn chld_for_a_continuation_comes_when_the_continued_process_runs() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    listen(&mut kernel);
    send(&mut kernel, child, Signal::CONT);
    assert!(!heard(&mut kernel));
    run(&mut kernel, child);
    assert!(heard(&mut kernel));
}

/// K29, K31: as for a death, CHLD is not even generated (seen on Linux 6.18).
#[test]
fn who_ignores_chld_hears_of_no_stop_even_if_it_blocks_it() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    ignore(&mut kernel, one(), Signal::CHLD);
    for signal in [Signal::STOP, Signal::CONT] {
        strike(&mut kernel, child, signal);
        assert!(!heard(&mut kernel), "{signal}");
    }
}

/// Part 0: a signal, also one that is ignored, stops the traced child before it acts; KILL
/// does not ask.
#[test]
fn a_child_that_its_parent_traces_stands_before_every_signal_but_kill() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    ignore(&mut kernel, child, Signal::TERM);
    kernel.process_mut(child).unwrap().traced_by_parent = true;
    assert_eq!(strike(&mut kernel, child, Signal::TERM), Delivery::Stands);
    assert!(heard(&mut kernel));
    // Without being asked for stops.
    let told = kernel.wait(one(), None, false);
    assert_eq!(told, Ok(Waited::Trapped(child, Signal::TERM)));
    assert!(!can_run(&kernel, child));
    assert_eq!(strike(&mut kernel, child, Signal::KILL), Delivery::Died);
}
