//! K42 to K51 and K66: whom kill(2) reaches, what it returns, and who may.
//!
//! Not here: that a pass over /proc misses some of those who fork, and that a signal to one
//! process misses a fork under way (K50): both are chances, and a test of them could only hope.

use std::fs;

use libc::{SIGCONT as CONT, SIGKILL as KILL, SIGTERM as TERM, SIGUSR1 as USR1, SIGUSR2 as USR2};
use nix::errno::Errno::{EAGAIN, ECHILD, EINVAL, EPERM, ESRCH};
use nix::unistd::{Pid, getpgrp, getppid, getsid};

use crate::cgroup::Cgroup;
use crate::ground::{
    Shared, become_user, by, drop_cap_kill, enter, exit, exited, fork, ground, namespace,
    namespace_of, numbered, own_group, own_session, reap, setpgid, stay, stayer, try_fork,
    try_wait, until, wait_any, zombie,
};
use crate::proc::{number, pending, state};
use crate::pty::Pty;
use crate::signals::{Tally, kill, kill_all, unblock_all};

/// Somebody who is not root.
const USER: u32 = 41_000;

fn as_user() {
    become_user(USER, USER, USER);
}

/// Ends a child and reaps it.
fn end(pid: i32) {
    kill(pid, KILL).expect("KILL");
    assert_eq!(reap(pid), KILL);
}

#[test]
fn k042_a_zombie_counts_against_the_limit_of_its_control_group_until_it_is_reaped() {
    ground(|| {
        let group = Cgroup::limiting();
        let outcome = Shared::new();
        let go = Shared::new();
        let forks = fork(|| {
            go.wait();
            let child = zombie(0);
            let while_it_is_there = try_fork(|| ()).err();
            reap(child);
            let afterwards = try_fork(|| ()).map(reap);
            assert_eq!((while_it_is_there, afterwards), (Some(EAGAIN), Ok(0)));
            outcome.set(1);
        });
        group.add(forks);
        group.write("pids.max", "2");
        go.set(1);
        assert_eq!(reap(forks), 0);
        assert_eq!(outcome.get(), 1);
    });
}

#[test]
fn k042_a_zombie_counts_against_the_limit_of_its_user_until_it_is_reaped() {
    const LIMITED_USER: u32 = 41_001;
    ground(|| {
        let forks = fork(|| {
            let limit = libc::rlimit { rlim_cur: 2, rlim_max: 2 };
            // SAFETY: the limit is ours.
            let result = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
            assert_eq!(result, 0);
            become_user(LIMITED_USER, LIMITED_USER, LIMITED_USER);
            let child = zombie(0);
            assert_eq!(try_fork(|| ()), Err(EAGAIN));
            reap(child);
            assert_eq!(try_fork(|| ()).map(reap), Ok(0));
        });
        assert_eq!(reap(forks), 0);
    });
}

/// The table of section D, but for its rows that are facts of their own.
#[test]
fn k043_what_kill_returns_for_each_kind_of_pid_and_whom_it_reaches() {
    ground(|| {
        let thread = Shared::new();
        let process = stayer(|| {
            std::thread::spawn(move || {
                // SAFETY: a number only.
                thread.set(unsafe { libc::gettid() });
                stay();
            });
        });
        assert_ne!(thread.wait(), process);
        assert_eq!(kill(process, USR1), Ok(()));
        assert_eq!(kill(thread.get(), USR2), Ok(()), "the pid of a thread is as good");
        assert_eq!(pending(process), [USR1, USR2], "and both are for the whole process");
        assert_eq!(kill(thread.get(), KILL), Ok(()));
        assert_eq!(reap(process), KILL);
        assert_eq!(kill(process, 0), Err(ESRCH), "it is reaped");
        let dead = zombie(0);
        assert_eq!(kill(dead, TERM), Ok(()));
        assert_eq!(reap(dead), 0);
        assert_eq!(kill(i32::MIN, TERM), Err(ESRCH));
        assert_eq!(kill(1, 65), Err(EINVAL));
        assert_eq!(kill(1, -1), Err(EINVAL));
        assert_eq!(kill(dead, 65), Err(ESRCH), "a missing target is told before a wrong signal");
    });
}

