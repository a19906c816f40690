//! K1 to K10 and K14 to K16: what reaches PID 1 of a PID namespace, and what does not.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::ground::observe::{pending_of, signals, state, until, until_asleep_in};
use super::ground::signal::{
    self, DISPOSITIONS, DefaultAction, Disposition, Set, all_signals, block, catchable,
    default_action, dispose, heard, pending, send_to_own_thread, set, suspend, take, take_within,
    unblock,
};
use super::ground::subject::{HANDLED, NOTHING, ROLES, Role, SENDERS, Sender, outcome, subject};
use super::ground::{
    CONTINUED, but_for_core, companion, end, enter, exec, exit, exited, experiment, fork, hear,
    keep, kept, kill, killed, own_group, own_pid, own_proc, pid_1, pipe, rest, stopped, tell, wait,
    waitpid,
};

const TERM: Set = set(&[libc::SIGTERM]);

/// What a signal at default does to who is not protected.
fn by_default(signal: i32) -> i32 {
    match default_action(signal) {
        DefaultAction::Ignore => NOTHING,
        DefaultAction::Stop => stopped(signal),
        DefaultAction::Kill => killed(signal),
    }
}

#[test]
fn k001_at_default_and_unblocked_pid_1_gets_nothing_from_inside_and_yet_kill_succeeds() {
    experiment(|| {
        for sender in [Sender::Itself, Sender::Inside] {
            for signal in all_signals() {
                let of = |role| outcome(role, Disposition::Default, sender, signal);
                assert_eq!(of(Role::Pid1), NOTHING, "{signal} from {sender:?}");
                let ordinary = of(Role::Ordinary);
                assert_eq!(ordinary, by_default(signal), "{signal} from {sender:?}");
            }
        }
    });
}

#[test]
fn k002_at_default_and_unblocked_pid_1_gets_only_kill_and_stop_from_outside() {
    experiment(|| {
        for signal in all_signals() {
            let of = |role| outcome(role, Disposition::Default, Sender::Outside, signal);
            let expected = match signal {
                libc::SIGKILL => killed(signal),
                libc::SIGSTOP => stopped(signal),
                _ => NOTHING,
            };
            assert_eq!(of(Role::Pid1), expected, "{signal}");
            assert_eq!(of(Role::Ordinary), by_default(signal), "{signal}");
        }
    });
}

#[test]
fn k003_a_handler_runs_and_what_is_ignored_is_dropped_whoever_sends_it_and_on_pid_1_too() {
    experiment(|| {
        for role in ROLES {
            for sender in SENDERS {
                for signal in catchable() {
                    let of = |disposition| outcome(role, disposition, sender, signal);
                    let what = format!("{signal} from {sender:?} to {role:?}");
                    assert_eq!(of(Disposition::Handled), HANDLED, "{what}");
                    assert_eq!(of(Disposition::Ignored), NOTHING, "{what}");
                }
            }
        }
    });
}

#[test]
fn k004_what_is_blocked_is_queued_and_can_be_taken_whatever_its_disposition_and_sender() {
    experiment(|| {
        for role in ROLES {
            for disposition in DISPOSITIONS {
                let status = subject(role, |post| {
                    block(!0);
                    let mut queue = signal_fd();
                    catchable().for_each(|signal| dispose(signal, disposition));
                    for sender in SENDERS {
                        for signal in catchable() {
                            let one = set(&[signal]);
                            let what = format!("{signal} from {sender:?}, {disposition:?}");
                            post.send(sender, signal);
                            assert_eq!(pending(), one, "{what}");
                            assert_eq!(take(!0).expect(&what).signal, signal, "{what}");
                            assert_eq!(pending(), 0, "{what}");
                            post.send(sender, signal);
                            let mut info = [0; 128];
                            queue.read_exact(&mut info).expect("signalfd");
                            assert_eq!(i32::from(info[0]), signal, "{what}");
                            assert_eq!(pending(), 0, "{what}");
                        }
                    }
                    assert_eq!(heard(), []);
                });
                assert_eq!(status, exited(0), "{role:?} {disposition:?}");
            }
        }
    });
}

/// signalfd(2) for all.
fn signal_fd() -> File {
    let all: Set = !0;
    // SAFETY: the set has the size given.
    let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const all, 8, 0) };
    // SAFETY: it is new, and ours.
    unsafe { File::from_raw_fd(fd.try_into().expect("a descriptor")) }
}

