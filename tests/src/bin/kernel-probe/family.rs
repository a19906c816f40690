//! Facts about children, groups, sessions and terminals.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, setpgid, setsid};

use crate::ensure;
use crate::stage::{
    Verdict, a_while, as_pid1, block, call, default, exit, forever, fork, fork_orphan, getpid,
    handle, hear, holds, kill, name, order, pipe, report, say, take_now, take_soon, told, unblock,
    wait, wait_for_zombie, waitid, was_handled,
};

fn own_group() {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
}

/// getppid(2), not asked of the C library.
fn getppid() -> i32 {
    i32::try_from(call(libc::SYS_getppid, [0; 4]).unwrap_or(-1)).unwrap_or(-1)
}

pub(crate) fn k32() -> Verdict {
    as_pid1(|| {
        let none = report();
        ensure!(none == Err(libc::ECHILD), "without a child: {none:?}");
        let child = fork(|| forever());
        let waiting = report();
        ensure!(waiting == Ok(None), "a living child: {waiting:?}");
        let _ = kill(child, libc::SIGKILL);
        let end = wait(child, libc::WEXITED);
        ensure!(told(end.as_ref()) == "killed by 9", "{}", told(end.as_ref()));
        holds()
    })
}

pub(crate) fn k34() -> Verdict {
    as_pid1(|| {
        let (reads, writes) = pipe();
        let children: Vec<i32> = (0..3).map(|_| fork(|| while hear(&reads) {})).collect();
        for &child in children.iter().rev() {
            let _ = kill(child, libc::SIGKILL);
            wait_for_zombie(child);
        }
        drop(writes);
        let told: Vec<i32> =
            std::iter::from_fn(|| report().ok().flatten().map(|r| r.pid)).collect();
        ensure!(told == children, "born {children:?}, told {told:?}");
        holds()
    })
}

pub(crate) fn k35() -> Verdict {
    as_pid1(|| {
        let end = wait(fork(|| exit(300)), libc::WEXITED);
        ensure!(told(end.as_ref()) == "exited 44", "exit 300: {}", told(end.as_ref()));
        for signal in [libc::SIGTERM, libc::SIGABRT, 34, 64] {
            let child = fork(|| {
                default(&[signal]);
                let _ = kill(getpid(), signal);
            });
            let end = wait(child, libc::WEXITED);
            ensure!(
                told(end.as_ref()) == format!("killed by {signal}"),
                "{signal}: {}",
                told(end.as_ref())
            );
        }
        holds()
    })
}

pub(crate) fn k36() -> Verdict {
    as_pid1(|| {
        // clone(2) as fork, without a signal at the end.
        let child = call(libc::SYS_clone, [0; 4]).map_err(name)?;
        if child == 0 {
            exit(3);
        }
        let child = i32::try_from(child).unwrap_or(0);
        wait_for_zombie(child);
        let without = waitid(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG);
        ensure!(without == Err(libc::ECHILD), "without __WALL: {without:?}");
        let with = report();
        ensure!(matches!(with, Ok(Some(r)) if r.pid == child), "with __WALL: {with:?}");
        holds()
    })
}

pub(crate) fn k37() -> Verdict {
    as_pid1(|| {
        let child = fork(|| ());
        wait_for_zombie(child);
        ensure!(kill(child, libc::SIGTERM) == Ok(()), "a zombie cannot be signalled");
        let _ = wait(child, libc::WEXITED);
        let gone = kill(child, 0);
        ensure!(gone == Err(libc::ESRCH), "a reaped one: {gone:?}");
        holds()
    })
}

pub(crate) fn k44() -> Verdict {
    as_pid1(|| {
        let (ready, tell) = pipe();
        let leader = fork(|| {
            own_group();
            fork_orphan(|| {
                default(&[libc::SIGTERM]);
                say(&tell);
                forever()
            });
        });
        let _ = (hear(&ready), wait(leader, libc::WEXITED));
        ensure!(kill(-leader, libc::SIGTERM) == Ok(()), "a group without its leader");
        let end = waitid(libc::P_ALL, 0, libc::WEXITED | libc::WNOWAIT).map_err(name)?;
        ensure!(told(end.as_ref()) == "killed by 15", "its member: {}", told(end.as_ref()));
        ensure!(kill(-leader, 0) == Ok(()), "a group of a zombie");
        let _ = report();
        let gone = kill(-leader, 0);
        ensure!(gone == Err(libc::ESRCH), "an empty group: {gone:?}");
        holds()
    })
}

