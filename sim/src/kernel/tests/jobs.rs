//! Part I: process groups, sessions and the terminal.

use super::super::Errno;
use super::*;

const TERMINAL_STOPS: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// K69.
#[test]
fn a_group_leader_gets_no_session_and_a_session_leader_no_group() {
    let (mut kernel, leader) = with_child();
    assert_eq!(kernel.setsid(leader), Err(Errno::NotPermitted));
    let member = child_of(&mut kernel, leader);
    assert_eq!(kernel.setsid(member), Ok(()));
    let number = member.number();
    assert_eq!((at(&kernel, member).group, at(&kernel, member).session), (number, number));
    assert_eq!(kernel.setpgid(member), Err(Errno::NotPermitted));
    assert_eq!(kernel.setpgid(leader), Ok(()));
}

/// K69.
#[test]
fn the_number_of_a_group_makes_no_session_even_if_its_process_has_left_the_group() {
    let (mut kernel, leader) = with_child();
    child_of(&mut kernel, leader);
    kernel.process_mut(leader).unwrap().group = 1;
    assert_eq!(kernel.setsid(leader), Err(Errno::NotPermitted));
}

/// K70.
#[test]
fn a_group_is_orphaned_in_pid_1s_own_and_after_setsid_and_not_as_a_job_of_its_session() {
    let mut kernel = container();
    let child = child_of(&mut kernel, one());
    assert!(kernel.is_orphaned(1));
    kernel.setpgid(child).unwrap();
    assert!(!kernel.is_orphaned(child.number()));
    let daemon = child_of(&mut kernel, one());
    kernel.setsid(daemon).unwrap();
    assert!(kernel.is_orphaned(daemon.number()));
}

/// A shell that is PID 1's child with a session of its own, and a job of it with two processes.
fn job() -> (Kernel, Pid, [Pid; 2]) {
    let mut kernel = container();
    let shell = child_of(&mut kernel, one());
    kernel.setsid(shell).unwrap();
    let leader = child_of(&mut kernel, shell);
    kernel.setpgid(leader).unwrap();
    let member = child_of(&mut kernel, leader);
    (kernel, shell, [leader, member])
}

/// K71.
#[test]
fn a_group_that_becomes_orphaned_with_a_stopped_member_gets_hup_and_cont() {
    let (mut kernel, shell, [leader, member]) = job();
    strike(&mut kernel, member, Signal::STOP);
    kernel.exit(shell, 0);
    assert!(!is_stopped(&kernel, member));
    for pid in [leader, member] {
        assert_eq!(run(&mut kernel, pid), Delivery::Died);
    }
}

/// K71, as it came out by chance: Linux looks at whom the dying process was the parent of, not at
/// what that changed.
#[test]
fn a_group_that_was_orphaned_gets_them_too_if_the_parent_of_a_zombie_in_it_could_have_kept_it() {
    let mut kernel = container();
    let stopped = child_of(&mut kernel, one());
    let father = child_of(&mut kernel, one());
    let dead = child_of(&mut kernel, father);
    kernel.setpgid(father).unwrap();
    kernel.exit(dead, 0);
    assert!(kernel.is_orphaned(1), "before, too");
    strike(&mut kernel, stopped, Signal::STOP);
    kernel.exit(father, 0);
    assert!(!is_stopped(&kernel, stopped));
    assert_eq!(run(&mut kernel, stopped), Delivery::Died);
}

/// K71.
#[test]
fn a_group_that_becomes_orphaned_without_a_stopped_member_gets_nothing() {
    let (mut kernel, shell, [leader, member]) = job();
    let aside = child_of(&mut kernel, one());
    strike(&mut kernel, aside, Signal::STOP); // In a group that this does not concern.
    kernel.exit(shell, 0);
    for pid in [leader, member] {
        assert_eq!(run(&mut kernel, pid), Delivery::GoesOn);
    }
    // Nor does one that has been orphaned before.
    strike(&mut kernel, member, Signal::STOP);
    kernel.exit(leader, 0);
    assert!(is_stopped(&kernel, member));
}

/// K55.
#[test]
fn adoption_of_a_stopped_process_can_orphan_its_group() {
    let mut kernel = container();
    let father = child_of(&mut kernel, one());
    kernel.setsid(father).unwrap();
    let stopped = child_of(&mut kernel, father);
    kernel.setpgid(stopped).unwrap();
    strike(&mut kernel, stopped, Signal::STOP);
    assert!(!kernel.is_orphaned(stopped.number()));
    kernel.exit(father, 0);
    assert_eq!(at(&kernel, stopped).parent, Some(one()));
    assert_eq!(run(&mut kernel, stopped), Delivery::Died);
}

