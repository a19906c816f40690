//! Parts D and H: whom kill reaches, what it returns, and who may.

use super::super::Errno;
use super::*;

const TERM: Signal = Signal::TERM;

fn by(pid: Pid) -> Sender {
    Sender::Inside(pid)
}

fn with_uid(kernel: &mut Kernel, parent: Pid, uid: u8) -> Pid {
    let child = child_of(kernel, parent);
    kernel.process_mut(child).unwrap().uid = uid;
    child
}

/// PID 1 is root without `CAP_KILL`.
fn capless() -> Kernel {
    let mut kernel = container();
    kernel.watched = Some((one(), TERM));
    kernel.cap_kill = false;
    kernel
}

fn got(kernel: &Kernel, pid: Pid) -> bool {
    at(kernel, pid).pending.contains(TERM)
}

/// K43.
#[test]
fn kill_of_all_fails_only_if_nobody_else_exists_and_a_zombie_exists() {
    let mut kernel = container();
    assert_eq!(kernel.kill_all(by(one()), TERM), Err(Errno::NoSuchProcess));
    let child = child_of(&mut kernel, one());
    kernel.exit(child, 0);
    assert_eq!(kernel.kill_all(by(one()), TERM), Ok(()));
}

/// K43.
#[test]
fn kill_of_all_succeeds_though_it_was_denied_everybody() {
    let mut kernel = capless();
    let child = with_uid(&mut kernel, one(), 1);
    assert_eq!(kernel.kill_all(by(one()), TERM), Ok(()));
    assert!(!got(&kernel, child));
}

/// K44.
#[test]
fn kill_of_a_group_succeeds_if_it_reached_one_and_fails_if_all_was_denied() {
    let mut kernel = capless();
    let (mine, other) = (with_uid(&mut kernel, one(), 0), with_uid(&mut kernel, one(), 1));
    for pid in [mine, other] {
        kernel.process_mut(pid).unwrap().group = 7;
    }
    assert_eq!(kernel.kill_group(by(one()), 7, TERM), Ok(()));
    assert!(got(&kernel, mine) && !got(&kernel, other));
    kernel.process_mut(mine).unwrap().group = 1;
    assert_eq!(kernel.kill_group(by(one()), 7, TERM), Err(Errno::NotPermitted));
}

/// K44.
#[test]
fn a_group_of_zombies_can_be_signalled_by_who_could_signal_them_alive() {
    let mut kernel = capless();
    let (mine, other) = (with_uid(&mut kernel, one(), 0), with_uid(&mut kernel, one(), 1));
    for pid in [mine, other] {
        kernel.setpgid(pid).unwrap();
        kernel.exit(pid, 0);
    }
    assert_eq!(kernel.kill_group(by(one()), mine.number(), TERM), Ok(()));
    assert_eq!(kernel.kill_group(by(one()), other.number(), TERM), Err(Errno::NotPermitted));
}

/// K44.
#[test]
fn a_group_is_there_as_long_as_a_member_is_even_without_its_leader() {
    let (mut kernel, leader) = with_child();
    let member = child_of(&mut kernel, leader);
    kernel.exit(leader, 0);
    kernel.wait(one(), None, false).unwrap();
    assert_eq!(kernel.kill_group(by(one()), leader.number(), TERM), Ok(()));
    assert!(got(&kernel, member));
    run(&mut kernel, member);
    kernel.wait(one(), None, false).unwrap();
    let again = kernel.kill_group(by(one()), leader.number(), TERM);
    assert_eq!(again, Err(Errno::NoSuchProcess));
}

/// K46.
#[test]
fn kill_of_all_spares_the_caller_and_pid_1_and_kill_of_the_own_group_spares_nobody() {
    let mut kernel = container();
    handle(&mut kernel, one(), TERM);
    let caller = child_of(&mut kernel, one());
    let other = child_of(&mut kernel, one());
    kernel.kill_all(by(caller), TERM).unwrap();
    assert!(!got(&kernel, one()) && !got(&kernel, caller) && got(&kernel, other));
    kernel.kill_group(by(caller), 1, TERM).unwrap();
    assert!(got(&kernel, one()) && got(&kernel, caller));
    run(&mut kernel, one());
    kernel.kill(by(caller), one(), TERM, None).unwrap();
    assert!(got(&kernel, one()));
}

