//! A program as PID 1 of a PID and mount namespace of its own.
//!
//! A thread of ours enters (`unshare`, `setns`) the PID namespace for its children, starts the
//! program, and then only keeps still until the container is dropped: the kernel kills the
//! program when that thread ends (PDEATHSIG), and with PID 1 everybody else, so nothing that a
//! test starts can outlive it. Signals are sent to pids that we have not waited for yet, and to
//! no others.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lastout_sim::admits::Premises;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::unistd::Pid;

use crate::record::{End, Record, Recording};
use crate::story::{LIMIT, Story};
use crate::tools;
use crate::trace::Traced;

mod output;
mod pty;

pub(crate) use output::Output;
pub use pty::Pty;

type Setup = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// What a container sees of the machine's mounts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mounts {
    /// Its own, with a /proc of its own PID namespace.
    OwnProc,
    /// Its own, with nothing in /proc.
    NoProc,
    /// The machine's: its /proc shows other processes by the same numbers.
    Outside,
}

/// A container that is to be started.
pub struct Container {
    command: Command,
    mounts: Mounts,
    setups: Vec<Setup>,
    /// Where the record goes.
    directory: PathBuf,
    recording: Recording,
    premises: Premises,
    /// Is it lastout itself that is PID 1?
    is_lastout: bool,
}

impl Container {
    /// lastout with these arguments as PID 1.
    #[must_use]
    pub fn lastout(story: &Story, arguments: &[&str]) -> Self {
        let program = Self::program(tools::lastout(), story, arguments);
        Self { recording: Recording::Must, is_lastout: true, ..program }
    }

    /// Any program with these arguments as PID 1.
    #[must_use]
    pub fn program(program: impl AsRef<OsStr>, story: &Story, arguments: &[&str]) -> Self {
        Self {
            command: command(program.as_ref(), story, arguments),
            mounts: Mounts::OwnProc,
            setups: Vec::new(),
            directory: story.directory().to_owned(),
            recording: Recording::May,
            premises: Premises { held: false, denied: false },
            is_lastout: false,
        }
    }

    /// Without the record that is judged otherwise, and why; [`record`](crate::record) says more.
    #[must_use]
    pub const fn unrecorded(mut self, why: &'static str) -> Self {
        self.recording = Recording::Not(why);
        self
    }

    /// With somebody in it whom lastout is not allowed to signal (K66): the judge must know.
    #[must_use]
    pub const fn with_strangers(mut self) -> Self {
        self.premises.denied = true;
        self
    }

    /// lastout as PID 2, below a puppet that is PID 1 and only holds the namespace.
    ///
    /// # Panics
    /// If lastout's path is not readable text.
    #[must_use]
    pub fn below_pid1(story: &Story, arguments: &[&str]) -> Self {
        let lastout = tools::lastout().to_str().expect("a readable path");
        let program =
            Self::program(tools::puppet(), story, &[&["hold", lastout], arguments].concat());
        Self { recording: Recording::Must, ..program }
    }

    /// A shell with that script as PID 2, below a puppet that is PID 1.
    #[must_use]
    pub fn shell_below_pid1(story: &Story, script: &str) -> Self {
        Self::program(tools::puppet(), story, &["hold-on", "/bin/sh", "-c", script])
    }

    /// Changes the command itself: environment, directory, user, descriptors.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Without a /proc of its own; an empty directory stands there.
    #[must_use]
    pub fn without_proc(mut self) -> Self {
        self.mounts = Mounts::NoProc;
        self
    }

    /// With the machine's own mounts, /proc included.
    #[must_use]
    pub fn without_mounts(mut self) -> Self {
        self.mounts = Mounts::Outside;
        self
    }

    /// Does that in the new process, before the program. System calls only: we have threads.
    #[must_use]
    pub fn prepared(
        mut self,
        setup: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.setups.push(Box::new(setup));
        self
    }

    /// With every signal blocked.
    #[must_use]
    pub fn with_all_blocked(self) -> Self {
        self.prepared(|| {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
            Ok(())
        })
    }

    /// With these signals ignored.
    #[must_use]
    pub fn with_ignored(self, ignored: &[Signal]) -> Self {
        let ignored = ignored.to_vec();
        self.prepared(move || {
            for &one in &ignored {
                // SAFETY: to ignore a signal runs no code of ours.
                unsafe { signal(one, SigHandler::SigIgn) }?;
            }
            Ok(())
        })
    }

