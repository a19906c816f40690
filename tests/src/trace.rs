//! lastout under ptrace(2): every system call that it makes, from its exec to its exit, as a line
//! of text each, `kill(2, TERM) = 0`.
//!
//! The tracer is the thread that starts the container, so that it is the parent of whoever is PID 1, and it
//! waits for its own children only (`__WNOTHREAD`): no other test's. Where a teller is PID 1 and
//! starts lastout, all that it starts is followed until it executes a program; whoever executes
//! another one than lastout is let go. Of lastout's own child the calls are noted until it
//! executes the command: up to there it is lastout's code.
//!
//! A line has what a call asks and what the kernel answered, in the words of the notation where it has
//! them; pointers are followed, and not shown. A call that is not known here is a line too,
//! `syscall 321(…)`: nothing that lastout does is left out.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::container::{Output, Running};
use crate::record::{End, Record};
use crate::story::{LIMIT, Story};

mod line;

/// What lastout did, told by the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The calls of lastout.
    pub calls: Vec<String>,
    /// Those of its child until it was another program, or had ended.
    pub child: Vec<String>,
}

/// A container whose lastout is traced.
#[derive(Debug)]
pub struct Traced {
    lastout: Receiver<(Pid, OwnedFd)>,
    found: Option<(Pid, OwnedFd)>,
    tracer: Option<JoinHandle<(i32, Trace)>>,
    stderr: Output,
    record: Record,
}

impl Traced {
    /// Starts the command, in which that program is traced as soon as it is executed.
    pub(crate) fn start(mut command: Command, program: &Path, record: Record) -> Self {
        let program = program.to_owned();
        // SAFETY: a system call only; the last thing before the program.
        unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
        let (tell, lastout) = channel();
        let (tell_pipes, pipes) = channel();
        let tracer = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWPID).expect("a PID namespace");
            // spawn() returns when the program is executed, before its first instruction.
            #[allow(clippy::zombie_processes, reason = "the tracer waits for everybody")]
            let mut child = command.spawn().expect("the container starts");
            let _ = tell_pipes.send((child.stdout.take(), child.stderr.take()));
            let first = Pid::from_raw(child.id().cast_signed());
            Tracer { first, program, tell, tracees: HashMap::new(), trace: Trace::default() }
                .follow()
        });
        // Not in that thread: behind unshare(2) it can have no other.
        let (stdout, stderr) = pipes.recv().expect("the container starts");
        drop(Output::of(stdout));
        let stderr = Output::of(stderr);
        Self { lastout, found: None, tracer: Some(tracer), stderr, record }
    }

    /// lastout's pid, as this test sees it, and a descriptor of it: the number may be another's
    /// by now, the descriptor never is.
    fn lastout(&mut self) -> &(Pid, OwnedFd) {
        let wait = || self.lastout.recv_timeout(LIMIT).expect("lastout is started");
        self.found.get_or_insert_with(wait)
    }

    /// Its pid, as this test sees it.
    ///
    /// # Panics
    /// If it is not started within [`LIMIT`].
    pub fn pid(&mut self) -> Pid {
        self.lastout().0
    }

    /// Sends lastout a signal, from outside.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&mut self, number: i32) {
        self.send(number, None);
    }

    /// Sends lastout a signal with a value.
    ///
    /// # Panics
    /// If it has ended.
    pub fn queue(&mut self, number: i32, value: usize) {
        // SAFETY: all zeros is a siginfo.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        info.si_signo = number;
        info.si_code = libc::SI_QUEUE;
        // si_pid, si_uid, then si_value: sigaction(2), the layout on 64 bits.
        // SAFETY: 24 is within the 128 bytes, and aligned.
        unsafe { (&raw mut info).cast::<usize>().add(3).write(value) };
        self.send(number, Some(&info));
    }

    fn send(&mut self, number: i32, info: Option<&libc::siginfo_t>) {
        let fd = self.lastout().1.as_raw_fd();
        let info = info.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the siginfo is ours or null.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, info, 0) };
        assert_eq!(result, 0, "signal {number}: {}", io::Error::last_os_error());
    }

    /// Lets a program enter this container, as `docker exec` does.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn enter(&mut self, story: &Story, program: &Path, arguments: &[&str]) -> Running {
        Running::entered(self.pid(), story, program, arguments)
    }

    /// Where the record is.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn record(&self) -> &Path {
        self.record.path().expect("a life that is recorded")
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for the container's end: the exit code, what lastout did, and its record, which has
    /// been judged.
    ///
    /// # Panics
    /// If the tracer failed, or the record is not true.
    #[must_use]
    pub fn ends(mut self) -> (i32, Trace, String) {
        let tracer = self.tracer.take().expect("it is waited for once");
        let start = std::time::Instant::now();
        while !tracer.is_finished() {
            assert!(start.elapsed() < LIMIT, "it does not end:\n{}", self.record.text());
            thread::sleep(std::time::Duration::from_millis(1));
        }
        let (code, trace) = tracer.join().expect("the tracer");
        self.record.judge(End::Code(code));
        (code, trace, self.record.text())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let Some(tracer) = self.tracer.take() else {
            return;
        };
        // Only a test that failed comes here. With lastout, the container ends; and if that was never
        // found there is nobody to be sure of: with this process all tracees end (EXITKILL).
        if let Some((_, fd)) = self.found.take().or_else(|| self.lastout.try_recv().ok()) {
            // SAFETY: numbers only.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), 9, 0, 0) };
            let _ = tracer.join();
        }
    }
}

