//! A system call as a line.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use lastout_core::{Event, Pid as Process, Signal, SignalSet, Status};
use nix::errno::Errno;
use nix::unistd::Pid;

/// A call that was made, and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    number: i64,
    args: [u64; 6],
    /// The name and the arguments; what is only an answer comes later.
    asked: String,
}

/// What waitid(2) is asked for when any report will do, and when it is only to look.
const ANY_REPORT: i32 =
    libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::__WALL;
const PEEK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
const END: i32 = libc::WEXITED | libc::WNOHANG | libc::__WALL;

/// The kinds of children of waitid(2), as numbers of its first argument.
const ALL: i32 = 0;
const PID: i32 = 1;
const PIDFD: i32 = 3;

/// `PIDFD_GET_INFO` with a structure of 64 bytes, and `PIDFD_INFO_EXIT`.
const GET_INFO: u64 = 0xC040_FF0B;
const INFO_EXIT: u64 = 1 << 3;

/// As the kernel has its `int` arguments: in the lower half.
#[allow(clippy::cast_possible_truncation)]
const fn int(value: u64) -> i32 {
    value as i32
}

impl Call {
    pub(super) fn new(pid: Pid, number: u64, args: [u64; 6]) -> Self {
        let number = number.cast_signed();
        let memory = Memory::of(pid);
        let asked = asked(&memory, number, args);
        Self { number, args, asked }
    }

    pub(super) const fn never_comes_back(&self) -> bool {
        matches!(self.number, libc::SYS_exit_group | libc::SYS_exit)
    }

    /// The line, with the answer.
    pub(super) fn line(&self, pid: Pid, result: i64) -> String {
        if self.never_comes_back() {
            return self.asked.clone();
        }
        let error = i32::try_from(-result).ok().filter(|&e| (1..4096).contains(&e));
        let answer = match error {
            Some(error) => format!("{:?}", Errno::from_raw(error)),
            None => self.answer(&Memory::of(pid), result).unwrap_or_else(|| result.to_string()),
        };
        format!("{} = {answer}", self.asked)
    }