#[test]
fn k043_kill_of_all_fails_only_if_nobody_else_exists_and_tells_of_no_refusal() {
    ground(|| {
        assert_eq!(kill_all(0), Err(ESRCH));
        assert_eq!(kill_all(TERM), Err(ESRCH));
        let dead = zombie(0);
        assert_eq!(kill_all(0), Ok(()));
        assert_eq!(kill_all(TERM), Ok(()));
        reap(dead);
        assert_eq!(kill_all(TERM), Err(ESRCH));
        let other = stayer(as_user);
        drop_cap_kill();
        assert_eq!(kill(other, TERM), Err(EPERM));
        assert_eq!(kill_all(TERM), Ok(()));
        assert_eq!(pending(other), []);
    });
}

#[test]
fn k044_kill_of_a_group_succeeds_if_it_reached_one_and_is_denied_only_by_all() {
    ground(|| {
        let leader = stayer(own_group);
        let denied = stayer(|| {
            setpgid(0, leader).expect("a group");
            as_user();
        });
        let without = |group: i32| by(drop_cap_kill, || kill(-group, TERM));
        assert_eq!(without(leader), Ok(()));
        assert_eq!(pending(leader), [TERM]);
        assert_eq!(pending(denied), []);
        end(leader);
        assert_eq!(without(leader), Err(EPERM));
        assert_eq!(pending(denied), []);
        assert_eq!(kill(-leader, USR1), Ok(()), "it outlives its leader, who is reaped");
        assert_eq!(pending(denied), [USR1]);
        kill(denied, KILL).expect("KILL");
        until("it is a zombie", || state(denied) == 'Z');
        assert_eq!(without(leader), Err(EPERM), "a group of a zombie");
        assert_eq!(kill(-leader, TERM), Ok(()), "a group of a zombie");
        assert_eq!(reap(denied), KILL);
        assert_eq!(kill(-leader, TERM), Err(ESRCH), "an empty one");
    });
}

#[test]
fn k044_a_signal_to_a_group_that_is_not_there_yet_is_lost() {
    ground(|| {
        let (go, gone) = (Shared::new(), Shared::new());
        let child = fork(|| {
            go.wait();
            own_group();
            gone.set(1);
            stay()
        });
        assert_eq!(kill(-child, TERM), Err(ESRCH));
        go.set(1);
        gone.wait();
        assert_eq!(pending(child), []);
        assert_eq!(kill(-child, TERM), Ok(()));
        assert_eq!(pending(child), [TERM]);
    });
}

#[test]
fn k045_kill_of_the_own_group_leaves_the_container_of_a_pid_1_without_a_group_of_its_own() {
    ground(|| {
        let launcher = fork(|| {
            own_session();
            let own = number();
            let init = namespace(|| {
                assert_eq!((getpgrp().as_raw(), getsid(None).map(Pid::as_raw)), (0, Ok(0)));
                assert_eq!(kill(0, USR1), Ok(()));
                assert_eq!(pending(own), [USR1], "the launcher is outside");
                assert_eq!(kill(-getpgrp().as_raw(), USR2), Ok(()));
                assert_eq!(pending(own), [USR1, USR2], "the same call");
                own_group();
                assert_eq!(getpgrp().as_raw(), 1);
                assert_eq!(kill(0, TERM), Ok(()));
                assert_eq!(pending(own), [USR1, USR2]);
                assert_eq!(pending(number()), [USR1, USR2, TERM]);
                assert_eq!(nix::unistd::setsid(), Err(EPERM), "too late");
            });
            assert_eq!(reap(init), 0);
            let init = namespace(|| {
                own_session();
                assert_eq!((getpgrp().as_raw(), getsid(None).map(Pid::as_raw)), (1, Ok(1)));
                assert_eq!(kill(0, TERM), Ok(()));
            });
            assert_eq!(reap(init), 0);
            assert_eq!(pending(own), [USR1, USR2, libc::SIGCHLD]);
        });
        assert_eq!(reap(launcher), 0);
    });
}

#[test]
fn k046_kill_of_all_spares_the_caller_and_pid_1_and_kill_of_the_own_group_spares_nobody() {
    ground(|| {
        let tally = Tally::new();
        tally.handle(USR1);
        tally.handle(USR2);
        let caller = fork(|| {
            own_group();
            let own = number();
            let other = stayer(|| ());
            assert_eq!(kill_all(USR1), Ok(()));
            assert_eq!((pending(own), pending(other)), (vec![], vec![USR1]));
            assert_eq!(kill(0, TERM), Ok(()));
            assert_eq!((pending(own), pending(other)), (vec![TERM], vec![USR1, TERM]));
            assert_eq!(kill(-own, CONT), Ok(()));
            assert_eq!(pending(own), [TERM, CONT]);
            assert_eq!(pending(other), [USR1, TERM, CONT]);
            assert_eq!(kill(1, USR2), Ok(()));
        });
        until("the signal to PID 1 itself is handled", || tally.of(USR2) == 1);
        // Of a lower number and sent before: it would have been handled by now.
        assert_eq!(tally.of(USR1), 0);
        assert_eq!(reap(caller), 0);
        assert_eq!(tally.of(USR1), 0);
    });
}