/// K49.
#[test]
fn kill_of_all_by_who_is_not_pid_1_hits_strangers() {
    let mut kernel = container();
    let subreaper = child_of(&mut kernel, one());
    let stranger = child_of(&mut kernel, one());
    kernel.kill_all(by(subreaper), TERM).unwrap();
    assert!(got(&kernel, stranger));
    assert!(!kernel.descends(stranger, subreaper));
}

/// K50.
#[test]
fn one_pass_of_kill_leaves_nobody_who_could_fork_before_it_dies() {
    let mut kernel = container();
    let mut last = child_of(&mut kernel, one());
    kernel.setpgid(last).unwrap();
    let group = last.number();
    for _ in 0..20 {
        last = child_of(&mut kernel, last);
    }
    let mut same = kernel.clone();
    kernel.kill_all(by(one()), Signal::KILL).unwrap();
    same.kill_group(by(one()), group, TERM).unwrap();
    for mut kernel in [kernel, same] {
        let others: Vec<_> = kernel.processes[1..].iter().map(|p| p.pid).collect();
        assert_eq!(others.len(), 21);
        for pid in others {
            assert_eq!(run(&mut kernel, pid), Delivery::Died);
        }
    }
}

/// K50.
#[test]
fn a_signal_to_one_process_reaches_none_that_it_has_forked() {
    let (mut kernel, parent) = with_child();
    block(&mut kernel, parent, &[TERM]);
    send(&mut kernel, parent, TERM);
    let child = child_of(&mut kernel, parent);
    assert!(!got(&kernel, child));
}

/// K51.
#[test]
fn cont_may_be_sent_within_the_session_whatever_the_uids() {
    let mut kernel = container();
    let sender = with_uid(&mut kernel, one(), 1);
    let target = with_uid(&mut kernel, one(), 2);
    let cont = |kernel: &mut Kernel| kernel.kill(by(sender), target, Signal::CONT, None);
    assert_eq!(cont(&mut kernel), Ok(()));
    assert_eq!(kernel.kill(by(sender), target, TERM, None), Err(Errno::NotPermitted));
    kernel.setsid(target).unwrap();
    assert_eq!(cont(&mut kernel), Err(Errno::NotPermitted));
}

/// K65.
#[test]
fn one_may_signal_oneself_and_the_own_uid_and_root_everybody() {
    let mut kernel = container();
    let root = with_uid(&mut kernel, one(), 0);
    let (user, same, other) = (
        with_uid(&mut kernel, one(), 1),
        with_uid(&mut kernel, one(), 1),
        with_uid(&mut kernel, one(), 2),
    );
    for (sender, target, expected) in [
        (root, other, Ok(())),
        (user, same, Ok(())),
        (user, user, Ok(())),
        (user, other, Err(Errno::NotPermitted)),
        (user, root, Err(Errno::NotPermitted)),
    ] {
        assert_eq!(kernel.kill(by(sender), target, TERM, None), expected, "{sender} {target}");
    }
    assert_eq!(kernel.kill(Sender::Outside, other, TERM, None), Ok(()));
}

/// K66.
#[test]
fn root_without_cap_kill_may_not_signal_other_users_but_for_cont() {
    let mut kernel = capless();
    let child = with_uid(&mut kernel, one(), 1);
    assert!(!kernel.init_may_signal(at(&kernel, child)));
    for signal in [TERM, Signal::KILL] {
        assert_eq!(kernel.kill(by(one()), child, signal, None), Err(Errno::NotPermitted));
    }
    assert_eq!(kernel.kill(by(one()), child, Signal::CONT, None), Ok(()));
}

/// K66.
#[test]
fn without_cap_kill_reaping_the_keys_and_the_teardown_work_as_ever() {
    let mut kernel = capless();
    let (first, second) = (with_uid(&mut kernel, one(), 1), with_uid(&mut kernel, one(), 1));
    for pid in [first, second] {
        kernel.setpgid(pid).unwrap();
    }
    kernel.foreground = first.number();
    kernel.press(Signal::INT);
    assert_eq!(run(&mut kernel, first), Delivery::Died);
    assert!(kernel.wait(one(), Some(first), false).is_ok());
    kernel.exit(one(), 0);
    assert_eq!(run(&mut kernel, second), Delivery::Died);
}

/// K68.
#[test]
fn another_user_may_not_signal_pid_1() {
    let mut kernel = container();
    let user = with_uid(&mut kernel, one(), 1);
    kernel.setsid(user).unwrap();
    assert_eq!(kernel.kill(by(user), one(), TERM, None), Err(Errno::NotPermitted));
}
