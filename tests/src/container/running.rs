//! A container, or one who entered it, while it runs, and the judgement of its record at its end.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Output, command, until};
use crate::record::{End, Record};
use crate::story::{LIMIT, Story};

/// A process that was started and not waited for yet: PID 1 of a container, or one that entered.
#[derive(Debug)]
pub struct Running {
    child: Child,
    end: Option<ExitStatus>,
    stdout: Output,
    stderr: Output,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
    /// None for who entered. Is it lastout's own end that we wait for?
    pub(super) record: Option<(Record, bool)>,
}

impl Running {
    /// Starts the command from a thread that `enter`s a PID namespace first.
    pub(super) fn start(
        mut command: Command,
        enter: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Self {
        // SAFETY: a system call only.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                Ok(())
            });
        }
        let (started, child) = channel();
        let (over, drop) = channel();
        let keeper = thread::spawn(move || {
            let child = enter().and_then(|()| command.spawn());
            std::mem::drop(command);
            let _ = started.send(child);
            // Until the sender is dropped: the end of this thread is the process's.
            let _: Result<(), _> = drop.recv();
        });
        let child = child.recv().expect("the thread tells");
        let mut child = child.unwrap_or_else(|e| panic!("the container does not start: {e}"));
        let stdout = Output::of(child.stdout.take());
        let stderr = Output::of(child.stderr.take());
        Self { child, end: None, stdout, stderr, keeper: Some((over, keeper)), record: None }
    }

    /// The pid, as this test sees it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends it a signal, from outside.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, number: i32) {
        assert!(self.end.is_none(), "it has been waited for");
        // SAFETY: no memory is involved; we have not reaped it, so the pid is its own.
        let result = unsafe { libc::kill(self.pid().as_raw(), number) };
        assert_eq!(result, 0, "kill {number}: {}", io::Error::last_os_error());
    }

    /// Sends it a signal with a value.
    ///
    /// # Panics
    /// If it has ended.
    pub fn queue(&self, number: i32, value: usize) {
        assert!(self.end.is_none(), "it has been waited for");
        let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
        // SAFETY: the value is only a number to everybody.
        let result = unsafe { libc::sigqueue(self.pid().as_raw(), number, value) };
        assert_eq!(result, 0, "sigqueue {number}: {}", io::Error::last_os_error());
    }

    /// Lets a program enter this container, as `docker exec` does: its parent is outside.
    ///
    /// # Panics
    /// If that is not possible.
    #[must_use]
    pub fn enter(&self, story: &Story, program: &Path, arguments: &[&str]) -> Self {
        Self::entered(self.pid(), story, program, arguments)
    }

    /// The same, into the container that this process is in.
    pub(crate) fn entered(pid: Pid, story: &Story, program: &Path, arguments: &[&str]) -> Self {
        let namespace = |kind: &str| -> OwnedFd {
            let path = format!("/proc/{pid}/ns/{kind}");
            File::open(path).expect("the container's namespaces").into()
        };
        let (pids, mounts) = (namespace("pid"), namespace("mnt"));
        let mut command = command(program.as_os_str(), story, arguments);
        // SAFETY: system calls only.
        unsafe {
            command.pre_exec(move || {
                setns(&mounts, CloneFlags::CLONE_NEWNS)?;
                nix::unistd::setsid()?;
                Ok(())
            });
        }
        Self::start(command, move || Ok(setns(pids, CloneFlags::CLONE_NEWPID)?))
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// What it wrote to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Waits until that is on stderr.
    ///
    /// # Panics
    /// If it is not there within [`LIMIT`].
    pub fn wait_for_stderr(&self, text: &str) {
        until(
            || self.stderr().contains(text),
            || format!("{text:?} on stderr:\n{}", self.stderr()),
        );
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        self.try_wait().is_some()
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.end.is_none() {
            self.end = self.child.try_wait().expect("it is our child");
        }
        self.end
    }

    /// Waits for its end and tells the exit code; 128 + n if signal n killed it itself.
    ///
    /// # Panics
    /// If it does not end within [`LIMIT`].
    pub fn wait(&mut self) -> i32 {
        let start = Instant::now();
        let end = loop {
            if let Some(end) = self.try_wait() {
                break end;
            }
            assert!(start.elapsed() < LIMIT, "it does not end; its stderr:\n{}", self.stderr());
            thread::sleep(Duration::from_millis(1));
        };
        // With it everybody has ended who could write; what they wrote is on its way.
        until(|| self.stdout.is_over() && self.stderr.is_over(), || "the last words".into());
        let code = end.code().or_else(|| Some(128 + end.signal()?)).expect("exited or killed");
        if let Some((record, is_lastout)) = &mut self.record {
            record.judge(match (*is_lastout, end.signal()) {
                (true, None) => End::Code(code),
                (true, Some(_)) => End::CutShort,
                (false, _) => End::Unknown,
            });
        }
        code
    }

    /// The record so far, if one is written.
    #[must_use]
    pub fn record(&self) -> String {
        self.record.as_ref().map(|(record, _)| record.text()).unwrap_or_default()
    }

    /// The signal that killed it, if one did; after [`wait`](Self::wait).
    #[must_use]
    pub fn killed_by(&self) -> Option<i32> {
        self.end.and_then(|end| end.signal())
    }

    /// The processes of its PID namespace: the pid outside, the pid inside, the state letter.
    ///
    /// # Panics
    /// If /proc cannot be read.
    #[must_use]
    pub fn processes(&self) -> Vec<(i32, i32, char)> {
        let own = namespace_of(self.pid().as_raw());
        let all = fs::read_dir("/proc").expect("/proc").flatten();
        all.filter_map(|entry| {
            let outside: i32 = entry.file_name().to_str()?.parse().ok()?;
            if own.is_none() || namespace_of(outside) != own {
                return None;
            }
            let status = fs::read_to_string(format!("/proc/{outside}/status")).ok()?;
            let field = |key| status.lines().find_map(|l| l.strip_prefix(key));
            let inside = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
            Some((outside, inside, field("State:")?.trim().chars().next()?))
        })
        .collect()
    }

    /// The pid outside of the process that has that pid inside.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn outside(&self, inside: i32) -> i32 {
        let all = self.processes();
        let found = all.iter().find(|p| p.1 == inside);
        found.unwrap_or_else(|| panic!("no {inside} among {all:?}")).0
    }
}

fn namespace_of(pid: i32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = kill(self.pid(), Signal::SIGKILL);
            // A PID 1 waits for whoever entered, and that one for its parent, this test (K59): in
            // the wrong order for ever.
            let start = Instant::now();
            while self.try_wait().is_none() && start.elapsed() < LIMIT {
                thread::sleep(Duration::from_millis(1));
            }
        }
        if let Some((over, keeper)) = self.keeper.take() {
            drop(over);
            let _ = keeper.join();
        }
        // With PID 1 everybody has ended who could write to it.
        if let Some((record, _)) = &mut self.record
            && !thread::panicking()
        {
            record.judge(End::CutShort);
        }
    }
}