#[test]
fn k047_kill_of_all_reaches_nested_namespaces_one_by_one_whose_pid_1_dies_of_kill_only() {
    ground(|| {
        let (first, second, status) = (Shared::new(), Shared::new(), Shared::new());
        let nested = namespace(|| {
            let life = |own: Shared| {
                let child = fork(|| {
                    unblock_all();
                    own.set(number());
                    stay()
                });
                own.wait();
                child
            };
            unblock_all();
            status.set(reap(life(first)));
            life(second);
            stay()
        });
        first.wait();
        assert_eq!(kill_all(TERM), Ok(()));
        assert_eq!(status.wait(), TERM, "the child of the nested PID 1");
        let second = second.wait();
        assert_eq!((try_wait(nested, 0), pending(nested)), (None, vec![]), "who goes on");
        assert_ne!(state(second), '-');
        assert_eq!(kill_all(KILL), Ok(()));
        assert_eq!(reap(nested), KILL);
        assert_eq!(state(second), '-', "its namespace is gone with it");
    });
}

#[test]
fn k048_who_entered_is_reached_by_kill_of_all_and_stays_its_outside_parents_zombie() {
    ground(|| {
        let (entered, dead, reaped, over) =
            (Shared::new(), Shared::new(), Shared::new(), Shared::new());
        let init = namespace(|| {
            let pid = entered.wait();
            assert_eq!(wait_any(), Err(ECHILD), "it is no child");
            assert_eq!(kill_all(USR1), Ok(()));
            assert_eq!(pending(pid), [USR1]);
            assert_eq!(kill_all(KILL), Ok(()));
            until("it is a zombie", || state(pid) == 'Z');
            assert_eq!(wait_any(), Err(ECHILD));
            assert_eq!(kill_all(0), Ok(()), "though nobody lives");
            dead.set(1);
            reaped.wait();
            assert_eq!(kill_all(0), Err(ESRCH));
            over.set(1);
        });
        let life = || {
            assert_eq!(getppid().as_raw(), 0);
            entered.set(number());
            stay()
        };
        let pid = enter(&namespace_of(init), life).expect("a process");
        dead.wait();
        assert_eq!(reap(pid), KILL);
        reaped.set(1);
        assert_eq!(reap(init), 0);
        assert_eq!(over.get(), 1);
    });
}

#[test]
fn k049_kill_of_all_by_who_is_not_pid_1_hits_everybody_whom_it_may_signal() {
    ground(|| {
        let stranger = stayer(own_session);
        let of_user = stayer(|| {
            own_session();
            as_user();
        });
        let ordinary = |setup: fn(), signal| {
            by(setup, || {
                assert_ne!(nix::unistd::getpid().as_raw(), 1);
                nix::sys::prctl::set_child_subreaper(true).expect("a subreaper");
                kill_all(signal)
            })
        };
        assert_eq!(ordinary(|| (), USR1), Ok(()));
        assert_eq!((pending(stranger), pending(of_user)), (vec![USR1], vec![USR1]));
        assert_eq!(ordinary(as_user, USR2), Ok(()));
        assert_eq!((pending(stranger), pending(of_user)), (vec![USR1], vec![USR1, USR2]));
    });
}

#[test]
fn k050_one_pass_of_kill_leaves_nobody_who_forks_all_the_time() {
    // Each process forks its successor and ends: whoever is missed goes on for ever.
    fn chain(links: Shared) {
        unblock_all();
        loop {
            links.add(1);
            // SAFETY: the child goes on as we would have done.
            match unsafe { libc::fork() } {
                0 => (),
                _ => exit(0),
            }
        }
    }
    const CHAINS: i32 = 3;
    ground(|| {
        for round in 0..40 {
            let signal = if round % 2 == 0 { KILL } else { TERM };
            let links = Shared::new();
            let leader = fork(|| {
                own_group();
                for _ in 0..CHAINS {
                    fork(|| chain(links));
                }
            });
            // Its signals are blocked: as long as it is there it could begin another chain.
            until("all chains have begun", || state(leader) == 'Z');
            let begun = links.get();
            until("they run", || links.get() > begun + CHAINS * 10);
            let passed = if round % 4 < 2 { kill_all(signal) } else { kill(-leader, signal) };
            assert_eq!(passed, Ok(()));
            until("nobody is left", || {
                while wait_any().is_ok_and(|pid| pid > 0) {}
                wait_any() == Err(ECHILD)
            });
        }
    });
}

