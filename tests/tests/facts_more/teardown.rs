//! K58 to K60: what happens when PID 1 ends.
//!
//! Not here: in which order everybody is killed (K58), which nothing shows.

use std::os::fd::OwnedFd;

use lastout_tests::container::pipe;
use libc::{SIGCHLD as CHLD, SIGKILL as KILL, SIGSTOP as STOP, SIGTRAP as TRAP};
use nix::errno::Errno::ENOMEM;
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::cgroup::{Cgroup, Freezer};
use crate::ground::{
    Shared, become_user, enter, exit, exited, fork, ground, namespace, namespace_of, numbered,
    own_session, reap, stay, stayer, stopped, try_fork, try_wait, until, zombie,
};
use crate::proc::{number, signals_of, sleeps_in, state};
use crate::signals::{Tally, disposition, kill, unblock_all};

/// Have all who could write to this pipe gone? Asks once.
fn is_over(reader: &OwnedFd) -> bool {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("fcntl");
    nix::unistd::read(reader, &mut [0]) == Ok(0)
}

/// Is that PID 1 on its way out, and waits?
fn waits_at_its_end(init: i32) -> bool {
    sleeps_in(init, libc::SYS_exit_group)
}

#[test]
fn k058_the_end_of_pid_1_kills_everybody_before_it_is_told_of_whatever_they_are_and_do() {
    ground(|| {
        let (reader, writer) = pipe();
        let (ready, go) = (Shared::new(), Shared::new());
        let init = namespace(|| {
            stayer(|| ());
            stayer(own_session);
            stayer(|| become_user(41_000, 41_000, 41_000));
            stayer(|| (1..=64).for_each(|signal| disposition(signal, libc::SIG_IGN)));
            stayer(|| {
                let tally = Tally::new();
                (1..=64).for_each(|signal| tally.handle(signal));
                unblock_all();
            });
            let (pid, seen) = numbered(|| ());
            kill(pid, STOP).expect("STOP");
            until("it is stopped", || state(seen) == 'T');
            let nested = Shared::new();
            namespace(|| {
                nested.set(stayer(|| ()));
                stay()
            });
            nested.wait();
            zombie(7);
            ready.set(1);
            go.wait();
            exit(5)
        });
        ready.wait();
        let entered = enter(&namespace_of(init), || stay()).expect("a process");
        drop(writer);
        assert!(!is_over(&reader));
        go.set(1);
        assert_eq!(reap(entered), KILL);
        assert_eq!(reap(init), 0x500);
        assert!(is_over(&reader), "somebody is left");
    });
}

#[test]
fn k058_no_process_is_made_any_more_in_the_namespace_of_a_dead_pid_1() {
    ground(|| {
        let init = namespace(|| stay());
        let namespace = namespace_of(init);
        kill(init, KILL).expect("KILL");
        assert_eq!(reap(init), KILL);
        for _ in 0..3 {
            assert_eq!(enter(&namespace, || ()), Err(ENOMEM));
        }
        // Who has unshared and lost its first child is as badly off.
        let launcher = fork(|| {
            unshare(CloneFlags::CLONE_NEWPID).expect("a PID namespace");
            assert_eq!(reap(fork(|| exit(3))), exited(3));
            assert_eq!(try_fork(|| ()), Err(ENOMEM));
        });
        assert_eq!(reap(launcher), 0);
    });
}

#[test]
fn k058_on_its_way_out_pid_1_ignores_chld_and_no_process_is_made() {
    ground(|| {
        let go = Shared::new();
        let init = namespace(|| {
            Tally::new().handle(CHLD);
            go.wait();
            exit(5)
        });
        let namespace = namespace_of(init);
        let entered = enter(&namespace, || stay()).expect("a process");
        assert!(!signals_of(init, "SigIgn:").contains(&CHLD));
        go.set(1);
        until("it waits at its end", || waits_at_its_end(init));
        assert!(signals_of(init, "SigIgn:").contains(&CHLD));
        assert_eq!(enter(&namespace, || ()), Err(ENOMEM));
        assert_eq!(reap(entered), KILL);
        assert_eq!(reap(init), exited(5));
    });
}

#[test]
fn k059_pid_1_is_not_dead_before_who_entered_is_reaped_outside() {
    ground(|| {
        let go = Shared::new();
        let init = namespace(|| {
            go.wait();
            exit(5)
        });
        let entered = enter(&namespace_of(init), || stay()).expect("a process");
        go.set(1);
        until("who entered is a zombie", || state(entered) == 'Z');
        until("PID 1 waits", || waits_at_its_end(init));
        assert_eq!(try_wait(init, 0), None);
        assert_eq!(reap(entered), KILL);
        assert_eq!(reap(init), exited(5));
    });
}

