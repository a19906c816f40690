//! K18 to K24: masks, dispositions and what is pending, of any process.

use nix::errno::Errno;

use super::ground::observe::until_state;
use super::ground::signal::{
    DISPOSITIONS, DefaultAction, Disposition, all_signals, block, catchable, default_action,
    dispose, dispose_with, disposition, heard, pending, queue, send_to_own_thread, set, set_mask,
    take, take_all, unblock,
};
use super::ground::{
    clone, exec, exit, exited, experiment, fork, hear, kill, limit, own_pid, pid_1, pipe, stopped,
    tell, wait, waitpid,
};

#[test]
fn k018_kill_and_stop_can_be_neither_handled_nor_ignored_nor_blocked() {
    experiment(|| {
        for signal in [libc::SIGKILL, libc::SIGSTOP] {
            for wanted in DISPOSITIONS {
                assert_eq!(dispose_with(signal, wanted, 0), Err(Errno::EINVAL), "{wanted:?}");
            }
            assert_eq!(disposition(signal), (Disposition::Default, 0), "it may be asked for");
        }
        let both = set(&[libc::SIGKILL, libc::SIGSTOP]);
        block(both);
        assert_eq!(block(0), 0, "without a word");
        block(!0);
        assert_eq!(block(0), !both);
        set_mask(both);
        assert_eq!(block(0), 0);
    });
}

const TERM: i32 = libc::SIGTERM;
const USR1: i32 = libc::SIGUSR1;
const USR2: i32 = libc::SIGUSR2;
const CHLD: i32 = libc::SIGCHLD;
const CONT: i32 = libc::SIGCONT;
const HUP: i32 = libc::SIGHUP;

#[test]
fn k019_fork_keeps_mask_and_dispositions_and_nothing_that_is_pending() {
    experiment(|| {
        dispose_with(USR1, Disposition::Handled, libc::SA_NODEFER).expect("sigaction");
        dispose(USR2, Disposition::Ignored);
        block(set(&[TERM, USR2, 40]));
        kill(own_pid(), TERM).expect("kill");
        send_to_own_thread(40);
        assert_eq!(pending(), set(&[TERM, 40]));
        let child = fork(|| {
            assert_eq!(block(0), set(&[TERM, USR2, 40]));
            assert_eq!(disposition(USR1), (Disposition::Handled, libc::SA_NODEFER));
            assert_eq!(disposition(USR2).0, Disposition::Ignored);
            assert_eq!(disposition(TERM).0, Disposition::Default);
            assert_eq!(pending(), 0);
        });
        assert_eq!(wait(child), exited(0));
        assert_eq!(pending(), set(&[TERM, 40]));
    });
}

#[test]
fn k019_exec_keeps_mask_what_is_pending_and_what_is_ignored_and_no_handler_and_no_flag() {
    fn executed() {
        assert_eq!(block(0), set(&[TERM, USR2, 40]), "the mask");
        assert_eq!(pending(), set(&[TERM, 40]), "what is pending");
        for signal in catchable() {
            let expected = match signal {
                USR2 | HUP => Disposition::Ignored,
                _ => Disposition::Default,
            };
            assert_eq!(disposition(signal), (expected, 0), "{signal}");
        }
        // So the flag for no zombies is gone.
        let child = fork(|| exit(3));
        assert_eq!(wait(child), exited(3));
    }
    fn executed_with_chld_ignored() {
        assert_eq!(disposition(CHLD).0, Disposition::Ignored);
        let child = fork(|| exit(3));
        assert_eq!(waitpid(child, 0), Err(Errno::ECHILD), "no zombie");
    }
    experiment(|| {
        let before = fork(|| {
            dispose_with(USR1, Disposition::Handled, libc::SA_NODEFER).expect("sigaction");
            dispose_with(CHLD, Disposition::Default, libc::SA_NOCLDWAIT).expect("sigaction");
            dispose(USR2, Disposition::Ignored);
            dispose_with(HUP, Disposition::Ignored, libc::SA_RESTART).expect("sigaction");
            block(set(&[TERM, USR2, 40]));
            kill(own_pid(), TERM).expect("kill");
            send_to_own_thread(40);
            exec(executed);
        });
        assert_eq!(wait(before), exited(0));
        let before = fork(|| {
            dispose(CHLD, Disposition::Ignored);
            exec(executed_with_chld_ignored);
        });
        assert_eq!(wait(before), exited(0));
    });
}

#[test]
fn k019_a_pid_1_that_executes_another_program_stays_protected() {
    fn executed() {
        for signal in all_signals() {
            kill(1, signal).expect("kill of itself");
            let child = fork(|| kill(1, signal).expect("kill from inside"));
            assert_eq!(wait(child), exited(0));
        }
    }
    experiment(|| assert_eq!(wait(pid_1(|| exec(executed))), exited(0)));
}

#[test]
fn k020_clone_clear_sighand_resets_handlers_and_leaves_ignored_what_is_ignored() {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    experiment(|| {
        dispose(USR1, Disposition::Handled);
        dispose(USR2, Disposition::Ignored);
        block(set(&[TERM]));
        let child = clone(CLONE_CLEAR_SIGHAND, CHLD, None, || {
            assert_eq!(disposition(USR1), (Disposition::Default, 0));
            assert_eq!(disposition(USR2).0, Disposition::Ignored);
            assert_eq!(block(0), set(&[TERM]));
        });
        assert_eq!(wait(child.expect("clone3")), exited(0));
        assert_eq!(disposition(USR1).0, Disposition::Handled, "ours is as it was");
    });
}