#[test]
fn k050_a_signal_to_one_process_reaches_none_that_it_has_forked() {
    ground(|| {
        let child = Shared::new();
        let parent = stayer(|| child.set(stayer(|| ())));
        assert_eq!(kill(parent, TERM), Ok(()));
        assert_eq!((pending(parent), pending(child.get())), (vec![TERM], vec![]));
    });
}

#[test]
fn k051_cont_may_be_sent_within_the_session_whatever_the_users() {
    ground(|| {
        let same = stayer(own_group);
        let other = stayer(own_session);
        for pid in [same, other] {
            kill(pid, libc::SIGSTOP).expect("STOP");
            until("it is stopped", || state(pid) == 'T');
        }
        let user = |pid, signal| by(as_user, || kill(pid, signal));
        assert_eq!(user(same, CONT), Ok(()));
        until("it goes on", || state(same) == 'S');
        assert_eq!(user(same, TERM), Err(EPERM));
        assert_eq!(user(other, CONT), Err(EPERM));
        assert_eq!(user(other, TERM), Err(EPERM));
        assert_eq!(state(other), 'T');
    });
}

#[test]
fn k066_root_without_cap_kill_may_not_signal_other_users_but_for_cont_in_its_session() {
    ground(|| {
        let same = stayer(as_user);
        let other = stayer(|| {
            own_session();
            as_user();
        });
        let without = |pid, signal| by(drop_cap_kill, || kill(pid, signal));
        assert_eq!(without(same, TERM), Err(EPERM));
        assert_eq!(without(same, KILL), Err(EPERM));
        assert_eq!(without(same, CONT), Ok(()));
        assert_eq!(without(other, CONT), Err(EPERM));
        assert_eq!((pending(same), pending(other)), (vec![CONT], vec![]));
    });
}

#[test]
fn k066_a_user_may_signal_whose_real_or_saved_user_it_is_and_not_whose_effective_one() {
    ground(|| {
        let users = [
            ((0, 0, 0), Err(EPERM)),
            ((0, USER, 0), Err(EPERM)),
            ((0, 0, USER), Ok(())),
            ((USER, 0, 0), Ok(())),
        ];
        for ((real, effective, saved), result) in users {
            let target = stayer(|| become_user(real, effective, saved));
            let got = by(as_user, || kill(target, TERM));
            assert_eq!(got, result, "real {real}, effective {effective}, saved {saved}");
        }
    });
}

#[test]
fn k066_a_user_may_signal_its_program_with_the_set_user_id_bit_of_root() {
    ground(|| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
        fs::copy("/bin/sleep", "/tmp/sleep").expect("a copy");
        fs::set_permissions("/tmp/sleep", mode).expect("chmod");
        let program = fork(|| {
            as_user();
            let words = [c"sleep", c"1000"];
            panic!("{:?}", nix::unistd::execv(c"/tmp/sleep", &words));
        });
        let users = format!("Uid:\t{USER}\t0\t0\t0\n");
        let status = format!("/proc/{program}/status");
        until("it is root's", || fs::read_to_string(&status).expect("/proc").contains(&users));
        assert_eq!(by(as_user, || kill(program, TERM)), Ok(()));
        assert_eq!(pending(program), [TERM]);
    });
}

#[test]
fn k066_without_cap_kill_reaping_the_keys_and_the_teardown_work_as_ever() {
    ground(|| {
        let pty = Pty::new();
        let (child, done) = (Shared::new(), Shared::new());
        let init = namespace(|| {
            own_session();
            pty.acquire(false).expect("a terminal");
            let (pid, seen) = numbered(|| {
                own_group();
                as_user();
            });
            child.set(seen);
            pty.set_foreground(pid).expect("the foreground");
            let dies = fork(|| {
                as_user();
                exit(3)
            });
            drop_cap_kill();
            assert_eq!(kill(pid, TERM), Err(EPERM));
            assert_eq!(reap(dies), exited(3));
            pty.types("\x03");
            until("the key has reached it", || pending(seen) == [libc::SIGINT]);
            done.set(1);
            exit(5)
        });
        assert_eq!(reap(init), exited(5));
        assert_eq!((done.get(), state(child.get())), (1, '-'));
    });
}
