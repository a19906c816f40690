//! Facts about PID 1: what reaches it, how it ends, and what its end does.

use crate::ensure;
use crate::stage::{
    Init, Verdict, a_while, as_pid1, block, default, exit, forever, fork, handle, hear, holds,
    ignore, is_pending, kill, kill_all, pipe, say, take_now, take_soon, told, unblock, wait,
    wait_for_zombie, was_handled,
};

/// All that can be sent but CONT, which would continue; three real-time ones for all.
fn all() -> Vec<i32> {
    let but = [libc::SIGCONT, 32, 33];
    (1..=64).filter(|n| !but.contains(n) && !(36..=63).contains(n)).collect()
}

/// Sends PID 1 that from a child; what kill(2) said to each.
fn from_inside(signals: &[i32]) -> Verdict {
    for &signal in signals {
        let child = fork(|| exit(kill(1, signal).err().unwrap_or(0)));
        let end = wait(child, libc::WEXITED).ok_or("its sender was not to be reaped")?;
        ensure!(end.status == 0, "kill {signal}: error {}", end.status);
    }
    holds()
}

pub(crate) fn k1() -> Verdict {
    as_pid1(|| {
        // A CHLD that is ignored would take the senders' ends away.
        from_inside(&all())
    })
}

pub(crate) fn k2() -> Verdict {
    let init = Init::start(|line| {
        let _ = line.hear();
        holds()
    });
    for signal in all().into_iter().filter(|s| ![libc::SIGKILL, libc::SIGSTOP].contains(s)) {
        ensure!(init.kill(signal), "kill {signal} was refused");
    }
    ensure!(init.kill(libc::SIGSTOP), "kill STOP was refused");
    let stop = wait(init.pid, libc::WSTOPPED | libc::WEXITED);
    ensure!(
        told(stop.as_ref()) == "stopped by 19",
        "after all others and STOP: {}",
        told(stop.as_ref())
    );
    ensure!(init.kill(libc::SIGKILL), "kill KILL was refused");
    let end = wait(init.pid, libc::WEXITED);
    ensure!(told(end.as_ref()) == "killed by 9", "after KILL: {}", told(end.as_ref()));
    holds()
}

pub(crate) fn k3() -> Verdict {
    let mut init = Init::start(|line| {
        handle(&[libc::SIGTERM]);
        ignore(&[libc::SIGINT]);
        line.say("ready");
        let _ = line.hear();
        ensure!(was_handled(libc::SIGTERM), "no handler ran for a TERM from outside");
        handle(&[libc::SIGUSR1]);
        from_inside(&[libc::SIGUSR1, libc::SIGINT])?;
        ensure!(was_handled(libc::SIGUSR1), "no handler ran for USR1 from inside");
        holds()
    });
    let _ = init.line.hear();
    init.kill(libc::SIGTERM);
    init.kill(libc::SIGINT);
    init.line.say("go on");
    init.verdict()
}

pub(crate) fn k4() -> Verdict {
    let signals = [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGURG,
        libc::SIGWINCH,
        34,
        64,
    ];
    let mut init = Init::start(move |line| {
        block(&signals);
        ignore(&[libc::SIGINT]);
        line.say("ready");
        let _ = line.hear();
        for signal in signals {
            ensure!(take_now(&[signal]) == Some(signal), "{signal} from outside was not queued");
        }
        for signal in signals {
            from_inside(&[signal])?;
            ensure!(take_now(&[signal]) == Some(signal), "{signal} from inside was not queued");
            // That of the sender's end.
            let _ = take_now(&[libc::SIGCHLD]);
        }
        holds()
    });
    let _ = init.line.hear();
    for signal in signals {
        init.kill(signal);
    }
    init.line.say("go on");
    init.verdict()
}

pub(crate) fn k5() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGTERM]);
        from_inside(&[libc::SIGTERM])?;
        ensure!(is_pending(libc::SIGTERM), "TERM is not pending");
        unblock(&[libc::SIGTERM]);
        ensure!(!is_pending(libc::SIGTERM), "TERM is still pending");
        let other = fork(|| {
            block(&[libc::SIGTERM]);
            let _ = kill(crate::stage::getpid(), libc::SIGTERM);
            unblock(&[libc::SIGTERM]);
        });
        let end = wait(other, libc::WEXITED);
        ensure!(told(end.as_ref()) == "killed by 15", "another process: {}", told(end.as_ref()));
        holds()
    })
}

