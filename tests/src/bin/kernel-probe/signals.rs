//! Facts about signals: dispositions, queues, stopping and continuing, waiting for them.

use std::time::{Duration, Instant};

use crate::ensure;
use crate::stage::{
    Verdict, a_while, as_pid1, block, default, dispose, exit, forever, fork, getpid, handle, hear,
    holds, ignore, is_pending, kill, name, order, pipe, queue, say, take, take_now, take_soon,
    told, unblock, wait, was_handled,
};

/// A child that is ready when this returns.
fn ready(prepare: impl FnOnce()) -> i32 {
    let (ready, tell) = pipe();
    let child = fork(|| {
        prepare();
        say(&tell);
        forever()
    });
    let _ = hear(&ready);
    child
}

fn send(pid: i32, signals: &[i32]) {
    for &signal in signals {
        let _ = kill(pid, signal);
    }
}

pub(crate) fn k19() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGUSR1]);
        ignore(&[libc::SIGUSR2]);
        handle(&[libc::SIGINT]);
        send(1, &[libc::SIGUSR1]);
        let child = fork(|| exit(i32::from(is_pending(libc::SIGUSR1))));
        let end = wait(child, libc::WEXITED);
        ensure!(
            told(end.as_ref()) == "exited 0",
            "pending in the forked child: {}",
            told(end.as_ref())
        );
        // The program itself again, as a child with USR1 pending, tells what it finds.
        let child = fork(|| {
            send(getpid(), &[libc::SIGUSR1]);
            let own = std::env::current_exe().expect("this program");
            let error = std::os::unix::process::CommandExt::exec(
                std::process::Command::new(own).arg("--after-exec"),
            );
            panic!("exec: {error}");
        });
        let end = wait(child, libc::WEXITED);
        ensure!(
            told(end.as_ref()) == "exited 7",
            "after exec, 7 for all three: {}",
            told(end.as_ref())
        );
        holds()
    })
}

/// What is there after exec: 1 for what is pending, 2 for what is ignored, 4 for no handler.
pub(crate) fn after_exec() -> ! {
    let pending = is_pending(libc::SIGUSR1);
    let disposition = |signal| {
        // SAFETY: all zeros is a valid value of it, and it is ours.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut now);
            now.sa_sigaction
        }
    };
    let ignored = disposition(libc::SIGUSR2) == libc::SIG_IGN;
    let reset = disposition(libc::SIGINT) == libc::SIG_DFL;
    exit(i32::from(pending) + 2 * i32::from(ignored) + 4 * i32::from(reset))
}

pub(crate) fn k21() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGUSR1, 40]);
        for value in 1..=3 {
            ensure!(queue(1, libc::SIGUSR1, value).is_ok(), "sigqueue USR1");
            ensure!(queue(1, 40, value).is_ok(), "sigqueue 40");
        }
        let first = take(&[libc::SIGUSR1], Duration::ZERO);
        ensure!(matches!(first, Ok((_, libc::SI_QUEUE, 1))), "USR1: {first:?}");
        ensure!(take_now(&[libc::SIGUSR1]).is_none(), "USR1 is pending twice");
        for value in 1..=3 {
            let next = take(&[40], Duration::ZERO);
            ensure!(matches!(next, Ok((40, _, v)) if v == value), "40, {value}: {next:?}");
        }
        holds()
    })
}

pub(crate) fn k22() -> Verdict {
    as_pid1(|| {
        let signals = [64, libc::SIGTERM, 34, libc::SIGHUP, libc::SIGUSR1];
        block(&signals);
        send(1, &signals);
        let taken: Vec<_> = std::iter::from_fn(|| take_now(&signals)).collect();
        ensure!(taken == [1, 10, 15, 34, 64], "taken in the order {taken:?}");
        // Of nested handlers the last one delivered runs first.
        handle(&[libc::SIGUSR1, libc::SIGTERM]);
        send(1, &[libc::SIGTERM, libc::SIGUSR1]);
        unblock(&[libc::SIGTERM, libc::SIGUSR1]);
        ensure!(order() == [15, 10], "handlers ran in the order {:?}", order());
        holds()
    })
}