/// The parent of an orphan whose parent ends below `above`.
fn orphans_parent(above: impl FnOnce()) -> Result<i32, String> {
    let (parents, tell) = pipe();
    let reaper = fork(|| {
        above();
        let between = fork(|| {
            let own = getpid();
            fork_orphan(|| {
                while getppid() == own {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let _ = nix::unistd::write(&tell, &getppid().to_le_bytes());
            });
        });
        let _ = wait(between, libc::WEXITED);
        forever()
    });
    let mut bytes = [0; 4];
    let got = nix::unistd::read(&parents, &mut bytes);
    let parent = i32::from_le_bytes(bytes);
    let _ = kill(reaper, libc::SIGKILL);
    ensure!(got == Ok(4), "nothing was told: {got:?}");
    Ok(if parent == reaper { -1 } else { parent })
}

pub(crate) fn k52() -> Verdict {
    as_pid1(|| {
        let parent = orphans_parent(|| ())?;
        ensure!(parent == 1, "the orphan's parent is {parent}");
        holds()
    })
}

pub(crate) fn k53() -> Verdict {
    as_pid1(|| {
        let subreaper = i64::from(libc::PR_SET_CHILD_SUBREAPER);
        let mut result = Ok(0);
        let (told, tell) = pipe();
        let parent = orphans_parent(|| {
            result = call(libc::SYS_prctl, [subreaper, 1, 0, 0]);
            let _ = nix::unistd::write(&tell, &[u8::from(result.is_ok())]);
        })?;
        let mut byte = [0];
        let _ = nix::unistd::read(&told, &mut byte);
        ensure!(byte == [1], "prctl(PR_SET_CHILD_SUBREAPER) is refused");
        ensure!(parent == -1, "the orphan's parent is {parent}, not the subreaper");
        holds()
    })
}

pub(crate) fn k54() -> Verdict {
    as_pid1(|| {
        block(&[libc::SIGCHLD]);
        let between = fork(|| {
            let dead = fork_orphan(|| ());
            wait_for_zombie(dead);
            forever()
        });
        a_while();
        ensure!(take_now(&[libc::SIGCHLD]).is_none(), "CHLD before anything happened");
        let _ = kill(between, libc::SIGKILL);
        let mut told = 0;
        while told < 2 {
            ensure!(take_soon(&[libc::SIGCHLD]).is_some(), "no CHLD, {told} of 2 reaped");
            while let Ok(Some(_)) = report() {
                told += 1;
            }
        }
        holds()
    })
}

pub(crate) fn k56() -> Verdict {
    as_pid1(|| {
        let (ready, tell) = pipe();
        let parent = fork(|| {
            fork_orphan(|| {
                block(&[libc::SIGUSR1]);
                let wish = i64::from(libc::PR_SET_PDEATHSIG);
                let _ = call(libc::SYS_prctl, [wish, i64::from(libc::SIGUSR1), 0, 0]);
                say(&tell);
                exit(if take_soon(&[libc::SIGUSR1]).is_some() { 3 } else { 4 })
            });
            forever()
        });
        let _ = hear(&ready);
        let _ = kill(parent, libc::SIGKILL);
        let _ = wait(parent, libc::WEXITED);
        let end = waitid(libc::P_ALL, 0, libc::WEXITED).map_err(name)?;
        ensure!(
            told(end.as_ref()) == "exited 3",
            "its signal did not come: {}",
            told(end.as_ref())
        );
        holds()
    })
}

pub(crate) fn k69() -> Verdict {
    as_pid1(|| {
        own_group();
        ensure!(setsid().is_err(), "a group leader got a session");
        let child = fork(|| {
            let _ = setsid();
            let own = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            exit(if own == Err(nix::errno::Errno::EPERM) { 3 } else { 4 })
        });
        let end = wait(child, libc::WEXITED);
        ensure!(
            told(end.as_ref()) == "exited 3",
            "setpgid of a session leader: {}",
            told(end.as_ref())
        );
        holds()
    })
}

/// What becomes of a TSTP at default, sent by the child that does that first to itself.
fn tstp(prepare: impl FnOnce()) -> String {
    let child = fork(|| {
        prepare();
        default(&[libc::SIGTSTP]);
        let _ = kill(getpid(), libc::SIGTSTP);
        exit(3)
    });
    let said = told(wait(child, libc::WSTOPPED | libc::WEXITED).as_ref());
    let _ = kill(child, libc::SIGKILL);
    said
}

pub(crate) fn k72() -> Verdict {
    as_pid1(|| {
        let _ = setsid();
        let same = tstp(|| ());
        ensure!(same == "exited 3", "in PID 1's own group, orphaned: {same}");
        let job = tstp(own_group);
        ensure!(job == "stopped by 20", "in a group of its own, a job: {job}");
        let session = tstp(|| {
            let _ = setsid();
        });
        ensure!(session == "exited 3", "in a session of its own, orphaned: {session}");
        holds()
    })
}

pub(crate) fn k71() -> Verdict {
    as_pid1(|| {
        let _ = setsid();
        let (reads, tell) = pipe();
        let parent = fork(|| {
            let _ = setsid();
            let job = fork_orphan(|| {
                own_group();
                block(&[libc::SIGHUP, libc::SIGCONT]);
                say(&tell);
                let _ = kill(getpid(), libc::SIGSTOP);
                let got = (take_soon(&[libc::SIGHUP]), take_soon(&[libc::SIGCONT]));
                exit(if got == (Some(1), Some(18)) { 3 } else { 4 })
            });
            let _ = waitid(libc::P_PID, job, libc::WSTOPPED);
            say(&tell);
            forever()
        });
        let _ = (hear(&reads), hear(&reads));
        let _ = kill(parent, libc::SIGKILL);
        let _ = wait(parent, libc::WEXITED);
        // Its report of the stop may be told to its new parent first.
        for _ in 0..50 {
            let now = report().map_err(name)?;
            match told(now.as_ref()).as_str() {
                "exited 3" => return holds(),
                "exited 4" => return Err("it went on without HUP and CONT".into()),
                _ => a_while(),
            }
        }
        Err("it is stopped still".into())
    })
}

fn terminal() -> Result<(OwnedFd, OwnedFd), String> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let said = |error: nix::Error| format!("no pty: {error}");
    let master = posix_openpt(flags).map_err(said)?;
    grantpt(&master).and_then(|()| unlockpt(&master)).map_err(said)?;
    let path = ptsname_r(&master).map_err(said)?;
    let slave = nix::fcntl::open(path.as_str(), flags, Mode::empty()).map_err(said)?;
    Ok((master.into(), slave))
}

