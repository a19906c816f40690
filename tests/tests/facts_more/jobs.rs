//! K69 to K72: process groups, and what becomes of those whom nobody looks after.
//!
//! PID 1 of the ground leads a session and a group, both of the number 1; its parent is outside.

use libc::{
    SIGCONT as CONT, SIGHUP as HUP, SIGKILL as KILL, SIGSTOP as STOP, SIGTSTP as TSTP,
    SIGTTIN as TTIN, SIGTTOU as TTOU,
};
use nix::errno::Errno::{EACCES, EINVAL, EPERM, ESRCH};
use nix::unistd::{Pid, getpgid, setsid};

use crate::ground::{
    Shared, become_shell, by, ends_or_stops, fork, ground, own_group, own_session, reap, setpgid,
    stay, stayer, stopped, until, until_shell, zombie,
};
use crate::proc::{parent, pending, state};
use crate::pty::Pty;
use crate::signals::{Tally, kill, set_mask, unblock_all};

/// A signal that is delivered after all that can stop, and tells by its handler.
const MARK: i32 = 40;

fn group_of(pid: i32) -> i32 {
    getpgid(Some(Pid::from_raw(pid))).expect("its group").as_raw()
}

#[test]
fn k069_setpgid_is_for_oneself_and_children_before_exec_within_the_session() {
    ground(|| {
        let child = stayer(|| ());
        assert_eq!(setpgid(child, child), Ok(()));
        let second = stayer(|| ());
        assert_eq!(setpgid(second, child), Ok(()));
        assert_eq!((group_of(child), group_of(second)), (child, child));
        assert_eq!(setpgid(second, 3999), Err(EPERM), "there is no such group");
        assert_eq!(setpgid(second, -1), Err(EINVAL));

        let shell = fork(|| become_shell());
        until_shell(shell);
        assert_eq!(setpgid(shell, shell), Err(EACCES));

        let leader = stayer(own_session);
        assert_eq!(setpgid(leader, leader), Err(EPERM), "it leads a session");
        assert_eq!(setpgid(second, leader), Err(EPERM), "a group of another session");
        let adopted = Shared::new();
        let father = fork(|| {
            own_session();
            adopted.set(stayer(|| ()));
        });
        assert_eq!(reap(father), 0);
        assert_eq!(parent(adopted.get()), 1);
        assert_eq!(setpgid(adopted.get(), 0), Err(EPERM), "a child of another session");

        let grandchild = Shared::new();
        stayer(|| grandchild.set(stayer(|| ())));
        assert_eq!(setpgid(grandchild.get(), 0), Err(ESRCH), "no child");
        assert_eq!(by(|| (), || setpgid(child, 0)), Err(ESRCH), "a sibling");
        let dead = zombie(0);
        assert_eq!(setpgid(dead, dead), Ok(()));
        assert_eq!(group_of(dead), dead);
        assert_eq!(reap(dead), 0);
        assert_eq!(setpgid(dead, dead), Err(ESRCH));
    });
}

#[test]
fn k069_a_session_leader_gets_no_group_and_a_group_leader_no_session() {
    ground(|| {
        assert_eq!(by(own_session, || setpgid(0, 0)), Err(EPERM));
        assert_eq!(by(own_group, || setsid().map(drop)), Err(EPERM));
        assert_eq!(by(own_session, || setsid().map(drop)), Err(EPERM));
        assert_eq!(by(|| (), || setsid().map(drop)), Ok(()));
        // The number of a group makes no session even if its process has left the group.
        let group = Shared::new();
        let leaver = fork(|| {
            own_group();
            let own = nix::unistd::getpid().as_raw();
            let member = stayer(|| ());
            assert_eq!(group_of(member), own);
            setpgid(0, group.wait()).expect("a group");
            assert_eq!(setsid(), Err(EPERM));
            kill(member, KILL).expect("KILL");
            assert_eq!(reap(member), KILL);
            assert_eq!(setsid().map(Pid::as_raw), Ok(own));
        });
        group.set(stayer(own_group));
        assert_eq!(reap(leaver), 0);
    });
}

/// Does a child that has set itself up so stop by that signal, at default? If not, it was discarded.
fn stops(setup: impl FnOnce(), signal: i32) -> bool {
    let tally = Tally::new();
    let pid = stayer(|| {
        setup();
        tally.handle(MARK);
        unblock_all();
    });
    let result = is_stopped_by(pid, tally, signal);
    kill(pid, KILL).expect("KILL");
    assert_eq!(reap(pid), KILL);
    result
}