#[test]
fn k021_a_standard_signal_is_pending_once_a_queue_with_the_first_value_and_real_time_ones_queue() {
    experiment(|| {
        block(!0);
        let me = own_pid();
        for signal in catchable().filter(|&s| s < 32) {
            for value in 1..=5 {
                queue(me, signal, value).expect("sigqueue");
            }
            let first = take(!0).expect("it is pending");
            assert_eq!((first.signal, first.value), (signal, 1), "the first value");
            assert_eq!(take(!0), None, "once");
            // The process's own queue and that of its thread.
            kill(me, signal).expect("kill");
            send_to_own_thread(signal);
            kill(me, signal).expect("kill");
            send_to_own_thread(signal);
            assert_eq!(take_all(!0), [signal; 2]);
        }
        for signal in [34, 40, 64] {
            for value in 1..=5 {
                queue(me, signal, value).expect("sigqueue");
            }
            for value in 1..=5 {
                let taken = take(!0).expect("it is pending");
                assert_eq!((taken.signal, taken.value), (signal, value), "in order");
            }
            assert_eq!(take(!0), None);
        }
    });
}

#[test]
fn k021_beyond_the_limit_a_real_time_signal_with_a_value_is_refused_and_no_other() {
    experiment(|| {
        limit(libc::RLIMIT_SIGPENDING, 0, 0);
        block(!0);
        let me = own_pid();
        assert_eq!(queue(me, 40, 7), Err(Errno::EAGAIN));
        assert_eq!(pending(), 0);
        kill(me, 40).expect("kill(2) succeeds all the same");
        let taken = take(!0).expect("and the signal is there");
        assert_eq!(
            (taken.signal, taken.pid, taken.code),
            (40, 0, libc::SI_USER),
            "its info is not"
        );
        for signal in catchable().filter(|&s| s < 32) {
            queue(me, signal, 7).expect("sigqueue");
            let taken = take(!0).expect("it is there");
            assert_eq!((taken.signal, taken.value), (signal, 0), "its value is not");
            kill(me, signal).expect("kill");
            assert_eq!(take_all(!0), [signal]);
        }
    });
}

#[test]
fn k022_faults_are_delivered_first_then_the_lowest_number_and_the_handler_of_the_last_runs_first() {
    experiment(|| {
        let me = own_pid();
        block(!0);
        let faults =
            [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];
        for signal in [64, 35, TERM, 34, USR1, 35, CHLD, HUP].into_iter().chain(faults) {
            kill(me, signal).expect("kill");
        }
        let taken = take_all(!0);
        assert_eq!(taken[..6], faults, "also those that are sent by kill(2)");
        assert_eq!(taken[6..], [HUP, USR1, TERM, CHLD, 34, 35, 35, 64]);
        // What is for the thread alone comes before what is for the process.
        kill(me, HUP).expect("kill");
        send_to_own_thread(TERM);
        assert_eq!(take_all(!0), [TERM, HUP]);
        for signal in [35, HUP, TERM, libc::SIGSEGV, USR1, 34] {
            dispose(signal, Disposition::Handled);
            kill(me, signal).expect("kill");
        }
        unblock(!0);
        assert_eq!(heard(), [35, 34, TERM, USR1, HUP, libc::SIGSEGV]);
    });
}

#[test]
fn k022_cont_and_term_to_a_stopped_process_run_the_handlers_of_cont_first_in_both_orders() {
    experiment(|| {
        for order in [[TERM, CONT], [CONT, TERM]] {
            let (ready, tell_ready) = pipe();
            let pid = fork(|| {
                dispose(TERM, Disposition::Handled);
                dispose(CONT, Disposition::Handled);
                tell(&tell_ready, 0);
                while heard().len() < 2 {
                    std::hint::spin_loop();
                }
                assert_eq!(heard(), [CONT, TERM]);
            });
            hear(&ready).expect("it has its handlers");
            kill(pid, libc::SIGSTOP).expect("kill");
            assert_eq!(waitpid(pid, libc::WUNTRACED), Ok((pid, stopped(libc::SIGSTOP))));
            for signal in order {
                kill(pid, signal).expect("kill");
            }
            assert_eq!(wait(pid), exited(0), "{order:?}");
        }
    });
}

#[test]
fn k023_what_is_to_be_ignored_from_now_on_is_no_longer_pending_even_if_it_is_blocked() {
    experiment(|| {
        block(!0);
        for signal in catchable() {
            let stays = |next| {
                dispose(signal, Disposition::Handled);
                kill(own_pid(), signal).expect("kill");
                send_to_own_thread(signal);
                assert_eq!(pending(), set(&[signal]));
                dispose(signal, next);
                let stays = pending() != 0;
                assert_eq!(take_all(!0).len(), if stays { 2 } else { 0 }, "{signal} {next:?}");
                stays
            };
            assert!(stays(Disposition::Handled), "{signal}");
            assert!(!stays(Disposition::Ignored), "{signal}");
            let ignored = default_action(signal) == DefaultAction::Ignore;
            assert_eq!(stays(Disposition::Default), !ignored, "{signal}");
        }
    });
}

#[test]
fn k024_chld_for_a_death_before_its_mask_or_handler_never_comes_and_the_child_can_be_reaped() {
    experiment(|| {
        for blocked in [false, true] {
            let status = wait(fork(|| {
                if blocked {
                    block(set(&[CHLD]));
                }
                let child = fork(|| exit(3));
                until_state(child, 'Z');
                dispose(CHLD, Disposition::Handled);
                block(set(&[CHLD]));
                assert_eq!(pending(), if blocked { set(&[CHLD]) } else { 0 });
                unblock(set(&[CHLD]));
                assert_eq!(heard(), vec![CHLD; usize::from(blocked)]);
                assert_eq!(waitpid(child, 0), Ok((child, exited(3))));
            }));
            assert_eq!(status, exited(0), "blocked {blocked}");
        }
    });
}