    /// An answer that is more than a number.
    fn answer(&self, memory: &Memory, result: i64) -> Option<String> {
        let [a0, a1, a2, ..] = self.args;
        match self.number {
            libc::SYS_rt_sigtimedwait => {
                let signal = Signal::new(u8::try_from(result).ok()?)?;
                let info = memory.info(a1)?;
                let value = info.value;
                let is_queued = info.code == libc::SI_QUEUE;
                if signal == Signal::CHLD
                    && (libc::CLD_EXITED..=libc::CLD_CONTINUED).contains(&info.code)
                {
                    return Some(
                        Event::Chld(Process::new(u32::try_from(info.pid).ok()?)?).to_string(),
                    );
                }
                Some(Event::Signal { signal, value: is_queued.then_some(value) }.to_string())
            }
            libc::SYS_waitid if a2 != 0 => {
                let info = memory.info(a2)?;
                Some(report(&info).map_or("nothing".to_owned(), |event| event.to_string()))
            }
            libc::SYS_clock_gettime => Some(memory.time(a1)?.to_string()),
            libc::SYS_rt_sigprocmask if a2 != 0 => Some(format!("{:016x}", memory.word(a2)?)),
            libc::SYS_ioctl if int(a1) == int(libc::TIOCGPGRP) => Some(memory.int(a2)?.to_string()),
            libc::SYS_ioctl if a1 == GET_INFO => Some(memory.end(a2)?),
            // Of a process and of signals, as a watch asks.
            libc::SYS_ppoll if a1 == 2 => {
                let [process, signals] = [memory.half(a0 + 6)?, memory.half(a0 + 14)?];
                let seen = [
                    (process & libc::POLLHUP != 0).then_some("reaped"),
                    (signals & libc::POLLIN != 0).then_some("signal"),
                ];
                let seen: Vec<_> = seen.into_iter().flatten().collect();
                Some(if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") })
            }
            libc::SYS_mmap => Some("memory".to_owned()),
            libc::SYS_readlinkat => {
                let length = usize::try_from(result).ok()?;
                Some(format!("{:?}", memory.text(a2, length)?))
            }
            _ => None,
        }
    }
}

/// What a report says, in the words of the notation.
fn report(info: &Info) -> Option<Event> {
    let pid = Process::new(u32::try_from(info.pid).ok()?)?;
    let status = u8::try_from(info.value & 0xff).ok()?;
    let signal = Signal::new(status & 0x7f);
    Some(match info.code {
        libc::CLD_EXITED => Event::Reaped(pid, Status::Exited(status)),
        libc::CLD_KILLED => Event::Reaped(pid, Status::Killed { signal: signal?, core: false }),
        libc::CLD_DUMPED => Event::Reaped(pid, Status::Killed { signal: signal?, core: true }),
        libc::CLD_STOPPED => Event::Stopped(pid, signal?),
        libc::CLD_TRAPPED => Event::Trapped(pid, signal?),
        libc::CLD_CONTINUED => Event::Continued(pid),
        _ => return None,
    })
}

/// A signal by its name; 0 is none.
fn signal(number: u64) -> String {
    let signal = u8::try_from(number).ok().and_then(Signal::new);
    signal.map_or_else(|| number.to_string(), |signal| signal.to_string())
}

fn set(bits: Option<u64>) -> String {
    match bits {
        Some(bits) if SignalSet::from_bits(bits) == SignalSet::FULL => "all".to_owned(),
        Some(bits) => format!("{bits:016x}"),
        None => "?".to_owned(),
    }
}

/// The name and the arguments.
#[allow(clippy::too_many_lines, reason = "one table: a call in a line or two")]
fn asked(memory: &Memory, number: i64, args: [u64; 6]) -> String {
    let [a0, a1, a2, a3, a4, a5] = args;
    let path = |at| format!("{:?}", memory.path(at).unwrap_or_default());
    let text = |at, length: u64| {
        let length = usize::try_from(length).unwrap_or(0);
        format!("{:?}", memory.text(at, length).unwrap_or_default())
    };
    match number {
        libc::SYS_rt_sigprocmask if int(a0) == libc::SIG_SETMASK => {
            format!("rt_sigprocmask({})", set(memory.word(a1)))
        }
        libc::SYS_rt_sigaction => {
            let action = memory.word(a1).map_or("?".to_owned(), |word| word.to_string());
            format!("rt_sigaction({}, {action})", signal(a0))
        }
        libc::SYS_rt_sigtimedwait => {
            let limit = if a2 == 0 { None } else { memory.time(a2) };
            let limit = limit.map_or("forever".to_owned(), |ns| ns.to_string());
            format!("rt_sigtimedwait({}, {limit})", set(memory.word(a0)))
        }
        libc::SYS_rt_sigqueueinfo => {
            let info = memory.info(a2);
            let value = info.map_or("?".to_owned(), |i| format!("{} value {}", i.code, i.value));
            format!("rt_sigqueueinfo({}, {}, {value})", int(a0), signal(a1))
        }
        libc::SYS_kill => format!("kill({}, {})", int(a0), signal(a1)),
        libc::SYS_pidfd_open => format!("pidfd_open({})", int(a0)),
        libc::SYS_pidfd_send_signal => {
            let info = memory.info(a2).filter(|_| a2 != 0);
            let value = info.map_or(a2.to_string(), |i| format!("{} value {}", i.code, i.value));
            format!("pidfd_send_signal({}, {}, {value}, {a3})", int(a0), signal(a1))
        }
        libc::SYS_waitid if (int(a0), int(a3)) == (ALL, ANY_REPORT) => "waitid(any)".to_owned(),
        libc::SYS_waitid if (int(a0), int(a3)) == (ALL, PEEK) => "waitid(look)".to_owned(),
        libc::SYS_waitid if (int(a0), int(a3)) == (PID, ANY_REPORT) => format!("waitid({a1})"),
        libc::SYS_waitid if (int(a0), int(a3)) == (PIDFD, END) => format!("waitid(fd {a1}, end)"),
        libc::SYS_waitid if (int(a0), int(a3)) == (PIDFD, PEEK) => format!("waitid(fd {a1}, look)"),
        libc::SYS_signalfd4
            if int(a0) == -1 && int(a3) == libc::SFD_CLOEXEC | libc::SFD_NONBLOCK =>
        {
            format!("signalfd({})", set(memory.word(a1)))
        }
        libc::SYS_ioctl if a1 == GET_INFO && memory.word(a2) == Some(INFO_EXIT) => {
            format!("pidfd_info({a0}, exit)")
        }
        libc::SYS_wait4 => format!("wait4({})", int(a0)),
        libc::SYS_ptrace if a0 == u64::from(libc::PTRACE_DETACH) => {
            format!("ptrace(detach, {}, {})", int(a1), signal(a3))
        }
        libc::SYS_getpid => "getpid()".to_owned(),
        libc::SYS_getppid => "getppid()".to_owned(),
        libc::SYS_getpgid => format!("getpgid({a0})"),
        libc::SYS_getsid => format!("getsid({a0})"),
        libc::SYS_setsid => "setsid()".to_owned(),
        libc::SYS_setpgid => format!("setpgid({a0}, {a1})"),
        libc::SYS_prctl => format!("prctl({a0}, {a1})"),
        libc::SYS_clone => {
            let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            if int(a0) == vfork { "vfork()".to_owned() } else { format!("clone({a0:x})") }
        }
        libc::SYS_execve => format!("execve({})", path(a0)),
        libc::SYS_exit_group => format!("exit_group({a0})"),
        libc::SYS_clock_gettime => format!("clock_gettime({a0})"),
        libc::SYS_openat => format!("openat({})", path(a1)),
        libc::SYS_readlinkat => format!("readlinkat({})", path(a1)),
        libc::SYS_faccessat => format!("faccessat({})", path(a1)),
        libc::SYS_chdir => format!("chdir({})", path(a0)),
        libc::SYS_close => format!("close({a0})"),
        libc::SYS_close_range => format!("close_range({a0}, {a1})"),
        libc::SYS_read => format!("read({a0})"),
        libc::SYS_getdents64 => format!("getdents64({a0})"),
        // The end of a process, and signals if there is a descriptor of them: with the events of both.
        libc::SYS_ppoll if a1 == 2 => watch(memory, a0, a2),
        // Of one descriptor: is there room?
        libc::SYS_ppoll => {
            format!("ppoll({})", memory.int(a0).map_or("?".to_owned(), |fd| fd.to_string()))
        }
        libc::SYS_fstat => format!("fstat({a0})"),
        libc::SYS_write => format!("write({a0}, {})", text(a1, a2)),
        libc::SYS_pwritev2 if a2 == 1 => {
            let piece = (memory.word(a1), memory.word(a1 + 8));
            let piece = text(piece.0.unwrap_or(0), piece.1.unwrap_or(0));
            format!("pwritev2({a0}, {piece})")
        }
        libc::SYS_ioctl if int(a1) == int(libc::TIOCGPGRP) => format!("tcgetpgrp({a0})"),
        libc::SYS_ioctl if int(a1) == int(libc::TIOCSPGRP) => {
            format!("tcsetpgrp({a0}, {})", memory.int(a2).unwrap_or(-1))
        }
        libc::SYS_mmap => "mmap()".to_owned(),
        libc::SYS_madvise => format!("madvise({a2})"),
        libc::SYS_munmap => "munmap()".to_owned(),
        _ => {
            let mut line = format!("syscall {number}(");
            let _ = write!(line, "{a0:x}, {a1:x}, {a2:x}, {a3:x}, {a4:x}, {a5:x})");
            line
        }
    }
}

/// ppoll(2) of a process's end and of signals, with the events that are asked for.
fn watch(memory: &Memory, polls: u64, time: u64) -> String {
    let number = |at| memory.int(at).map_or("?".to_owned(), |fd| fd.to_string());
    let events = |at| memory.half(at).map_or("?".to_owned(), |bits| bits.to_string());
    let limit = if time == 0 { None } else { memory.time(time) };
    let limit = limit.map_or("forever".to_owned(), |ns| ns.to_string());
    let [process, signals] = [(polls, polls + 4), (polls + 8, polls + 12)]
        .map(|(fd, bits)| format!("{} for {}", number(fd), events(bits)));
    format!("ppoll({process}, {signals}, {limit})")
}

/// What of a `siginfo_t` matters here (sigaction(2), the layout on 64 bits).
struct Info {
    code: i32,
    pid: i32,
    /// `si_value`, or `si_status` in its lower half.
    value: u64,
}

/// The memory of a process that stands still.
struct Memory(io::Result<File>);

impl Memory {
    fn of(pid: Pid) -> Self {
        Self(File::open(format!("/proc/{pid}/mem")))
    }