#[test]
fn k005_pending_at_default_and_then_unblocked_pid_1_loses_it_and_others_die_of_it() {
    experiment(|| {
        let lost = subject(Role::Pid1, |post| {
            for sender in SENDERS {
                for signal in catchable() {
                    block(set(&[signal]));
                    post.send(sender, signal);
                    assert_eq!(pending(), set(&[signal]));
                    unblock(set(&[signal]));
                    block(set(&[signal]));
                    assert_eq!(pending(), 0, "{signal} from {sender:?}");
                }
            }
        });
        assert_eq!(lost, exited(0));
        for signal in catchable() {
            let pid = fork(|| {
                own_group();
                block(set(&[signal]));
                kill(own_pid(), signal).expect("kill");
                assert_eq!(pending(), set(&[signal]));
                unblock(set(&[signal]));
                assert_eq!(default_action(signal), DefaultAction::Ignore, "{signal}");
                exit(10)
            });
            let (_, status) = waitpid(pid, libc::WUNTRACED).expect("our child");
            if status == stopped(signal) {
                end(pid);
            }
            assert_eq!(but_for_core(status), by_default(signal), "{signal}");
        }
    });
}

#[test]
fn k006_waiting_for_a_signal_unblocks_it_for_that_time_and_it_is_queued_all_the_same() {
    experiment(|| {
        let (inside, outside) = (pipe(), pipe());
        let pid = pid_1(|| {
            own_proc();
            block(TERM);
            let helper = companion(|| {
                hear(&inside.0).expect("the turn of the inside");
                until_asleep_in(1, libc::SYS_rt_sigtimedwait);
                kill(1, libc::SIGTERM).expect("kill from inside");
            });
            let from_outside = take_within(TERM, None).expect("TERM");
            assert_eq!((from_outside.signal, from_outside.pid), (libc::SIGTERM, 0));
            assert_eq!(signals(1, "SigBlk"), TERM, "blocked again");
            tell(&inside.1, 0);
            let from_inside = take_within(TERM, None).expect("TERM");
            assert_eq!((from_inside.signal, from_inside.pid), (libc::SIGTERM, helper));
            tell(&outside.1, 0);
        });
        until_asleep_in(pid, libc::SYS_rt_sigtimedwait);
        assert_eq!(signals(pid, "SigBlk"), 0, "not blocked while it waits");
        kill(pid, libc::SIGTERM).expect("kill from outside");
        hear(&outside.0).expect("both have come");
        assert_eq!(wait(pid), exited(0));
    });
}

#[test]
fn k007_a_mask_that_is_opened_for_a_call_lets_pid_1_swallow_what_is_at_default() {
    const TIME: Duration = Duration::from_millis(100);
    experiment(|| {
        let calls: [fn() -> i32; 2] = [open_ppoll, open_pselect];
        for call in calls {
            let status = subject(Role::Pid1, |post| {
                block(TERM);
                for sender in SENDERS {
                    post.send(sender, libc::SIGTERM);
                    assert_eq!(pending(), TERM);
                    let start = Instant::now();
                    assert_eq!(call(), 0, "no EINTR");
                    assert!(start.elapsed() >= TIME, "its full time");
                    assert_eq!(pending(), 0, "swallowed");
                }
            });
            assert_eq!(status, exited(0));
            let ordinary = fork(|| {
                block(TERM);
                kill(own_pid(), libc::SIGTERM).expect("kill");
                call();
            });
            assert_eq!(wait(ordinary), killed(libc::SIGTERM));
        }
        // sigsuspend goes on sleeping, until a signal with a handler comes.
        let pid = pid_1(|| {
            block(set(&[libc::SIGTERM, libc::SIGUSR1]));
            dispose(libc::SIGUSR1, Disposition::Handled);
            kill(1, libc::SIGTERM).expect("kill");
            suspend(0);
            assert_eq!(heard(), [libc::SIGUSR1]);
            assert_eq!(pending(), 0);
        });
        until_asleep_in(pid, libc::SYS_rt_sigsuspend);
        assert_eq!(pending_of(pid), 0, "TERM is swallowed");
        kill(pid, libc::SIGUSR1).expect("kill");
        assert_eq!(wait(pid), exited(0));
    });
}

/// ppoll(2) of nothing, for 100 ms, with nothing blocked meanwhile.
fn open_ppoll() -> i32 {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let empty = nix::sys::signal::SigSet::empty();
    // SAFETY: no descriptors; the others are ours.
    unsafe { libc::ppoll(std::ptr::null_mut(), 0, &raw const time, empty.as_ref()) }
}

/// The same by pselect(2).
fn open_pselect() -> i32 {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let empty = nix::sys::signal::SigSet::empty();
    let no = std::ptr::null_mut();
    // SAFETY: no descriptors; the others are ours.
    unsafe { libc::pselect(0, no, no, no, &raw const time, empty.as_ref()) }
}