/// Who somebody is whom we trace.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tracee {
    /// It has not executed the program yet that it is for.
    Launcher,
    /// lastout, or its child; and the call that it is in, as far as that was asked.
    Followed { child: bool, call: Option<line::Call> },
}

struct Tracer {
    /// The container's PID 1.
    first: Pid,
    program: PathBuf,
    tell: Sender<(Pid, OwnedFd)>,
    tracees: HashMap<i32, Tracee>,
    trace: Trace,
}

impl Tracer {
    /// Until the container's end: its exit code, and what lastout did.
    fn follow(mut self) -> (i32, Trace) {
        self.tracees.insert(self.first.as_raw(), Tracee::Launcher);
        let mut is_new = true;
        loop {
            let mut status = 0;
            let flags = libc::__WALL | libc::__WNOTHREAD;
            // SAFETY: the status is ours.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
            assert!(pid > 0, "waitpid: {}", io::Error::last_os_error());
            let pid = Pid::from_raw(pid);
            if libc::WIFSTOPPED(status) {
                if std::mem::take(&mut is_new) {
                    self.begins();
                } else {
                    self.stops(pid, status);
                }
                continue;
            }
            self.tracees.remove(&pid.as_raw());
            if pid == self.first {
                let killed = 128 + libc::WTERMSIG(status);
                let exited = libc::WIFEXITED(status);
                return (if exited { libc::WEXITSTATUS(status) } else { killed }, self.trace);
            }
        }
    }

    /// The first program has been executed.
    fn begins(&mut self) {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_EXITKILL
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE;
        ptrace::setoptions(self.first, options).expect("it stands still");
        self.executes(self.first);
    }

