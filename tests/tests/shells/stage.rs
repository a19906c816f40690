//! A shell on the real kernel, in one of the three settings, and how to tell without a clock that
//! nothing more will happen.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use lastout_tests::container::{Container, Running, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::table::{End, Setting, Shell};

/// A script that runs.
pub(crate) struct Stage {
    // In this order they are dropped: the container first.
    pub(crate) running: Running,
    pub(crate) story: Story,
    setting: Setting,
}

impl Stage {
    /// Runs a script; `options` are lastout's.
    pub(crate) fn new(setting: Setting, shell: Shell, script: &str, options: &[&str]) -> Self {
        Self::with(setting, shell, script, options, |container| container)
    }

    /// As [`new`](Self::new), in a container that is changed so.
    pub(crate) fn with(
        setting: Setting,
        shell: Shell,
        script: &str,
        options: &[&str],
        change: impl FnOnce(Container) -> Container,
    ) -> Self {
        let story = Story::new();
        let words = [shell.command(), &[script]].concat();
        let container = match setting {
            Setting::Ordinary => {
                Container::program(tools::teller(), &story, &[&["hold-on"], &words[..]].concat())
            }
            Setting::Pid1 => Container::program(words[0], &story, &words[1..]),
            Setting::Lastout => {
                Container::lastout(&story, &[options, &["--"], &words[..]].concat())
            }
        };
        // A session of its own, as engines give it: `kill 0` in a script must not reach us (K45).
        let container = container.prepared(|| nix::unistd::setsid().map(drop).map_err(Into::into));
        Self { running: change(container).start(), story, setting }
    }

    /// The shell's pid inside.
    fn shell(&self) -> i32 {
        match self.setting {
            Setting::Ordinary => pid(&self.story.wait_for("hold main")),
            Setting::Pid1 => 1,
            Setting::Lastout => 2,
        }
    }

    /// Waits until the process of that name has started.
    pub(crate) fn started(&self, name: &str) -> i32 {
        pid(&self.story.wait_for(&format!("{name} started")))
    }

    /// Waits until the worker has started and the shell waits for it, or has become it.
    pub(crate) fn ready(&self) {
        let worker = self.started("worker");
        let shell = self.shell();
        if shell == worker {
            return;
        }
        let outside = self.running.outside(shell);
        until(|| waits(outside), || "the shell's wait".into());
    }

    /// Sends the stop signal to whom it is for.
    pub(crate) fn stop(&self, signal: i32) {
        match self.setting {
            Setting::Ordinary => self.send(self.shell(), signal),
            Setting::Pid1 | Setting::Lastout => self.running.signal(signal),
        }
    }