#[test]
fn k008_a_signal_that_some_thread_does_not_block_is_lost_for_the_one_that_waits_for_it() {
    /// Our first thread does not block the signal, another one waits for it: has that one got it?
    fn another_gets(signal: i32) -> bool {
        block(set(&[signal]));
        let (tell_tid, tid) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || {
            // SAFETY: it takes nothing.
            tell_tid.send(unsafe { libc::gettid() }).expect("the first thread");
            take_within(set(&[signal]), Some(Duration::from_millis(300)))
        });
        let tid = tid.recv().expect("the thread");
        until_asleep_in(tid, libc::SYS_rt_sigtimedwait);
        unblock(set(&[signal]));
        kill(own_pid(), signal).expect("kill");
        waiting.join().expect("the thread").is_ok()
    }
    /// Our first thread blocks the signal, another one does not: does it stay for the first?
    fn first_gets(signal: i32) -> bool {
        let one = set(&[signal]);
        let (ready, tell_ready) = pipe();
        std::thread::spawn(move || {
            unblock(one);
            tell(&tell_ready, 0);
            rest()
        });
        hear(&ready).expect("the thread");
        block(one);
        kill(own_pid(), signal).expect("kill");
        until("the other thread took it", || pending() & one == 0);
        take(one).is_some()
    }
    experiment(|| {
        let in_pid_1 = |body: &dyn Fn()| {
            wait(pid_1(|| {
                own_proc();
                body();
            }))
        };
        for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGCHLD] {
            let dropped = in_pid_1(&|| assert!(!another_gets(signal), "{signal} was dropped"));
            assert_eq!(dropped, exited(0), "{signal}");
        }
        let lost = |signal| in_pid_1(&|| assert!(!first_gets(signal), "the other thread took it"));
        assert_eq!(lost(libc::SIGQUIT), exited(0));
        // What kills and dumps no core begins the death of all threads when it is sent, if one does
        // not block it: on Linux 6.1 and 6.12 PID 1 dies of it after all, on 6.18 it does not.
        let end = lost(libc::SIGTERM);
        assert!([exited(0), killed(libc::SIGTERM)].contains(&end), "{end:x}");
        let ordinary = |body: &dyn Fn()| but_for_core(wait(fork(body)));
        let chld = ordinary(&|| assert!(!another_gets(libc::SIGCHLD), "CHLD was dropped"));
        assert_eq!(chld, exited(0));
        for signal in [libc::SIGTERM, libc::SIGQUIT] {
            assert_eq!(ordinary(&|| _ = another_gets(signal)), killed(signal));
            assert_eq!(ordinary(&|| _ = first_gets(signal)), killed(signal));
        }
    });
}

#[test]
fn k009_a_signal_before_mask_and_handler_is_lost_unless_the_launcher_had_it_blocked() {
    /// The init: blocks TERM, gives it a handler, and looks whether it has come.
    fn init() {
        let was_blocked = block(TERM) & TERM != 0;
        dispose(libc::SIGTERM, Disposition::Handled);
        let (waiting, ran): (_, &[i32]) =
            if was_blocked { (TERM, &[libc::SIGTERM]) } else { (0, &[]) };
        assert_eq!(pending(), waiting);
        unblock(TERM);
        assert_eq!(heard(), ran);
    }
    /// The same, when the signal has been sent to it.
    fn late_init() {
        let (ready, go) = (PipeWriter::from(kept(READY)), PipeReader::from(kept(GO)));
        tell(&ready, 0);
        hear(&go).expect("the experiment");
        init();
    }
    const READY: i32 = 100;
    const GO: i32 = 101;
    experiment(|| {
        for blocked in [false, true] {
            for executed in [false, true] {
                let ((ready, tell_ready), (go, tell_go)) = (pipe(), pipe());
                let pid = pid_1(|| {
                    if blocked {
                        block(TERM);
                    }
                    if executed {
                        keep(&tell_ready, READY);
                        keep(&go, GO);
                        exec(late_init);
                    }
                    tell(&tell_ready, 0);
                    hear(&go).expect("the experiment");
                    exec(init);
                });
                hear(&ready).expect("it has started");
                kill(pid, libc::SIGTERM).expect("kill from outside");
                tell(&tell_go, 0);
                assert_eq!(wait(pid), exited(0), "blocked {blocked}, executed {executed}");
            }
        }
    });
}

#[test]
fn k010_pid_1_cannot_die_of_a_signal_of_its_own_and_can_only_exit() {
    experiment(|| {
        let signals = [libc::SIGTERM, libc::SIGKILL, libc::SIGABRT, libc::SIGSTOP];
        let ways: [fn(i32); 3] = [
            |signal| kill(own_pid(), signal).expect("kill"),
            // SAFETY: numbers only.
            |signal| assert_eq!(unsafe { libc::raise(signal) }, 0),
            send_to_own_thread,
        ];
        for (signal, way) in signals.into_iter().flat_map(|s| ways.map(|way| (s, way))) {
            let mirror = || {
                own_group();
                way(signal);
                exit(128 + signal)
            };
            assert_eq!(wait(pid_1(mirror)), exited(128 + signal));
            let ordinary = fork(mirror);
            let (_, status) = waitpid(ordinary, libc::WUNTRACED).expect("our child");
            if status == stopped(signal) {
                end(ordinary);
            }
            assert_eq!(but_for_core(status), by_default(signal));
        }
    });
}