/// A PID 1 with a child that a process outside, the caller, traces; ends at `go`.
fn with_a_traced_child(go: Shared, options: Options) -> (i32, Pid) {
    let child = Shared::new();
    let init = namespace(|| {
        child.set(numbered(|| ()).1);
        go.wait();
        exit(5)
    });
    let child = Pid::from_raw(child.wait());
    ptrace::seize(child, options).expect("seize");
    (init, child)
}

#[test]
fn k059_pid_1_is_not_dead_before_a_debugger_has_waited_for_a_dead_process() {
    ground(|| {
        let go = Shared::new();
        let (init, child) = with_a_traced_child(go, Options::empty());
        go.set(1);
        until("the child is a zombie", || state(child.as_raw()) == 'Z');
        until("PID 1 waits", || waits_at_its_end(init));
        assert_eq!(try_wait(init, 0), None);
        assert_eq!(reap(child.as_raw()), KILL);
        assert_eq!(reap(init), exited(5));
    });
}

#[test]
fn k059_pid_1_is_not_dead_before_a_debugger_has_let_go_of_who_is_about_to_exit() {
    ground(|| {
        let go = Shared::new();
        let (init, child) = with_a_traced_child(go, Options::PTRACE_O_TRACEEXIT);
        go.set(1);
        until("the child is held", || state(child.as_raw()) == 't');
        until("PID 1 waits", || waits_at_its_end(init));
        assert_eq!(try_wait(init, 0), None);
        let event = stopped(TRAP | libc::PTRACE_EVENT_EXIT << 8);
        assert_eq!(reap(child.as_raw()), event);
        assert_eq!(try_wait(init, 0), None);
        ptrace::cont(child, None).expect("cont");
        assert_eq!(reap(child.as_raw()), KILL);
        assert_eq!(reap(init), exited(5));
    });
}

#[test]
fn k059_pid_1_is_not_dead_before_who_cannot_die_now() {
    ground(|| {
        let group = Cgroup::frozen_by(Freezer::Version1);
        let (go, child) = (Shared::new(), Shared::new());
        let init = namespace(|| {
            child.set(numbered(|| ()).1);
            go.wait();
            exit(5)
        });
        group.add(child.wait());
        group.freeze();
        go.set(1);
        until("PID 1 waits", || waits_at_its_end(init));
        assert_eq!(state(child.get()), 'D');
        assert_eq!(try_wait(init, 0), None);
        group.thaw();
        assert_eq!(reap(init), exited(5));
    });
}

#[test]
fn k060_a_pid_1_that_is_killed_from_outside_takes_everybody_along_with_status_9() {
    ground(|| {
        let (reader, writer) = pipe();
        let ready = Shared::new();
        let init = namespace(|| {
            stayer(|| ());
            stayer(own_session);
            ready.set(1);
            stay()
        });
        drop(writer);
        ready.wait();
        assert!(!is_over(&reader));
        kill(init, KILL).expect("KILL");
        assert_eq!(reap(init), 9);
        assert!(is_over(&reader), "somebody is left");
    });
}

#[test]
fn k060_the_status_of_pid_1_is_its_own_however_the_others_end() {
    ground(|| {
        let init = namespace(|| {
            zombie(77);
            reap(zombie(78));
            stayer(|| ());
            fork(|| exit(79));
            exit(6)
        });
        assert_eq!(reap(init), exited(6));
    });
}

#[test]
fn k060_a_pid_1_whose_first_thread_has_ended_goes_on_and_reaps() {
    ground(|| {
        let (reaped, go) = (Shared::new(), Shared::new());
        let init = namespace(|| {
            let own = number();
            std::thread::spawn(move || {
                until("the first thread is over", || state(own) == 'Z');
                // The orphan cannot end before its father.
                let (orphan, seen) = (Shared::new(), Shared::new());
                let father = fork(|| {
                    orphan.set(fork(|| {
                        until("it is adopted", || nix::unistd::getppid().as_raw() == 1);
                        exit(8)
                    }));
                    seen.set(1);
                });
                seen.wait();
                assert_eq!(reap(father), 0);
                assert_eq!(reap(orphan.get()), exited(8));
                reaped.set(1);
                go.wait();
                exit(6)
            });
            // SAFETY: this thread only; its stack is not freed.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        reaped.wait();
        assert_eq!(state(init), 'Z');
        assert_eq!(try_wait(init, 0), None, "it is none to its parent");
        go.set(1);
        assert_eq!(reap(init), exited(6));
    });
}
