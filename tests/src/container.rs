//! A program as PID 1 of a PID and mount namespace of its own.
//!
//! A thread of ours enters (`unshare`, `setns`) the PID namespace for its children, starts the
//! program, and then only keeps still until the container is dropped: the kernel kills the
//! program when that thread ends (PDEATHSIG), and with PID 1 everybody else, so nothing that a
//! test starts can outlive it. Signals are sent to pids that we have not waited for yet, and to
//! no others.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

use crate::record::{Record, Recording};
use crate::story::{LIMIT, Story};
use crate::tools;
use crate::trace::Traced;

mod output;
mod pty;
mod running;

pub(crate) use output::Output;
pub use pty::Pty;
pub use running::Running;

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
    /// Is PID 1 lastout itself, or one that leaves with lastout's code?
    leaves_as_lastout: bool,
}

impl Container {
    /// lastout with these arguments as PID 1.
    #[must_use]
    pub fn lastout(story: &Story, arguments: &[&str]) -> Self {
        let program = Self::program(tools::lastout(), story, arguments);
        Self { recording: Recording::Must, leaves_as_lastout: true, ..program }
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
            leaves_as_lastout: false,
        }
    }

    /// Without the record that is judged otherwise, and why; [`record`](crate::record) says more.
    #[must_use]
    pub const fn unrecorded(mut self, why: &'static str) -> Self {
        self.recording = Recording::Not(why);
        self
    }

    /// lastout as PID 2, below a teller that is PID 1 and only holds the namespace.
    ///
    /// # Panics
    /// If lastout's path is not readable text.
    #[must_use]
    pub fn below_pid1(story: &Story, arguments: &[&str]) -> Self {
        let lastout = tools::lastout().to_str().expect("a readable path");
        let program =
            Self::program(tools::teller(), story, &[&["hold", lastout], arguments].concat());
        Self { recording: Recording::Must, leaves_as_lastout: true, ..program }
    }

    /// A shell with that script as PID 2, below a teller that is PID 1.
    #[must_use]
    pub fn shell_below_pid1(story: &Story, script: &str) -> Self {
        Self::program(tools::teller(), story, &["hold-on", "/bin/sh", "-c", script])
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
        let record = Record::new(&self.directory, self.recording);
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
        let leaves_as_lastout = self.leaves_as_lastout;
        let (command, record) = self.prepare();
        let enter = || unshare(CloneFlags::CLONE_NEWPID).map_err(io::Error::from);
        let mut running = Running::start(command, enter);
        running.record = Some((record, leaves_as_lastout));
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
    command.env("STORY", story.path()).env("TELLER", tools::teller());
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