pub(crate) fn k6() -> Verdict {
    let mut init = Init::start(|line| {
        block(&[libc::SIGTERM, libc::SIGUSR1]);
        line.say("ready");
        ensure!(take_soon(&[libc::SIGTERM]).is_some(), "TERM from outside was lost in the wait");
        let child = fork(|| {
            a_while();
            let _ = kill(1, libc::SIGUSR1);
        });
        ensure!(take_soon(&[libc::SIGUSR1]).is_some(), "USR1 from inside was lost in the wait");
        let _ = wait(child, libc::WEXITED);
        holds()
    });
    let _ = init.line.hear();
    a_while();
    init.kill(libc::SIGTERM);
    init.verdict()
}

pub(crate) fn k10() -> Verdict {
    as_pid1(|| {
        for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGABRT, libc::SIGSTOP] {
            ensure!(kill(1, signal).is_ok(), "kill {signal} of itself was refused");
        }
        holds()
    })
}

pub(crate) fn k12() -> Verdict {
    let init = Init::start(|_| {
        ignore(&[libc::SIGSEGV]);
        block(&[libc::SIGSEGV]);
        // SAFETY: it is meant to be at fault: no page is mapped there.
        unsafe { std::ptr::without_provenance::<u8>(8).read_volatile() };
        Err("it lives".into())
    });
    let end = wait(init.pid, libc::WEXITED);
    ensure!(told(end.as_ref()) == "killed by 11", "{}", told(end.as_ref()));
    holds()
}

pub(crate) fn k14() -> Verdict {
    let (stopped, tell) = pipe();
    let mut init = Init::start(|line| {
        let helper = fork(|| {
            let _ = hear(&stopped);
            let _ = kill(1, libc::SIGCONT);
        });
        line.say("ready");
        let _ = line.hear();
        let _ = wait(helper, libc::WEXITED);
        holds()
    });
    let _ = init.line.hear();
    init.kill(libc::SIGSTOP);
    let stop = wait(init.pid, libc::WSTOPPED | libc::WEXITED);
    ensure!(told(stop.as_ref()) == "stopped by 19", "after STOP: {}", told(stop.as_ref()));
    say(&tell);
    init.line.say("go on");
    init.verdict()
}

pub(crate) fn k15() -> Verdict {
    let mut init = Init::start(|line| {
        block(&[libc::SIGTERM]);
        line.say("ready");
        let _ = line.hear();
        let taken = crate::stage::take(&[libc::SIGTERM], std::time::Duration::ZERO);
        ensure!(matches!(taken, Ok((_, libc::SI_USER, _))), "code {taken:?}, not SI_USER");
        holds()
    });
    let _ = init.line.hear();
    init.kill(libc::SIGTERM);
    init.line.say("go on");
    init.verdict()
}

pub(crate) fn k58() -> Verdict {
    let (closed, held) = pipe();
    let init = Init::start(|line| {
        let (ready, tell) = pipe();
        // One that ignores TERM, one that is stopped, one with a session of its own.
        for kind in 0..3 {
            fork(|| {
                ignore(&[libc::SIGTERM, libc::SIGHUP]);
                if kind == 2 {
                    let _ = nix::unistd::setsid();
                }
                say(&tell);
                if kind == 1 {
                    let _ = kill(crate::stage::getpid(), libc::SIGSTOP);
                }
                forever()
            });
            let _ = hear(&ready);
        }
        let _ = line;
        exit(5)
    });
    drop(held);
    let end = wait(init.pid, libc::WEXITED);
    ensure!(told(end.as_ref()) == "exited 5", "PID 1: {}", told(end.as_ref()));
    // Everybody had the pipe's other end: its end is theirs. It does not wait if it is there.
    let flag = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    let _ = nix::fcntl::fcntl(&closed, flag);
    let result = nix::unistd::read(&closed, &mut [0]);
    ensure!(result == Ok(0), "somebody was left when PID 1's end was told: {result:?}");
    holds()
}

/// Of K58: the namespace of a dead PID 1 makes no processes any more.
pub(crate) fn late() -> Verdict {
    let init = Init::start(|_| exit(5));
    let _ = wait(init.pid, libc::WEXITED);
    // SAFETY: no threads. A child of ours would be in that namespace.
    let late = unsafe { libc::fork() };
    if late == 0 {
        exit(0);
    }
    ensure!(late < 0, "a process was made in the namespace of a dead PID 1");
    let error = std::io::Error::last_os_error().raw_os_error();
    ensure!(error == Some(libc::ENOMEM), "fork there: {error:?}, not ENOMEM");
    holds()
}