    fn bytes<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.0.as_ref().ok()?.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    fn word(&self, at: u64) -> Option<u64> {
        self.bytes(at).map(u64::from_ne_bytes)
    }

    fn int(&self, at: u64) -> Option<i32> {
        self.bytes(at).map(i32::from_ne_bytes)
    }

    fn half(&self, at: u64) -> Option<i16> {
        self.bytes(at).map(i16::from_ne_bytes)
    }

    /// How a process ended, of the structure that `PIDFD_GET_INFO` fills in.
    fn end(&self, at: u64) -> Option<String> {
        if self.word(at)? & INFO_EXIT == 0 {
            return Some("nothing".to_owned());
        }
        let code = self.int(at + 60)?;
        if libc::WIFEXITED(code) {
            return Some(format!("exit {}", libc::WEXITSTATUS(code)));
        }
        let signal = Signal::new(u8::try_from(libc::WTERMSIG(code)).ok()?)?;
        Some(format!("signal {signal}{}", if libc::WCOREDUMP(code) { " core" } else { "" }))
    }

    fn text(&self, at: u64, length: usize) -> Option<String> {
        let mut bytes = vec![0; length];
        self.0.as_ref().ok()?.read_exact_at(&mut bytes, at).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A C string; only its end is known, not where its page ends.
    fn path(&self, at: u64) -> Option<String> {
        let mut bytes = Vec::new();
        while let Some([byte]) = self.bytes(at + bytes.len() as u64)
            && byte != 0
        {
            bytes.push(byte);
        }
        String::from_utf8(bytes).ok()
    }

    /// A timespec, in ns.
    fn time(&self, at: u64) -> Option<u64> {
        Some(self.word(at)? * 1_000_000_000 + self.word(at + 8)?)
    }

    fn info(&self, at: u64) -> Option<Info> {
        let [code, pid] = [self.int(at + 8)?, self.int(at + 16)?];
        Some(Info { code, pid, value: self.word(at + 24)? })
    }
}
