//! Part L: freezing, and that a death takes time.

use super::*;

fn frozen(freezer: Freezer) -> (Kernel, Pid) {
    let (mut kernel, child) = with_child();
    kernel.freezer = freezer;
    kernel.frozen = true;
    (kernel, child)
}

/// K96.
#[test]
fn in_a_version_1_freezer_not_even_kill_is_delivered_before_the_thaw() {
    for signal in [Signal::KILL, Signal::TERM] {
        let (mut kernel, child) = frozen(Freezer::V1);
        send(&mut kernel, child, signal);
        assert!(!can_run(&kernel, child), "{signal}");
        assert!(at(&kernel, child).pending.contains(signal));
        kernel.frozen = false;
        assert_eq!(run(&mut kernel, child), Delivery::Died);
    }
}

/// K96.
#[test]
fn in_a_version_2_freezer_kill_and_a_term_without_a_handler_kill() {
    for signal in [Signal::KILL, Signal::TERM, signal(40)] {
        let (mut kernel, child) = frozen(Freezer::V2);
        assert!(!can_run(&kernel, child));
        assert_eq!(strike(&mut kernel, child, signal), Delivery::Died, "{signal}");
    }
}

/// K96.
#[test]
fn in_a_version_2_freezer_a_handler_and_a_blocked_term_wait_for_the_thaw() {
    let (mut kernel, child) = frozen(Freezer::V2);
    block(&mut kernel, child, &[Signal::HUP]);
    send(&mut kernel, child, Signal::HUP);
    handle(&mut kernel, child, Signal::TERM);
    send(&mut kernel, child, Signal::TERM);
    assert!(!can_run(&kernel, child));
    kernel.frozen = false;
    assert_eq!(run(&mut kernel, child), Delivery::Handles(Signal::TERM, handler()));
}

/// K96: what dumps core does not begin its death before it is delivered (part 0; seen on Linux
/// 6.18: QUIT and ABRT).
#[test]
fn in_a_version_2_freezer_what_dumps_core_waits_for_the_thaw() {
    for number in [3, 4, 5, 6, 7, 8, 11, 24, 25, 31] {
        let (mut kernel, child) = frozen(Freezer::V2);
        send(&mut kernel, child, signal(number));
        assert!(!can_run(&kernel, child), "{number}");
        kernel.frozen = false;
        assert_eq!(run(&mut kernel, child), Delivery::Died, "{number}");
    }
}

/// K96.
#[test]
fn cont_makes_a_stopped_and_frozen_process_runnable_and_it_runs_after_the_thaw() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, child, Signal::STOP);
    kernel.frozen = true;
    send(&mut kernel, child, Signal::CONT);
    assert!(!is_stopped(&kernel, child) && !can_run(&kernel, child));
    kernel.frozen = false;
    assert!(can_run(&kernel, child));
}

/// K107.
#[test]
fn who_is_killed_is_there_until_it_has_run_once_more() {
    let (mut kernel, child) = with_child();
    send(&mut kernel, child, Signal::KILL);
    assert!(at(&kernel, child).is_alive());
    assert_eq!(kernel.wait(one(), None, false), Ok(super::super::Waited::Nothing));
    run(&mut kernel, child);
    assert!(!at(&kernel, child).is_alive());
}
