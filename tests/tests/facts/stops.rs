//! K25 to K29: stopping and continuing, and what parents are told of it.

use nix::errno::Errno;

use super::ground::observe::{pending_of, state, until, until_asleep_in, until_state};
use super::ground::signal::{
    DISPOSITIONS, Disposition, Set, block, dispose, dispose_with, heard, pending, set, take,
    unblock,
};
use super::ground::{
    CONTINUED, end, exited, experiment, fork, hear, kill, killed, own_group, own_pid, pipe, rest,
    stopped, tell, wait, waitpid,
};

const TERM: i32 = libc::SIGTERM;
const CHLD: i32 = libc::SIGCHLD;
const CONT: i32 = libc::SIGCONT;
const STOP: i32 = libc::SIGSTOP;
const KILL: i32 = libc::SIGKILL;
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// A child that has done the first and is about to do the second.
fn child(first: impl FnOnce(), second: impl FnOnce()) -> i32 {
    let (ready, tell_ready) = pipe();
    let pid = fork(|| {
        own_group();
        first();
        tell(&tell_ready, 0);
        second();
    });
    hear(&ready).expect("it is ready");
    pid
}

fn stop(pid: i32) {
    kill(pid, STOP).expect("kill");
    assert_eq!(waitpid(pid, libc::WUNTRACED), Ok((pid, stopped(STOP))));
    assert_eq!(state(pid), 'T');
}

fn carry_on(pid: i32) {
    kill(pid, CONT).expect("kill");
    assert_eq!(waitpid(pid, libc::WCONTINUED), Ok((pid, CONTINUED)));
}

#[test]
fn k025_a_stop_deletes_a_pending_cont_and_cont_deletes_pending_stops_when_they_are_sent() {
    experiment(|| {
        block(set(&STOPS) | set(&[CONT]));
        let me = own_pid();
        for signal in &STOPS[1..] {
            kill(me, CONT).expect("kill");
            assert_eq!(pending(), set(&[CONT]));
            kill(me, *signal).expect("kill");
            assert_eq!(pending(), set(&[*signal]));
        }
        for signal in &STOPS[1..] {
            kill(me, *signal).expect("kill");
        }
        assert_eq!(pending(), set(&STOPS[1..]));
        kill(me, CONT).expect("kill");
        assert_eq!(pending(), set(&[CONT]), "all three are gone");
        // Even if the one that deletes is itself ignored.
        for signal in &STOPS[1..] {
            dispose(*signal, Disposition::Ignored);
            unblock(set(&[*signal]));
            kill(me, CONT).expect("kill");
            kill(me, *signal).expect("kill");
            assert_eq!(pending(), 0, "{signal}");
        }
        // STOP itself deletes it too.
        let pid = child(|| kill(own_pid(), CONT).expect("kill"), || rest());
        assert_eq!(pending_of(pid), set(&[CONT]));
        stop(pid);
        assert_eq!(pending_of(pid), 0);
        end(pid);
    });
}

#[test]
fn k025_cont_resumes_also_who_blocks_or_ignores_it_and_stays_pending_if_it_is_blocked() {
    experiment(|| {
        for blocked in [false, true] {
            for disposition in DISPOSITIONS {
                let (go, tell_go) = pipe();
                let prepare = || {
                    dispose(CONT, disposition);
                    block(if blocked { set(&[CONT]) } else { 0 });
                };
                let pid = child(prepare, || {
                    hear(&go).expect("the experiment");
                    let runs = disposition == Disposition::Handled && !blocked;
                    assert_eq!(heard(), vec![CONT; usize::from(runs)]);
                });
                stop(pid);
                carry_on(pid);
                assert_ne!(state(pid), 'T', "{disposition:?}, blocked {blocked}");
                let handled = disposition == Disposition::Handled;
                if blocked || !handled {
                    let expected: Set = if blocked { set(&[CONT]) } else { 0 };
                    assert_eq!(pending_of(pid), expected, "{disposition:?}");
                }
                tell(&tell_go, 0);
                assert_eq!(wait(pid), exited(0), "{disposition:?}, blocked {blocked}");
            }
        }
    });
}

#[test]
fn k026_term_waits_until_a_stopped_process_is_continued_whatever_it_does_about_it() {
    experiment(|| {
        for handled in [false, true] {
            let prepare = || {
                if handled {
                    dispose(TERM, Disposition::Handled);
                }
            };
            let pid = child(prepare, || {
                until("TERM has come", || !heard().is_empty());
                assert_eq!(heard(), [TERM]);
            });
            stop(pid);
            kill(pid, TERM).expect("kill");
            assert_eq!(pending_of(pid), set(&[TERM]));
            assert_eq!(waitpid(pid, libc::WNOHANG), Ok((0, 0)));
            assert_eq!(state(pid), 'T');
            kill(pid, CONT).expect("kill");
            assert_eq!(wait(pid), if handled { exited(0) } else { killed(TERM) });
        }
    });
}

