//! Part C: CHLD and wait, and pids.

use lastout_core::Status;

use super::super::{Errno, Waited};
use super::*;

fn reap(kernel: &mut Kernel) -> Result<Waited, Errno> {
    kernel.wait(one(), None, false)
}

fn dead(pid: Pid, code: u8) -> Waited {
    Waited::Dead(pid, Status::Exited(code))
}

/// K24.
#[test]
fn a_death_before_chld_is_blocked_is_never_announced_and_can_be_reaped() {
    let mut kernel = container();
    let other = child_of(&mut kernel, one());
    for parent in [one(), other] {
        let child = child_of(&mut kernel, parent);
        kernel.exit(child, 3);
        block(&mut kernel, parent, &[Signal::CHLD]);
        assert!(at(&kernel, parent).pending.is_empty());
        assert_eq!(kernel.wait(parent, Some(child), false), Ok(dead(child, 3)));
    }
}

/// K30.
#[test]
fn one_chld_stands_for_many_deaths() {
    let mut kernel = container();
    listen(&mut kernel);
    let children: Vec<_> = (0..50).map(|_| child_of(&mut kernel, one())).collect();
    for &child in &children {
        kernel.exit(child, 0);
    }
    assert!(heard(&mut kernel));
    assert!(!heard(&mut kernel));
    for child in children {
        assert_eq!(reap(&mut kernel), Ok(dead(child, 0)));
    }
    assert_eq!(reap(&mut kernel), Err(Errno::NoChild));
}

/// K31.
#[test]
fn who_ignores_chld_has_no_zombies_and_hears_nothing_even_if_it_blocks_it() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    ignore(&mut kernel, one(), Signal::CHLD);
    kernel.exit(child, 3);
    assert_eq!(pids(&kernel), [1]);
    assert!(!heard(&mut kernel));
    assert_eq!(reap(&mut kernel), Err(Errno::NoChild));
}

/// K31.
#[test]
fn with_sa_nocldwait_there_are_no_zombies_and_chld_comes_all_the_same() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    kernel.process_mut(one()).unwrap().no_child_wait = true;
    kernel.exit(child, 3);
    assert_eq!(pids(&kernel), [1]);
    assert!(heard(&mut kernel));
}

/// K31.
#[test]
fn a_zombie_that_was_there_before_chld_was_ignored_can_be_reaped() {
    let (mut kernel, child) = with_child();
    kernel.exit(child, 3);
    ignore(&mut kernel, one(), Signal::CHLD);
    assert_eq!(reap(&mut kernel), Ok(dead(child, 3)));
}

/// K32.
#[test]
fn wait_tells_a_dead_child_from_none_that_is_dead_and_from_none_at_all() {
    let mut kernel = container();
    assert_eq!(reap(&mut kernel), Err(Errno::NoChild));
    let child = child_of(&mut kernel, one());
    assert_eq!(reap(&mut kernel), Ok(Waited::Nothing));
    assert_eq!(kernel.wait(one(), Some(pid(9)), false), Err(Errno::NoChild));
    kernel.exit(child, 7);
    assert_eq!(reap(&mut kernel), Ok(dead(child, 7)));
    assert_eq!(reap(&mut kernel), Err(Errno::NoChild));
}

/// K34.
#[test]
fn children_are_reaped_in_order_of_birth_and_the_adopted_last() {
    let mut kernel = container();
    let first = child_of(&mut kernel, one());
    let adopted = child_of(&mut kernel, first);
    let second = child_of(&mut kernel, one());
    let third = child_of(&mut kernel, one());
    for dies in [third, second, adopted, first] {
        kernel.exit(dies, 0);
    }
    for expected in [first, second, third, adopted] {
        assert_eq!(reap(&mut kernel), Ok(dead(expected, 0)));
    }
}

/// K35.
#[test]
fn a_status_is_an_exit_code_or_the_signal_that_killed() {
    let mut kernel = container();
    for (signal, code) in [(Signal::TERM, 143), (Signal::KILL, 137), (signal(64), 192)] {
        let child = child_of(&mut kernel, one());
        strike(&mut kernel, child, signal);
        let Ok(Waited::Dead(_, status)) = reap(&mut kernel) else { panic!("{signal}") };
        assert_eq!(status, Status::Killed { signal, core: false });
        assert_eq!(status.code(), code);
    }
}