    /// With these descriptors closed.
    #[must_use]
    pub fn with_closed(self, descriptors: &[RawFd]) -> Self {
        let descriptors = descriptors.to_vec();
        self.prepared(move || {
            for &fd in &descriptors {
                // SAFETY: in the new process, just before its program: nobody owns it there.
                unsafe { libc::close(fd) };
            }
            Ok(())
        })
    }

    /// The command, which records, and the record.
    fn prepare(self) -> (Command, Record) {
        let Self { mut command, mounts, mut setups, .. } = self;
        let record = Record::new(&self.directory, self.recording, self.premises);
        if let Some(path) = record.path() {
            command.env("LASTOUT_RECORD", path);
        }
        // SAFETY: only system calls follow the fork.
        unsafe {
            command.pre_exec(move || {
                own_mounts(mounts)?;
                setups.iter_mut().try_for_each(|setup| setup())
            });
        }
        (command, record)
    }

    /// Starts it with its lastout traced ([`trace`](crate::trace)).
    ///
    /// # Panics
    /// If that is not possible; see [`available`].
    #[must_use]
    pub fn traced(self) -> Traced {
        let (command, record) = self.prepare();
        Traced::start(command, tools::lastout(), record)
    }

    /// Starts it.
    ///
    /// # Panics
    /// If that is not possible; see [`available`].
    #[must_use]
    pub fn start(self) -> Running {
        let is_lastout = self.is_lastout;
        let (command, record) = self.prepare();
        let enter = || unshare(CloneFlags::CLONE_NEWPID).map_err(io::Error::from);
        let mut running = Running::start(command, enter);
        running.record = Some((record, is_lastout));
        running
    }
}

/// A program that knows the story, and of the tests' own surroundings nothing that matters.
fn command(program: &OsStr, story: &Story, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"LASTOUT_") {
            command.env_remove(name);
        }
    }
    command.env("STORY", story.path()).env("PUPPET", tools::puppet());
    // SAFETY: system calls only.
    unsafe { command.pre_exec(ordinary_signals) };
    command
}

/// Nothing blocked, nothing ignored: what a shell started with `&` ignores INT and QUIT, and
/// the tests may have been started so.
fn ordinary_signals() -> io::Result<()> {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action runs no code of ours. KILL and STOP are refused: fine.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Gives this process its own mounts, with a /proc of its own PID namespace or with none.
fn own_mounts(mounts: Mounts) -> io::Result<()> {
    const NOTHING: Option<&str> = None;
    if mounts == Mounts::Outside {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    let kind = if mounts == Mounts::OwnProc { "proc" } else { "tmpfs" };
    mount(Some(kind), "/proc", Some(kind), MsFlags::empty(), NOTHING)?;
    Ok(())
}

/// Can there be containers here? If not, says that the test is skipped.
#[must_use]
pub fn available() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let probe = || {
        // In a thread of its own: only that one's children are concerned.
        thread::spawn(|| unshare(CloneFlags::CLONE_NEWPID)).join().is_ok_and(|r| r.is_ok())
    };
    let can = root && probe();
    if !can {
        tools::skip("PID namespaces need root here");
    }
    can
}

/// A process that was started and not waited for yet: PID 1 of a container, or one that entered.
#[derive(Debug)]
pub struct Running {
    child: Child,
    end: Option<ExitStatus>,
    stdout: Output,
    stderr: Output,
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
    /// None for who entered. Is it lastout's own end that we wait for?
    record: Option<(Record, bool)>,
}

impl Running {
    /// Starts the command from a thread that `enter`s a PID namespace first.
    fn start(
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

/// Waits until that is so.
///
/// # Panics
/// If it is not within [`LIMIT`]; says what it waited for.
pub fn until(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "waited in vain for {}", what());
        thread::sleep(Duration::from_millis(2));
    }
}

/// A pipe: the end to read, the end to write. Closed on exec.
///
/// # Panics
/// If there is none to be had.
#[must_use]
pub fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe")
}

/// Fills a pipe until it takes no more.
///
/// # Panics
/// If it is no pipe.
pub fn fill(pipe: BorrowedFd<'_>) {
    let nonblocking = OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETFL(nonblocking)).expect("fcntl");
    while nix::unistd::write(pipe, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(pipe, b"x").is_ok() {}
    nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty())).expect("fcntl");
}