pub(crate) fn k23() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGTERM, libc::SIGCHLD]);
        send(1, &[libc::SIGTERM, libc::SIGCHLD]);
        default(&[libc::SIGTERM]);
        ensure!(is_pending(libc::SIGTERM), "the default drops TERM");
        ignore(&[libc::SIGTERM]);
        ensure!(!is_pending(libc::SIGTERM), "TERM, ignored, is pending still");
        default(&[libc::SIGCHLD]);
        ensure!(!is_pending(libc::SIGCHLD), "CHLD, ignored by default, is pending still");
        holds()
    })
}

pub(crate) fn k25() -> Verdict {
    as_pid1(|| {
        let child = ready(|| {
            block(&[libc::SIGCONT]);
            ignore(&[libc::SIGUSR1]);
        });
        send(child, &[libc::SIGSTOP]);
        let stop = wait(child, libc::WSTOPPED);
        ensure!(told(stop.as_ref()) == "stopped by 19", "{}", told(stop.as_ref()));
        send(child, &[libc::SIGCONT]);
        let on = wait(child, libc::WCONTINUED | libc::WEXITED);
        ensure!(told(on.as_ref()) == "continued", "CONT, blocked: {}", told(on.as_ref()));
        block(&[libc::SIGCONT, libc::SIGTSTP]);
        send(1, &[libc::SIGCONT, libc::SIGTSTP]);
        ensure!(!is_pending(libc::SIGCONT), "a stop leaves CONT pending");
        send(1, &[libc::SIGCONT]);
        ensure!(!is_pending(libc::SIGTSTP), "CONT leaves a stop pending");
        holds()
    })
}

pub(crate) fn k26() -> Verdict {
    as_pid1(|| {
        for (signals, end) in [(&[15, 18][..], "killed by 15"), (&[9], "killed by 9")] {
            let child = ready(|| default(&[libc::SIGTERM]));
            send(child, &[libc::SIGSTOP]);
            let _ = wait(child, libc::WSTOPPED);
            send(child, &signals[..1]);
            if signals.len() > 1 {
                a_while();
                let now = crate::stage::report();
                ensure!(now == Ok(None), "TERM to a stopped process: {now:?}");
                send(child, &signals[1..]);
            }
            let got = wait(child, libc::WEXITED);
            ensure!(told(got.as_ref()) == end, "{signals:?}: {}", told(got.as_ref()));
        }
        holds()
    })
}

pub(crate) fn k28() -> Verdict {
    as_pid1(|| {
        let child = ready(|| ());
        send(child, &[libc::SIGSTOP]);
        let _ = crate::stage::waitid(libc::P_PID, child, libc::WSTOPPED | libc::WNOWAIT);
        let first = crate::stage::report();
        ensure!(matches!(first, Ok(Some(r)) if r.status == 19), "the stop: {first:?}");
        send(child, &[libc::SIGSTOP]);
        a_while();
        let again = crate::stage::report();
        ensure!(again == Ok(None), "the stop again: {again:?}");
        send(child, &[libc::SIGCONT]);
        let on = wait(child, libc::WCONTINUED);
        ensure!(told(on.as_ref()) == "continued", "{}", told(on.as_ref()));
        let again = crate::stage::report();
        ensure!(again == Ok(None), "the continuation again: {again:?}");
        send(child, &[libc::SIGSTOP]);
        let _ = crate::stage::waitid(libc::P_PID, child, libc::WSTOPPED | libc::WNOWAIT);
        send(child, &[libc::SIGKILL]);
        crate::stage::wait_for_zombie(child);
        let end = crate::stage::report();
        ensure!(matches!(end, Ok(Some(r)) if r.status == 9), "stop, then KILL: {end:?}");
        holds()
    })
}