/// K37.
#[test]
fn a_zombie_keeps_its_pid_and_the_next_process_gets_it_once_it_is_reaped() {
    let mut kernel = container();
    let child = child_of(&mut kernel, one());
    kernel.exit(child, 0);
    assert_ne!(kernel.free_pid(), child);
    reap(&mut kernel).unwrap();
    assert_eq!(child_of(&mut kernel, one()), child);
}

/// K37.
#[test]
fn the_number_of_a_group_or_session_is_not_given_away_while_it_has_members() {
    let mut kernel = container();
    for becomes_leader in [Kernel::setpgid, Kernel::setsid] {
        let leader = child_of(&mut kernel, one());
        becomes_leader(&mut kernel, leader).unwrap();
        let member = child_of(&mut kernel, leader);
        if at(&kernel, member).session != 1 {
            kernel.setpgid(member).unwrap(); // Only the session is left of the leader's number.
        }
        kernel.exit(leader, 0);
        reap(&mut kernel).unwrap();
        assert_eq!(kernel.find(leader), None);
        assert_ne!(kernel.free_pid(), leader);
        kernel.exit(member, 0);
        reap(&mut kernel).unwrap();
        assert_eq!(kernel.free_pid(), leader);
    }
}

/// K37.
#[test]
fn kill_of_a_pid_reaches_a_zombie_then_nobody_then_a_stranger() {
    let mut kernel = container();
    let child = child_of(&mut kernel, one());
    kernel.exit(child, 0);
    let term = |kernel: &mut Kernel| kernel.kill(Sender::Inside(one()), child, Signal::TERM, None);
    assert_eq!(term(&mut kernel), Ok(()));
    reap(&mut kernel).unwrap();
    assert_eq!(term(&mut kernel), Err(Errno::NoSuchProcess));
    child_of(&mut kernel, one());
    assert_eq!(term(&mut kernel), Ok(()));
    assert_eq!(run(&mut kernel, child), Delivery::Died);
}

/// K39.
#[test]
fn a_debugger_keeps_a_dead_child_from_its_parent_until_it_lets_go() {
    let (mut kernel, child) = with_child();
    listen(&mut kernel);
    kernel.process_mut(child).unwrap().traced = true;
    kernel.exit(child, 3);
    assert!(!heard(&mut kernel));
    assert_eq!(reap(&mut kernel), Ok(Waited::Nothing));
    kernel.let_go(child);
    assert!(heard(&mut kernel));
    assert_eq!(reap(&mut kernel), Ok(dead(child, 3)));
}

/// An init that listens and may meet storms, and its main child.
fn in_a_storm() -> (Kernel, Pid) {
    let (mut kernel, main) = with_child();
    listen(&mut kernel);
    kernel.watched = Some((one(), Signal::TERM));
    kernel.storms = true;
    kernel.mark_main(main);
    (kernel, main)
}

/// K30.
#[test]
fn chld_names_the_first_child_since_the_last_was_taken() {
    let (mut kernel, main) = in_a_storm();
    let [first, second] = [0; 2].map(|_| child_of(&mut kernel, one()));
    kernel.exit(second, 0);
    kernel.exit(first, 0);
    assert_eq!(kernel.chld_from, Some(second));
    assert!(heard(&mut kernel));
    kernel.chld_from = None; // As whoever takes it does.
    kernel.exit(main, 0);
    assert_eq!(kernel.chld_from, Some(main));
}

/// K109.
#[test]
fn how_the_main_child_ended_is_kept_when_the_kernel_reaps_it() {
    let (mut kernel, main) = in_a_storm();
    let orphan = child_of(&mut kernel, one());
    ignore(&mut kernel, one(), Signal::CHLD);
    kernel.exit(orphan, 1);
    assert_eq!(kernel.kept, None);
    kernel.exit(main, 3);
    assert_eq!((kernel.kept, pids(&kernel)), (Some(Status::Exited(3)), vec![1]));
}

/// K109.
#[test]
fn a_forgetful_kernel_keeps_nothing() {
    let (mut kernel, main) = in_a_storm();
    kernel.forgetful = true;
    ignore(&mut kernel, one(), Signal::CHLD);
    kernel.exit(main, 3);
    assert_eq!((kernel.kept, pids(&kernel)), (None, vec![1]));
}
