//! Part E: orphans and subreapers, and who entered from outside.

use lastout_core::Status;

use super::super::{Errno, Waited};
use super::*;

fn parent(kernel: &Kernel, pid: Pid) -> Option<u32> {
    at(kernel, pid).parent.map(Pid::number)
}

/// A chain of forks below PID 1, the first its child.
fn chain<const N: usize>(kernel: &mut Kernel) -> [Pid; N] {
    let mut above = one();
    std::array::from_fn(|_| {
        above = child_of(kernel, above);
        above
    })
}

/// K48.
#[test]
fn who_entered_is_reached_by_kill_of_all_and_is_no_child_of_pid_1() {
    let mut kernel = container();
    listen(&mut kernel);
    let entered = kernel.enter(Code::default()).unwrap();
    assert_eq!(parent(&kernel, entered), None);
    assert_eq!(kernel.wait(one(), None, false), Err(Errno::NoChild));
    kernel.kill_all(Sender::Inside(one()), Signal::TERM).unwrap();
    assert_eq!(run(&mut kernel, entered), Delivery::Died);
    assert!(!heard(&mut kernel));
}

/// K48.
#[test]
fn who_entered_stays_a_zombie_that_kill_of_all_sees_until_its_parent_outside_reaps_it() {
    let mut kernel = container();
    let entered = kernel.enter(Code::default()).unwrap();
    kernel.exit(entered, 0);
    assert_eq!(kernel.wait(one(), None, false), Err(Errno::NoChild));
    assert_eq!(kernel.kill_all(Sender::Inside(one()), Signal::TERM), Ok(()));
    kernel.let_go(entered);
    let gone = kernel.kill_all(Sender::Inside(one()), Signal::TERM);
    assert_eq!(gone, Err(Errno::NoSuchProcess));
}

/// K52.
#[test]
fn orphans_of_who_entered_get_pid_1_as_parent() {
    let mut kernel = container();
    let entered = kernel.enter(Code::default()).unwrap();
    let orphan = child_of(&mut kernel, entered);
    kernel.exit(entered, 0);
    assert_eq!(parent(&kernel, orphan), Some(1));
}

/// K52.
#[test]
fn an_orphan_gets_the_nearest_subreaper_above_and_without_one_pid_1() {
    let mut kernel = container();
    let [far, near, father, orphan] = chain(&mut kernel);
    let aside = child_of(&mut kernel, near);
    for subreaper in [far, near, aside] {
        kernel.process_mut(subreaper).unwrap().subreaper = true;
    }
    for (dies, expected) in [(father, near), (near, far), (far, one())] {
        kernel.exit(dies, 0);
        assert_eq!(parent(&kernel, orphan), Some(expected.number()));
    }
}

/// K52.
#[test]
fn a_daemon_has_the_subreaper_that_made_it_as_parent_and_otherwise_one_above() {
    let mut kernel = container();
    let [maker, first] = chain(&mut kernel);
    kernel.orphan(first);
    assert_eq!(parent(&kernel, first), Some(1));
    kernel.process_mut(maker).unwrap().subreaper = true;
    let second = child_of(&mut kernel, maker);
    kernel.orphan(second);
    assert_eq!(parent(&kernel, second), Some(maker.number()));
}

/// K53.
#[test]
fn to_be_a_subreaper_is_kept_over_exec_and_not_inherited() {
    let mut kernel = container();
    let [subreaper, father, orphan] = chain(&mut kernel);
    kernel.process_mut(subreaper).unwrap().subreaper = true; // After it forked.
    kernel.exec(subreaper, Code::default());
    let later = child_of(&mut kernel, subreaper);
    assert!(!at(&kernel, later).subreaper);
    kernel.exit(father, 0);
    assert_eq!(parent(&kernel, orphan), Some(subreaper.number()));
}

/// K54.
#[test]
fn a_dead_child_of_a_dead_parent_is_announced_to_who_adopts_it() {
    let mut kernel = container();
    let [subreaper, father, first] = chain(&mut kernel);
    kernel.process_mut(subreaper).unwrap().subreaper = true;
    block(&mut kernel, subreaper, &[Signal::CHLD]);
    ignore(&mut kernel, subreaper, Signal::CHLD);
    kernel.set_disposition(subreaper, Signal::CHLD, Disposition::Default).unwrap();
    kernel.exit(first, 5);
    // The father's own death would announce itself: here a debugger holds it.
    kernel.process_mut(father).unwrap().traced = true;
    kernel.exit(father, 0);
    assert!(kernel.process_mut(subreaper).unwrap().take(Signal::CHLD).is_some());
    let told = kernel.wait(subreaper, Some(first), false);
    assert_eq!(told, Ok(Waited::Dead(first, Status::Exited(5))));
}

/// K54.
#[test]
fn a_dead_child_that_who_ignores_chld_adopts_is_gone() {
    let mut kernel = container();
    let [father, dead] = chain(&mut kernel);
    kernel.exit(dead, 5);
    ignore(&mut kernel, one(), Signal::CHLD);
    kernel.exit(father, 0);
    assert_eq!(pids(&kernel), [1]);
}

/// K52.
#[test]
fn who_is_on_its_way_out_adopts_nobody() {
    let mut kernel = container();
    let reaper = child_of(&mut kernel, one());
    kernel.process_mut(reaper).unwrap().subreaper = true;
    let father = child_of(&mut kernel, reaper);
    let [first, second] = [(); 2].map(|()| child_of(&mut kernel, father));
    kernel.kill(Sender::Outside, reaper, Signal::KILL, None).unwrap();
    assert!(at(&kernel, reaper).dies_next() && !at(&kernel, father).dies_next());
    kernel.process_mut(reaper).unwrap().exiting = true;
    kernel.exit(father, 0);
    for child in [first, second] {
        assert_eq!(at(&kernel, child).parent, Some(one()));
    }
}