pub(crate) fn k59() -> Verdict {
    let mut init = Init::start(|line| {
        line.say("ready");
        let _ = line.hear();
        exit(6)
    });
    let _ = init.line.hear();
    // As if it had entered: in the namespace, its parent outside.
    let entered = fork(|| forever());
    init.line.say("leave");
    wait_for_zombie(entered);
    a_while();
    let now = crate::stage::waitid(libc::P_PID, init.pid, libc::WEXITED | libc::WNOHANG);
    ensure!(now == Ok(None), "PID 1 is gone before who entered was reaped: {now:?}");
    let end = wait(entered, libc::WEXITED);
    ensure!(told(end.as_ref()) == "killed by 9", "who entered: {}", told(end.as_ref()));
    let end = wait(init.pid, libc::WEXITED);
    ensure!(told(end.as_ref()) == "exited 6", "PID 1: {}", told(end.as_ref()));
    holds()
}

pub(crate) fn k60() -> Verdict {
    let (closed, held) = pipe();
    let mut init = Init::start(|line| {
        fork(|| {
            ignore(&[libc::SIGTERM]);
            forever()
        });
        line.say("ready");
        forever()
    });
    let _ = init.line.hear();
    drop(held);
    init.kill(libc::SIGKILL);
    let end = wait(init.pid, libc::WEXITED);
    ensure!(told(end.as_ref()) == "killed by 9", "PID 1: {}", told(end.as_ref()));
    ensure!(!hear(&closed), "somebody wrote");
    holds()
}

pub(crate) fn k43() -> Verdict {
    as_pid1(|| {
        default(&[libc::SIGCHLD]);
        let alone = kill_all(0);
        ensure!(alone == Err(libc::ESRCH), "alone: {alone:?}");
        let child = fork(|| ());
        wait_for_zombie(child);
        let zombie = kill_all(0);
        ensure!(zombie == Ok(()), "with a zombie: {zombie:?}");
        let _ = wait(child, libc::WEXITED);
        ensure!(kill_all(0) == Err(libc::ESRCH), "alone again");
        holds()
    })
}

pub(crate) fn k46() -> Verdict {
    as_pid1(|| {
        handle(&[libc::SIGUSR1]);
        let (ready, tell) = pipe();
        let others: Vec<i32> = (0..2)
            .map(|_| {
                fork(|| {
                    default(&[libc::SIGUSR1]);
                    say(&tell);
                    forever()
                })
            })
            .collect();
        let _ = (hear(&ready), hear(&ready));
        ensure!(kill_all(libc::SIGUSR1) == Ok(()), "kill(-1) failed");
        for other in others {
            let end = wait(other, libc::WEXITED);
            ensure!(told(end.as_ref()) == "killed by 10", "another: {}", told(end.as_ref()));
        }
        ensure!(!was_handled(libc::SIGUSR1), "the caller got it too");
        holds()
    })
}

pub(crate) fn k48() -> Verdict {
    let mut init = Init::start(|line| {
        line.say("ready");
        let _ = line.hear();
        let mine = crate::stage::report();
        ensure!(mine == Err(libc::ECHILD), "who entered is a child: {mine:?}");
        ensure!(kill_all(libc::SIGTERM) == Ok(()), "kill(-1) finds nobody");
        line.say("killed");
        let _ = line.hear();
        ensure!(kill_all(0) == Ok(()), "its zombie is not seen");
        line.say("seen");
        let _ = line.hear();
        ensure!(kill_all(0) == Err(libc::ESRCH), "reaped outside, and still seen");
        holds()
    });
    let _ = init.line.hear();
    let (ready, tell) = pipe();
    let entered = fork(|| {
        default(&[libc::SIGTERM]);
        say(&tell);
        forever()
    });
    let _ = hear(&ready);
    init.line.say("it is there");
    let word = init.line.hear();
    if word.as_deref() != Some("killed") {
        return Err(word.unwrap_or_default());
    }
    wait_for_zombie(entered);
    init.line.say("it is dead");
    let word = init.line.hear();
    if word.as_deref() != Some("seen") {
        return Err(word.unwrap_or_default());
    }
    let end = wait(entered, libc::WEXITED);
    ensure!(told(end.as_ref()) == "killed by 15", "who entered: {}", told(end.as_ref()));
    init.line.say("it is reaped");
    init.verdict()
}