/// K55 (`reparent_leader`): also that of a zombie, which is no member any more, so that the group
/// may have been orphaned before.
#[test]
fn adoption_of_a_zombie_wakes_the_group_that_it_was_in() {
    let mut kernel = container();
    let father = child_of(&mut kernel, one());
    let dead = child_of(&mut kernel, father);
    let stopped = child_of(&mut kernel, one());
    kernel.setpgid(father).unwrap();
    kernel.exit(dead, 0);
    strike(&mut kernel, stopped, Signal::STOP);
    assert!(kernel.is_orphaned(1));
    kernel.exit(father, 0);
    assert_eq!(run(&mut kernel, stopped), Delivery::Died);
}

/// K55: where who adopts is a keeper as well, the group is not orphaned.
#[test]
fn adoption_within_the_session_leaves_a_stopped_group_alone() {
    let mut kernel = container();
    let father = child_of(&mut kernel, one());
    kernel.setpgid(father).unwrap();
    let stopped = child_of(&mut kernel, father);
    kernel.setpgid(stopped).unwrap();
    strike(&mut kernel, stopped, Signal::STOP);
    kernel.exit(father, 0);
    assert!(is_stopped(&kernel, stopped));
}

/// K72.
#[test]
fn in_an_orphaned_group_the_terminals_stops_are_discarded_and_stop_is_not() {
    let mut kernel = container();
    let child = child_of(&mut kernel, one());
    for signal in TERMINAL_STOPS {
        assert_eq!(strike(&mut kernel, child, signal), Delivery::GoesOn, "{signal}");
    }
    assert_eq!(strike(&mut kernel, child, Signal::STOP), Delivery::Stands);
}

/// K72.
#[test]
fn the_main_child_in_a_group_of_its_own_can_be_stopped_from_the_terminal() {
    for signal in TERMINAL_STOPS {
        let (mut kernel, child) = with_child();
        assert_eq!(strike(&mut kernel, child, signal), Delivery::Stands, "{signal}");
    }
}

/// K73.
#[test]
fn a_key_goes_to_the_foreground_group_only_and_pid_1_there_drops_it() {
    let (mut kernel, job) = with_child();
    let member = child_of(&mut kernel, job);
    let background = child_of(&mut kernel, one());
    let daemon = child_of(&mut kernel, job);
    kernel.setsid(daemon).unwrap();
    let outside = kernel.enter(Code::default()).unwrap();
    kernel.process_mut(outside).unwrap().group = 0;
    kernel.press(Signal::INT); // There is no terminal yet.
    assert!(kernel.processes.iter().all(|p| p.pending.is_empty()));
    kernel.foreground = job.number();
    let mut own = kernel.clone();
    kernel.press(Signal::INT);
    let hit = |kernel: &Kernel, pid| at(kernel, pid).pending.contains(Signal::INT);
    assert!(hit(&kernel, job) && hit(&kernel, member));
    assert!(!hit(&kernel, background) && !hit(&kernel, daemon));
    own.foreground = 1;
    own.press(Signal::INT);
    assert!(hit(&own, background) && !hit(&own, job) && !hit(&own, one()));
}

/// K75.
#[test]
fn when_the_leader_of_the_terminals_session_ends_the_foreground_gets_hup_and_the_rest_nothing() {
    let (mut kernel, shell, [foreground, background]) = job();
    kernel.setpgid(background).unwrap();
    kernel.foreground = foreground.number();
    kernel.terminal_session = shell.number();
    kernel.exit(shell, 0);
    assert_eq!((kernel.foreground, kernel.terminal_session), (0, 0));
    assert_eq!(at(&kernel, foreground).pending, set_of(&[Signal::HUP]));
    assert!(at(&kernel, background).pending.is_empty());
}

/// K75.
#[test]
fn the_end_of_another_sessions_leader_leaves_the_terminal_alone() {
    let (mut kernel, shell, [foreground, _]) = job();
    kernel.foreground = foreground.number();
    kernel.terminal_session = 1;
    kernel.exit(shell, 0);
    assert_eq!(kernel.foreground, foreground.number());
    assert!(at(&kernel, foreground).pending.is_empty());
}

/// K81.
#[test]
fn keys_go_nowhere_after_the_foreground_child_until_somebody_takes_the_terminal_back() {
    let (mut kernel, child) = with_child();
    handle(&mut kernel, one(), Signal::INT);
    kernel.foreground = child.number();
    kernel.exit(child, 0);
    kernel.wait(one(), None, false).unwrap();
    kernel.press(Signal::INT);
    assert_eq!(kernel.foreground, child.number());
    assert!(at(&kernel, one()).pending.is_empty());
    kernel.foreground = 1;
    kernel.press(Signal::INT);
    assert!(!at(&kernel, one()).pending.is_empty());
}