fn foreground(terminal: &OwnedFd, group: i32) -> i32 {
    // SAFETY: the number is ours.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSPGRP, &raw const group) };
    if result == 0 { 0 } else { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

pub(crate) fn k73() -> Verdict {
    as_pid1(|| {
        let _ = setsid();
        let (master, slave) = terminal()?;
        // SAFETY: numbers only.
        let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) };
        ensure!(result == 0, "TIOCSCTTY: {}", std::io::Error::last_os_error());
        block(&[libc::SIGTTOU]);
        handle(&[libc::SIGINT]);
        let (ready, tell) = pipe();
        let child = fork(|| {
            own_group();
            default(&[libc::SIGINT]);
            say(&tell);
            forever()
        });
        let _ = hear(&ready);
        let error = foreground(&slave, child);
        ensure!(error == 0, "TIOCSPGRP: {}", name(error));
        let _ = nix::unistd::write(&master, b"\x03");
        let end = wait(child, libc::WEXITED);
        ensure!(told(end.as_ref()) == "killed by 2", "the foreground: {}", told(end.as_ref()));
        ensure!(!was_handled(libc::SIGINT), "PID 1 got the key too");
        holds()
    })
}

pub(crate) fn k78() -> Verdict {
    as_pid1(|| {
        let _ = setsid();
        let (_master, slave) = terminal()?;
        // SAFETY: numbers only.
        let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) };
        ensure!(result == 0, "TIOCSCTTY: {}", std::io::Error::last_os_error());
        let (ready, tell) = pipe();
        let child = fork(|| {
            own_group();
            block(&[libc::SIGTTOU]);
            // From the background.
            let error = foreground(&slave, getpid());
            say(&tell);
            exit(error)
        });
        let _ = hear(&ready);
        let end = wait(child, libc::WEXITED);
        ensure!(
            told(end.as_ref()) == "exited 0",
            "taken with TTOU blocked: error {}",
            told(end.as_ref())
        );
        // And back, from the background.
        block(&[libc::SIGTTOU]);
        let error = foreground(&slave, getpid());
        ensure!(error == 0, "taken back: {}", name(error));
        ensure!(take_now(&[libc::SIGTTOU]).is_none(), "a TTOU came");
        unblock(&[libc::SIGTTOU]);
        ensure!(order().is_empty(), "handlers ran");
        holds()
    })
}