    /// As [`stop`](Self::stop) for a shell that is PID 1 and exits of it, which it is let do only when
    /// everybody else has done about it what they will. Otherwise whether somebody tells that they
    /// were asked before they are killed would be a race.
    pub(crate) fn stop_and_hold_at_exit(&mut self, signal: i32) {
        assert!(self.setting == Setting::Pid1, "its parent waits for others");
        let shell = self.running.pid();
        ptrace::seize(shell, ptrace::Options::PTRACE_O_TRACEEXIT).expect("ptrace");
        self.running.signal(signal);
        let is_at_exit = || match waitpid(shell, Some(WaitPidFlag::WNOHANG)).expect("it is traced")
        {
            WaitStatus::StillAlive => false,
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXIT) => true,
            WaitStatus::Stopped(_, signal) => {
                ptrace::cont(shell, signal).expect("it stands");
                false
            }
            other => panic!("{other:?}: not what a shell does"),
        };
        until(is_at_exit, || "the shell's exit".into());
        until(|| self.is_quiet(), || "quiet".into());
        ptrace::detach(shell, None).expect("it stands");
    }

    /// Sends a signal to a process of the container and, whatever happens meanwhile, to no other:
    /// a pidfd stays with its process, and that it is of this container is seen afterwards.
    pub(crate) fn send(&self, inside: i32, signal: i32) {
        let pid = self.running.outside(inside);
        let process = pidfd(pid).expect("a process");
        assert_eq!(namespace(pid), namespace(self.running.pid().as_raw()), "{inside} has gone");
        assert_ne!(namespace(pid), namespace(Pid::this().as_raw()), "not ours");
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open, and no siginfo is read.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, none, 0)
        };
        assert_eq!(sent, 0, "{}", io::Error::last_os_error());
    }

    /// How the shell ended, if it has; under lastout, how lastout did.
    pub(crate) fn end(&mut self) -> Option<End> {
        if self.setting == Setting::Ordinary {
            let line = self.story.matching("hold ended").pop()?;
            let number = line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number");
            let exits = line.contains("exit");
            return Some(if exits { End::Exits(number) } else { End::Dies(number) });
        }
        if !self.running.has_ended() {
            return None;
        }
        let code = u8::try_from(self.running.wait()).expect("a code");
        Some(match self.running.killed_by() {
            Some(signal) => End::Dies(u8::try_from(signal).expect("a signal")),
            None => End::Exits(code),
        })
    }

    /// Waits until the shell has ended, or nobody will ever move again.
    pub(crate) fn settle(&mut self) -> Option<End> {
        let is_settled = |stage: &mut Self| stage.end().is_some() || stage.is_quiet();
        until(|| is_settled(self), || "an end, or quiet".into());
        // It may have ended just before it was quiet.
        self.end()
    }

    /// Does everybody sleep, with no signal to take? Each is looked at twice: who has not run in
    /// between was asleep at the one moment between the two, as everybody was. Only lastout may have
    /// run, which wakes up in its graces: what it had to send on, it has sent when it is seen asleep.
    pub(crate) fn is_quiet(&self) -> bool {
        let first = self.asleep();
        first.is_some() && first == self.asleep()
    }

    /// The processes that are neither zombies nor held by us, with how often each has run; none if somebody runs or
    /// has a signal to take.
    fn asleep(&self) -> Option<Vec<(i32, String)>> {
        let mut all = Vec::new();
        for (outside, inside, state) in self.running.processes() {
            if state == 'Z' && is_news(outside) {
                return None;
            }
            if "Zt".contains(state) {
                continue;
            }
            let status = fs::read_to_string(format!("/proc/{outside}/status")).ok()?;
            let fields = |begin: &str| -> String {
                status.lines().filter(|line| line.contains(begin)).collect()
            };
            let mask = |key| u64::from_str_radix(fields(key).split_whitespace().nth(1)?, 16).ok();
            // Blocked ones wake nobody: bash blocks CHLD while it waits for its children.
            let pending = (mask("SigPnd:")? | mask("ShdPnd:")?) & !mask("SigBlk:")?;
            let is_asleep = fields("State:").contains("S (")
                && !sleeps_in(outside, &BY_ITSELF)
                && !is_exiting(outside)?;
            if !is_asleep || pending != 0 {
                return None;
            }
            let is_lastout = self.setting == Setting::Lastout && inside == 1;
            let runs = if is_lastout { String::new() } else { fields("ctxt_switches") };
            all.push((outside, runs));
        }
        (!all.is_empty()).then_some(all)
    }

    /// The pids inside of those that are there and no zombies.
    pub(crate) fn alive(&self) -> Vec<i32> {
        let all = self.running.processes();
        all.iter().filter(|p| p.2 != 'Z').map(|p| p.1).collect()
    }

    /// How many zombies there are.
    pub(crate) fn zombies(&self) -> usize {
        self.running.processes().iter().filter(|p| p.2 == 'Z').count()
    }
}

/// System calls in which a process may sleep for the kernel, for a disk say, and go on by itself.
const BY_ITSELF: [libc::c_long; 5] =
    [libc::SYS_openat, libc::SYS_write, libc::SYS_close, libc::SYS_execve, libc::SYS_exit_group];

/// Does the shell of that pid wait for a child? bash does in wait4(2), the two others in
/// sigsuspend(2) if a trap can cut the wait short.
pub(crate) fn waits(outside: i32) -> bool {
    sleeps_in(outside, &[libc::SYS_wait4, libc::SYS_waitid, libc::SYS_rt_sigsuspend])
}

/// Does the process sleep in one of these system calls?
fn sleeps_in(outside: i32, calls: &[libc::c_long]) -> bool {
    let line = fs::read_to_string(format!("/proc/{outside}/syscall")).unwrap_or_default();
    let number = line.split(' ').next().and_then(|word| word.parse().ok());
    number.is_some_and(|number| calls.contains(&number))
}

/// A field of `/proc/PID/stat`, by the number that proc(5) gives it, from 3 on: behind the name,
/// the second, which is in brackets.
fn stat<N: std::str::FromStr>(pid: i32, field: usize) -> Option<N> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    line.rsplit_once(") ")?.1.split(' ').nth(field - 3)?.parse().ok()
}

/// Is it on its way out? A PID 1 sleeps there, until nobody is left of its namespace.
fn is_exiting(outside: i32) -> Option<bool> {
    const PF_EXITING: u64 = 4;
    Some(stat::<u64>(outside, 9)? & PF_EXITING != 0)
}

/// Is the zombie's parent just about to be woken by its death? It is seen a moment after that.
fn is_news(zombie: i32) -> bool {
    let parent = stat(zombie, 4);
    parent.is_none_or(|parent| waits(parent) || sleeps_in(parent, &[libc::SYS_rt_sigtimedwait]))
}

fn pid(line: &str) -> i32 {
    Story::value(line, "pid").parse().expect("a pid")
}

fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: it was just opened, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn namespace(pid: i32) -> std::path::PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/pid")).expect("its PID namespace")
}
