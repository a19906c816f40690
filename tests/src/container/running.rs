//! A container, or one who entered it, while it runs, and the judgement of its record at its end.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Has this test killed it?
    is_killed: AtomicBool,
    /// None for who entered. Is the end that we wait for lastout's, too?
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
        Self {
            child,
            end: None,
            stdout,
            stderr,
            keeper: Some((over, keeper)),
            is_killed: AtomicBool::new(false),
            record: None,
        }
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
        self.is_killed.fetch_or(number == libc::SIGKILL, Ordering::Relaxed);
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
        self.judge(end);
        code
    }

    /// Judges the record of a life that ended so.
    #[track_caller]
    fn judge(&mut self, end: ExitStatus) {
        let is_killed = self.is_killed.load(Ordering::Relaxed);
        let Some((record, leaves_as_lastout)) = &mut self.record else {
            return;
        };
        record.judge(match (end.code(), end.signal()) {
            (_, Some(libc::SIGKILL)) if is_killed => End::CutShort,
            (Some(code), _) if *leaves_as_lastout => End::Code(code),
            (_, Some(signal)) if *leaves_as_lastout => End::Died(signal),
            _ => End::Untold,
        });
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
            self.is_killed.store(true, Ordering::Relaxed);
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
        if thread::panicking() {
            return;
        }
        match (self.end, &mut self.record) {
            (Some(end), _) => self.judge(end),
            (None, Some((record, _))) => record.judge(End::CutShort),
            (None, None) => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::container::{Container, available};
    use crate::tools;

    /// What the judge says of a lastout that is killed, and not by [`Running::signal`].
    fn judged(container: fn(&Story, &[&str]) -> Container) -> Option<String> {
        if !available() {
            return None;
        }
        let story = Story::new();
        let main = [tools::teller().to_str()?, "main", "forever"];
        let mut running = container(&story, &main).start();
        let main = story.wait_for("main started");
        let lastout: i32 = Story::value(&main, "ppid").parse().expect("a pid");
        let lastout = Pid::from_raw(running.outside(lastout));
        kill(lastout, Signal::SIGKILL).expect("nobody has waited for it");
        let refused = catch_unwind(AssertUnwindSafe(|| running.wait())).expect_err("not refused");
        Some(*refused.downcast::<String>().expect("why"))
    }

    #[test]
    fn a_pid_1_that_dies_and_was_not_killed_by_its_test_fails() {
        if let Some(why) = judged(Container::lastout) {
            assert!(
                why.contains("is not true: it died of signal 9, which this test did not send"),
                "{why}"
            );
        }
    }

    #[test]
    fn a_lastout_below_pid_1_that_dies_fails() {
        if let Some(why) = judged(Container::below_pid1) {
            assert!(why.contains("is not true: it left with 137, not None"), "{why}");
        }
    }
}