/// The same for a process that there is.
fn is_stopped_by(pid: i32, tally: Tally, signal: i32) -> bool {
    kill(pid, signal).expect("a signal");
    kill(pid, MARK).expect("a signal");
    until("it stops or goes on", || state(pid) == 'T' || tally.of(MARK) == 1);
    let is_stopped = state(pid) == 'T';
    assert_ne!(is_stopped, tally.of(MARK) == 1, "one or the other");
    is_stopped
}

#[test]
fn k070_a_group_is_orphaned_if_no_member_has_a_parent_in_its_session_and_another_group() {
    ground(|| {
        assert!(!stops(|| (), TSTP), "in PID 1's group, whose parent is outside");
        assert!(stops(own_group, TSTP), "in one of its own");
        assert!(!stops(own_session, TSTP), "in a session of its own");
        // Its own parent is of its group, but the leader's is of the session.
        for leader_stays in [true, false] {
            let (member, tally, go) = (Shared::new(), Tally::new(), Shared::new());
            let outer = fork(|| {
                own_session();
                fork(|| {
                    own_group();
                    member.set(stayer(|| {
                        tally.handle(MARK);
                        unblock_all();
                    }));
                    go.wait();
                });
                stay()
            });
            let father = parent(member.wait());
            if !leader_stays {
                go.set(1);
                until("the leader of its group is dead", || state(father) == 'Z');
                assert_eq!(parent(member.get()), 1, "of another session");
            }
            assert_eq!(is_stopped_by(member.get(), tally, TSTP), leader_stays);
            kill(outer, KILL).expect("KILL");
            assert_eq!(reap(outer), KILL);
        }
    });
}

/// A session whose leader has a child, that dies, and then is a zombie. It has a job of two
/// processes, itself in the job if `within`; if `stopped`, the first of the job is. The two.
fn job_whose_father_dies(within: bool, stopped: bool) -> [i32; 2] {
    let (first, second, father, go) = (Shared::new(), Shared::new(), Shared::new(), Shared::new());
    fork(|| {
        own_session();
        father.set(fork(|| {
            own_group();
            first.set(stayer(|| {
                if !within {
                    own_group();
                }
            }));
            let group = group_of(first.get());
            second.set(stayer(|| setpgid(0, group).expect("a group")));
            if stopped {
                kill(first.get(), STOP).expect("STOP");
                until("it is stopped", || state(first.get()) == 'T');
            }
            go.wait();
        }));
        stay()
    });
    let both = [first.wait(), second.wait()];
    until("one is stopped", || !stopped || state(both[0]) == 'T');
    assert_eq!(both.map(pending), [vec![], vec![]]);
    go.set(1);
    // What his death brings about is done before he is a zombie.
    until("the father is dead", || state(father.wait()) == 'Z');
    both
}

#[test]
fn k071_a_group_that_becomes_orphaned_with_a_stopped_member_gets_hup_and_cont_and_otherwise_nothing()
 {
    ground(|| {
        // By the death of who looked after it, or of the member that was looked after.
        for within in [false, true] {
            let both = job_whose_father_dies(within, true);
            assert_eq!(both.map(pending), [vec![HUP, CONT], vec![HUP, CONT]]);
            until("it goes on", || state(both[0]) == 'S');
            let both = job_whose_father_dies(within, false);
            assert_eq!(both.map(pending), [vec![], vec![]]);
        }
    });
}

#[test]
fn k072_in_an_orphaned_group_the_stops_of_the_terminal_are_discarded_and_stop_is_not() {
    ground(|| {
        for signal in [TSTP, TTIN, TTOU, STOP] {
            assert_eq!(stops(own_session, signal), signal == STOP, "orphaned: {signal}");
            assert!(stops(own_group, signal), "not orphaned: {signal}");
        }
    });
}

#[test]
fn k072_the_stop_key_does_nothing_in_pid_1s_group_and_stops_a_foreground_group_of_its_own() {
    ground(|| {
        set_mask(&[TTOU]);
        let pty = Pty::new();
        pty.acquire(false).expect("a terminal");
        let tally = Tally::new();
        let same = stayer(|| {
            tally.handle(MARK);
            unblock_all();
        });
        pty.types("\x1a");
        pty.wait_for("^Z");
        kill(same, MARK).expect("a signal");
        until("it has not stopped", || tally.of(MARK) == 1);
        let own = stayer(|| {
            own_group();
            unblock_all();
        });
        pty.set_foreground(own).expect("the foreground");
        pty.types("\x1a");
        assert_eq!(ends_or_stops(own), stopped(TSTP));
        assert_eq!(state(own), 'T', "until somebody continues it");
        kill(own, CONT).expect("CONT");
        until("it goes on", || state(own) == 'S');
    });
}
