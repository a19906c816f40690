//! Part F: the end of the namespace, when PID 1 dies.

use lastout_core::Status;

use super::super::Errno;
use super::*;

/// A container with its init watched for how it leaves.
fn watched() -> Kernel {
    let mut kernel = container();
    kernel.init = Some(one());
    kernel
}

/// K58.
#[test]
fn when_pid_1_dies_everybody_is_killed_whatever_it_is_and_does() {
    let mut kernel = container();
    let stopped = child_of(&mut kernel, one());
    kernel.setpgid(stopped).unwrap();
    strike(&mut kernel, stopped, Signal::STOP);
    let daemon = child_of(&mut kernel, one());
    kernel.setsid(daemon).unwrap();
    let deaf = child_of(&mut kernel, one());
    kernel.set_blocked(deaf, SignalSet::FULL);
    kernel.process_mut(deaf).unwrap().uid = 1;
    let below = child_of(&mut kernel, deaf);
    let entered = kernel.enter(Code::default()).unwrap();
    kernel.exit(one(), 5);
    for pid in [stopped, daemon, deaf, below, entered] {
        assert_eq!(run(&mut kernel, pid), Delivery::Died);
    }
    // All but who entered were reaped by PID 1 on its way out.
    assert_eq!(pids(&kernel), [1, entered.number()]);
}

/// K58.
#[test]
fn when_pid_1_is_dead_no_process_is_made() {
    let (mut kernel, child) = with_child();
    kernel.exit(one(), 5);
    assert_eq!(kernel.fork(child, Code::default()), Err(Errno::NoMemory));
    assert_eq!(kernel.enter(Code::default()), Err(Errno::NoMemory));
}

/// K58.
#[test]
fn zombies_that_pid_1_left_are_reaped_on_its_way_out() {
    let mut kernel = container();
    let father = child_of(&mut kernel, one());
    let left = child_of(&mut kernel, one());
    let held = child_of(&mut kernel, father);
    kernel.exit(left, 0);
    kernel.exit(held, 0);
    kernel.exit(one(), 5);
    assert_eq!(pids(&kernel), [1, father.number(), held.number()]);
    run(&mut kernel, father);
    assert_eq!(pids(&kernel), [1]);
}

/// K59.
#[test]
fn who_hangs_and_who_is_held_stays_after_the_teardown_until_let_go() {
    let mut kernel = container();
    let [hangs, traced] = [(); 2].map(|()| child_of(&mut kernel, one()));
    kernel.process_mut(hangs).unwrap().uninterruptible = true;
    kernel.process_mut(traced).unwrap().traced = true;
    let entered = kernel.enter(Code::default()).unwrap();
    kernel.exit(one(), 5);
    assert!(!can_run(&kernel, hangs));
    run(&mut kernel, traced);
    run(&mut kernel, entered);
    assert_eq!(pids(&kernel), [1, hangs.number(), traced.number(), entered.number()]);
    for pid in [hangs, traced, entered] {
        kernel.let_go(pid);
    }
    assert_eq!(run(&mut kernel, hangs), Delivery::Died);
    assert_eq!(pids(&kernel), [1]);
}

/// K59.
#[test]
fn a_zombie_that_a_debugger_holds_stays_when_pid_1_dies() {
    let (mut kernel, child) = with_child();
    kernel.process_mut(child).unwrap().traced = true;
    kernel.exit(child, 0);
    kernel.exit(one(), 5);
    assert_eq!(pids(&kernel), [1, child.number()]);
    kernel.let_go(child);
    assert_eq!(pids(&kernel), [1]);
}

/// K60.
#[test]
fn a_pid_1_that_is_killed_from_outside_takes_everybody_along_with_status_9() {
    let (mut kernel, child) = (watched(), pid(2));
    child_of(&mut kernel, one());
    strike(&mut kernel, one(), Signal::KILL);
    assert_eq!(kernel.left, Some(Status::Killed { signal: Signal::KILL, core: false }));
    assert_eq!(run(&mut kernel, child), Delivery::Died);
}

/// K60.
#[test]
fn the_end_of_the_others_does_not_touch_the_status_of_pid_1() {
    let mut kernel = watched();
    let child = child_of(&mut kernel, one());
    kernel.exit(one(), 5);
    run(&mut kernel, child);
    assert_eq!(kernel.left, Some(Status::Exited(5)));
}