pub(crate) fn k29() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGCHLD]);
        let child = ready(|| ());
        send(child, &[libc::SIGSTOP]);
        let taken = take(&[libc::SIGCHLD], Duration::from_secs(5));
        ensure!(
            matches!(taken, Ok((_, libc::CLD_STOPPED, _))),
            "CHLD for a stop: {}",
            taken.map_or_else(name, |t| format!("code {}", t.1))
        );
        send(child, &[libc::SIGCONT]);
        let taken = take(&[libc::SIGCHLD], Duration::from_secs(5));
        ensure!(
            matches!(taken, Ok((_, libc::CLD_CONTINUED, _))),
            "CHLD for a continuation: {}",
            taken.map_or_else(name, |t| format!("code {}", t.1))
        );
        holds()
    })
}

pub(crate) fn k31() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGCHLD]);
        ignore(&[libc::SIGCHLD]);
        let child = fork(|| ());
        let none = crate::stage::waitid(libc::P_ALL, 0, libc::WEXITED);
        ensure!(none == Err(libc::ECHILD), "ignored: {none:?}, of {child}");
        ensure!(!is_pending(libc::SIGCHLD), "ignored, and CHLD came");
        dispose(&[libc::SIGCHLD], libc::SIG_DFL, libc::SA_NOCLDWAIT);
        fork(|| ());
        let none = crate::stage::waitid(libc::P_ALL, 0, libc::WEXITED);
        ensure!(none == Err(libc::ECHILD), "NOCLDWAIT: {none:?}");
        ensure!(take_soon(&[libc::SIGCHLD]).is_some(), "NOCLDWAIT: no CHLD came");
        holds()
    })
}

pub(crate) fn k97() -> Verdict {
    as_pid1(|| {
        let (hears, tell) = pipe();
        let child = fork(|| {
            let start = Instant::now();
            say(&tell);
            block(&[libc::SIGUSR1]);
            let limit = Duration::from_millis(300);
            while start.elapsed() < limit {
                let left = limit.saturating_sub(start.elapsed());
                let _ = take(&[libc::SIGUSR1], left);
            }
            exit(i32::from(start.elapsed() < Duration::from_millis(600)))
        });
        let _ = hear(&hears);
        send(child, &[libc::SIGSTOP]);
        let _ = wait(child, libc::WSTOPPED);
        std::thread::sleep(Duration::from_millis(700));
        send(child, &[libc::SIGCONT]);
        let end = wait(child, libc::WEXITED);
        ensure!(
            told(end.as_ref()) == "exited 0",
            "a limit did not run while stopped: {}",
            told(end.as_ref())
        );
        holds()
    })
}

pub(crate) fn k98() -> Verdict {
    as_pid1(|| {
        let (hears, tell) = pipe();
        let child = fork(|| {
            block(&[libc::SIGUSR1]);
            say(&tell);
            let taken = take(&[libc::SIGUSR1], Duration::from_secs(2));
            exit(taken.err().unwrap_or(0))
        });
        let _ = hear(&hears);
        a_while();
        send(child, &[libc::SIGSTOP]);
        let _ = wait(child, libc::WSTOPPED);
        send(child, &[libc::SIGCONT]);
        let end = wait(child, libc::WEXITED);
        let error = end.map_or(0, |end| end.status);
        ensure!(error == libc::EINTR, "the wait for a signal ended with {}", name(error));
        holds()
    })
}

pub(crate) fn traced() -> Verdict {
    as_pid1(|| {
        let child = fork(|| {
            // SAFETY: no pointer is looked at.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
            handle(&[libc::SIGUSR1]);
            send(getpid(), &[libc::SIGUSR1]);
            exit(if was_handled(libc::SIGUSR1) { 3 } else { 4 })
        });
        let stop = wait(child, libc::WSTOPPED | libc::WEXITED);
        ensure!(
            told(stop.as_ref()) == "trapped by 10",
            "before its signal: {}",
            told(stop.as_ref())
        );
        // SAFETY: numbers only.
        let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, child, 0, libc::SIGUSR1) };
        ensure!(result == 0, "PTRACE_DETACH: {}", std::io::Error::last_os_error());
        let end = wait(child, libc::WEXITED);
        ensure!(told(end.as_ref()) == "exited 3", "let go with its signal: {}", told(end.as_ref()));
        holds()
    })
}