#[test]
fn k026_kill_kills_a_stopped_process_at_once_also_after_a_term() {
    experiment(|| {
        for after_term in [false, true] {
            let pid = child(|| (), || rest());
            stop(pid);
            if after_term {
                kill(pid, TERM).expect("kill");
            }
            kill(pid, KILL).expect("kill");
            assert_eq!(wait(pid), killed(KILL));
        }
    });
}

#[test]
fn k026_cont_to_a_running_process_does_nothing_but_run_its_handler() {
    experiment(|| {
        for handled in [false, true] {
            let (go, tell_go) = pipe();
            let prepare = || {
                if handled {
                    dispose(CONT, Disposition::Handled);
                }
            };
            let pid = child(prepare, || {
                hear(&go).expect("the experiment");
                assert_eq!(heard(), vec![CONT; usize::from(handled)]);
            });
            kill(pid, CONT).expect("kill");
            assert_eq!(waitpid(pid, libc::WCONTINUED | libc::WNOHANG), Ok((0, 0)));
            tell(&tell_go, 0);
            assert_eq!(wait(pid), exited(0));
        }
    });
}

#[test]
fn k028_a_stop_is_told_once_and_a_second_stop_of_the_stopped_not_at_all() {
    experiment(|| {
        const ALL: i32 = libc::WUNTRACED | libc::WCONTINUED | libc::WNOHANG;
        let pid = child(|| (), || rest());
        kill(pid, STOP).expect("kill");
        let told = waitpid(pid, libc::WUNTRACED);
        assert_eq!(told, Ok((pid, 0x137f)), "once");
        assert_eq!(waitpid(pid, ALL), Ok((0, 0)));
        kill(pid, STOP).expect("kill");
        assert_eq!(waitpid(pid, ALL), Ok((0, 0)), "not at all");
        carry_on(pid);
        assert_eq!(waitpid(pid, ALL), Ok((0, 0)), "a continuation is told once, too");
        end(pid);
    });
}

#[test]
fn k028_of_a_stop_and_what_came_after_it_only_the_later_is_told() {
    experiment(|| {
        const ALL: i32 = libc::WUNTRACED | libc::WCONTINUED;
        let pid = child(|| (), || rest());
        kill(pid, STOP).expect("kill");
        until_state(pid, 'T');
        kill(pid, CONT).expect("kill");
        assert_eq!(waitpid(pid, ALL), Ok((pid, CONTINUED)));
        assert_eq!(waitpid(pid, ALL | libc::WNOHANG), Ok((0, 0)));
        kill(pid, STOP).expect("kill");
        until_state(pid, 'T');
        kill(pid, KILL).expect("kill");
        until_state(pid, 'Z');
        assert_eq!(waitpid(pid, ALL), Ok((pid, killed(KILL))));
        let pid = child(|| (), || rest());
        kill(pid, STOP).expect("kill");
        until_state(pid, 'T');
        kill(pid, CONT).expect("kill");
        until("it runs", || state(pid) != 'T');
        kill(pid, KILL).expect("kill");
        until_state(pid, 'Z');
        assert_eq!(waitpid(pid, ALL), Ok((pid, killed(KILL))), "and no continuation");
    });
}

#[test]
fn k029_a_stop_and_a_continuation_raise_chld_though_nobody_is_dead_unless_that_is_not_wanted() {
    experiment(|| {
        let chld = set(&[CHLD]);
        block(chld);
        let ways = [
            (Disposition::Default, 0, true),
            (Disposition::Default, libc::SA_NOCLDSTOP, false),
            (Disposition::Handled, 0, true),
            (Disposition::Handled, libc::SA_NOCLDSTOP, false),
            (Disposition::Ignored, 0, false),
        ];
        for (disposition, flags, told) in ways {
            dispose_with(CHLD, disposition, flags).expect("sigaction");
            let pid = child(|| (), || rest());
            for (signal, code) in [(STOP, libc::CLD_STOPPED), (CONT, libc::CLD_CONTINUED)] {
                kill(pid, signal).expect("kill");
                if told {
                    until("CHLD has come", || pending() == chld);
                } else {
                    // It is told by wait, and by then CHLD would have come.
                    let flag = if signal == STOP { libc::WUNTRACED } else { libc::WCONTINUED };
                    assert_eq!(waitpid(pid, flag).map(|(pid, _)| pid), Ok(pid));
                    until_asleep_unless_stopped(pid);
                }
                assert_eq!(waitpid(pid, libc::WNOHANG), Ok((0, 0)), "nobody is dead");
                let taken = take(chld).map(|taken| (taken.pid, taken.code));
                assert_eq!(taken, told.then_some((pid, code)), "{disposition:?} {flags}");
                assert_eq!(take(chld), None, "once");
            }
            kill(pid, KILL).expect("kill");
            let announced = disposition != Disposition::Ignored;
            let expected = if announced { Ok((pid, killed(KILL))) } else { Err(Errno::ECHILD) };
            assert_eq!(waitpid(pid, 0), expected);
            assert_eq!(take(chld).is_some(), announced, "of its death");
        }
    });
}

/// After a continuation the process itself tells its parent, before it does anything else.
fn until_asleep_unless_stopped(pid: i32) {
    if state(pid) != 'T' {
        until_asleep_in(pid, libc::SYS_rt_sigsuspend);
    }
}