#[test]
fn k014_a_cont_from_inside_resumes_a_pid_1_that_was_stopped_from_outside_and_is_itself_dropped() {
    experiment(|| {
        let (go, tell_go) = pipe();
        let pid = pid_1(|| {
            hear(&go).expect("the experiment");
            let cont = set(&[libc::SIGCONT]);
            block(cont);
            assert_eq!(pending(), 0, "CONT was dropped");
        });
        kill(pid, libc::SIGSTOP).expect("kill");
        assert_eq!(waitpid(pid, libc::WUNTRACED), Ok((pid, stopped(libc::SIGSTOP))));
        assert_eq!(state(pid), 'T');
        let inside = enter(pid, || kill(1, libc::SIGCONT).expect("kill"));
        assert_eq!(wait(inside), exited(0));
        assert_eq!(waitpid(pid, libc::WCONTINUED), Ok((pid, CONTINUED)));
        assert_ne!(state(pid), 'T');
        assert_eq!(pending_of(pid), 0);
        tell(&tell_go, 0);
        assert_eq!(wait(pid), exited(0));
    });
}

#[test]
fn k015_siginfo_names_a_sender_inside_and_0_for_one_outside_and_of_chld_the_child() {
    experiment(|| {
        for role in ROLES {
            let status = subject(role, |post| {
                block(!0);
                let taken = |sender| {
                    post.send(sender, libc::SIGTERM);
                    let taken = take(TERM).expect("TERM");
                    assert_eq!(taken.code, libc::SI_USER);
                    taken.pid
                };
                assert_eq!(taken(Sender::Itself), own_pid());
                assert_eq!(taken(Sender::Inside), post.insider());
                assert_eq!(taken(Sender::Outside), 0);
                let announced = || {
                    let taken = take_within(set(&[libc::SIGCHLD]), None).expect("CHLD");
                    (taken.pid, taken.code, taken.value)
                };
                let child = fork(|| {
                    block(0);
                    signal::as_at_birth();
                    own_group();
                    kill(own_pid(), libc::SIGTSTP).expect("kill");
                    rest()
                });
                assert_eq!(announced(), (child, libc::CLD_STOPPED, libc::SIGTSTP));
                kill(child, libc::SIGCONT).expect("kill");
                assert_eq!(announced(), (child, libc::CLD_CONTINUED, libc::SIGCONT));
                kill(child, libc::SIGKILL).expect("kill");
                assert_eq!(announced(), (child, libc::CLD_KILLED, libc::SIGKILL));
                let child = fork(|| exit(7));
                assert_eq!(announced(), (child, libc::CLD_EXITED, 7));
            });
            assert_eq!(status, exited(0), "{role:?}");
        }
    });
}

#[test]
fn k016_reboot_in_a_namespace_ends_its_pid_1_as_if_by_hup_or_int() {
    experiment(|| {
        let ways = [
            (libc::LINUX_REBOOT_CMD_RESTART, libc::SIGHUP),
            (libc::LINUX_REBOOT_CMD_POWER_OFF, libc::SIGINT),
            (libc::LINUX_REBOOT_CMD_HALT, libc::SIGINT),
        ];
        for (command, signal) in ways {
            let by_itself = pid_1(|| panic!("{}", reboot(command)));
            assert_eq!(wait(by_itself), killed(signal));
            let by_another = pid_1(|| {
                fork(|| panic!("{}", reboot(command)));
                rest()
            });
            assert_eq!(wait(by_another), killed(signal));
            let by_who_may_not = pid_1(|| {
                let child = fork(|| {
                    nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).expect("setuid");
                    assert_eq!(reboot(command), Errno::EPERM);
                });
                assert_eq!(wait(child), exited(0));
            });
            assert_eq!(wait(by_who_may_not), exited(0));
        }
    });
}

/// reboot(2) of our PID namespace, and of nothing else: only where that is not the machine's.
fn reboot(command: i32) -> Errno {
    const THE_MACHINES: &str = "pid:[4026531836]";
    let ours = std::fs::read_link("/proc/self/ns/pid").expect("our PID namespace");
    assert_ne!(ours.to_str(), Some(THE_MACHINES));
    assert!(own_pid() == 1 || nix::unistd::getppid().as_raw() == 1, "near a PID 1 of ours");
    // SAFETY: numbers only.
    assert_eq!(unsafe { libc::reboot(command) }, -1);
    Errno::last()
}