    fn stops(&mut self, pid: Pid, status: i32) {
        const SYSCALL: i32 = libc::SIGTRAP | 0x80;
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        let is_known = self.tracees.contains_key(&pid.as_raw());
        match (signal, event) {
            (SYSCALL, _) => self.calls(pid),
            (_, libc::PTRACE_EVENT_EXEC) => self.executes(pid),
            (_, libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {
                let child = ptrace::getevent(pid).expect("a new process's pid");
                let child = i32::try_from(child).expect("a pid");
                let is_lastouts = matches!(self.tracees[&pid.as_raw()], Tracee::Followed { .. });
                let followed = Tracee::Followed { child: true, call: None };
                let who = if is_lastouts { followed } else { Tracee::Launcher };
                let before = self.tracees.insert(child, who);
                if before.is_some() {
                    // It stood still before its parent told of it.
                    self.goes_on(Pid::from_raw(child), 0);
                }
                self.goes_on(pid, 0);
            }
            // The stop that a new process begins with.
            (libc::SIGSTOP, 0) if !is_known => {
                self.tracees.insert(pid.as_raw(), Tracee::Launcher);
            }
            (libc::SIGSTOP, 0) if self.is_fresh(pid) => self.goes_on(pid, 0),
            _ => self.goes_on(pid, if event == 0 { signal } else { 0 }),
        }
    }

    /// Has nothing been seen of it yet?
    fn is_fresh(&self, pid: Pid) -> bool {
        pid != self.first
            && matches!(
                self.tracees[&pid.as_raw()],
                Tracee::Launcher | Tracee::Followed { child: true, call: None }
            )
    }

    /// Lets it run, with that signal if it has come for it.
    fn goes_on(&self, pid: Pid, signal: i32) {
        let launcher = self.tracees[&pid.as_raw()] == Tracee::Launcher;
        let request = if launcher { libc::PTRACE_CONT } else { libc::PTRACE_SYSCALL };
        // SAFETY: numbers only. ESRCH: it is being killed; its end is told.
        unsafe { libc::ptrace(request, pid.as_raw(), 0, signal) };
    }

    /// It is another program now.
    fn executes(&mut self, pid: Pid) {
        let before = &self.tracees[&pid.as_raw()];
        let is_lastout = is_program(pid, &self.program);
        if *before == Tracee::Launcher && is_lastout {
            // SAFETY: numbers only.
            let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
            let fd = i32::try_from(fd).expect("a descriptor");
            assert!(fd >= 0, "pidfd_open: {}", io::Error::last_os_error());
            // SAFETY: it is new, and nobody else's.
            let _ = self.tell.send((pid, unsafe { OwnedFd::from_raw_fd(fd) }));
            let call = None;
            self.tracees.insert(pid.as_raw(), Tracee::Followed { child: false, call });
            self.goes_on(pid, 0);
        } else if pid == self.first && !is_lastout {
            // The teller that starts lastout.
            self.goes_on(pid, 0);
        } else {
            if let Some(Tracee::Followed { call: Some(call), .. }) =
                self.tracees.remove(&pid.as_raw())
            {
                self.trace.child.push(call.line(pid, 0));
            }
            ptrace::detach(pid, None).expect("it stands still");
        }
    }

    /// It enters a call, or comes back from it.
    fn calls(&mut self, pid: Pid) {
        let info = ptrace::syscall_info(pid).expect("it stands still");
        let Some(Tracee::Followed { child, call }) = self.tracees.get_mut(&pid.as_raw()) else {
            panic!("only lastout is followed by its calls");
        };
        let lines = if *child { &mut self.trace.child } else { &mut self.trace.calls };
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: the kernel says that it is this one.
                let entry = unsafe { info.u.entry };
                let now = line::Call::new(pid, entry.nr, entry.args);
                if now.never_comes_back() {
                    lines.push(now.line(pid, 0));
                }
                *call = Some(now);
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: as above.
                let exit = unsafe { info.u.exit };
                // After its exec it comes back from a call that it has not made.
                if let Some(call) = call.take() {
                    lines.push(call.line(pid, exit.sval));
                }
            }
            op => panic!("neither entry nor exit: {op}"),
        }
        self.goes_on(pid, 0);
    }
}

fn is_program(pid: Pid, program: &Path) -> bool {
    let file = |path: &Path| {
        std::fs::metadata(path).ok().map(|m| {
            use std::os::unix::fs::MetadataExt;
            (m.dev(), m.ino())
        })
    };
    file(program) == file(Path::new(&format!("/proc/{pid}/exe")))
}
