//! How programs are started and watched: each init as PID 1 of a new PID namespace, by a clone(2)
//! that shares our memory until the exec, so that what is measured is not the copying of ours.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use crate::contenders::Contender;

/// A process's number, as we see it.
pub(crate) type Pid = libc::pid_t;

/// Room for what a clone(2)d child of ours does before its exec.
const STACK: usize = 64 * 1024;

/// All that the inits and their children have of an environment: ours has what cargo put there.
const ENVIRONMENT: [&str; 2] = ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root"];

/// A program to be started, with everything prepared that needs memory.
pub(crate) struct Launch {
    /// Null-terminated; into `_words`.
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    _words: Vec<CString>,
    /// clone(2)'s. Without `CLONE_VM` it is traced, with `CLONE_NEWNS` it has a /proc of its own.
    flags: c_int,
    /// It dies with us.
    bound: bool,
    /// The processor that it runs on.
    processor: Option<usize>,
}

impl Launch {
    /// That init with this command; without an init, the command.
    pub(crate) fn new(init: &Contender, command: &[&str]) -> Self {
        let words = init.words.iter().map(String::as_str).chain(command.iter().copied());
        Self::of(words, true)
    }

    /// These words; as PID 1 of a new PID namespace, or in our own.
    pub(crate) fn of<'w>(words: impl Iterator<Item = &'w str>, is_pid1: bool) -> Self {
        let text = |word: &str| CString::new(word).expect("no zero in it");
        let mut kept: Vec<CString> = words.map(text).collect();
        let split = kept.len();
        kept.extend(ENVIRONMENT.iter().map(|word| text(word)));
        let pointers = |words: &[CString]| {
            words.iter().map(|w| w.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        let (argv, environment) = (pointers(&kept[..split]), pointers(&kept[split..]));
        let namespace = if is_pid1 { libc::CLONE_NEWPID } else { 0 };
        Self {
            argv,
            environment,
            _words: kept,
            flags: libc::SIGCHLD | libc::CLONE_VM | libc::CLONE_VFORK | namespace,
            bound: false,
            processor: None,
        }
    }

    /// It is killed when we end.
    pub(crate) fn bound(mut self) -> Self {
        self.bound = true;
        self
    }

    /// We are its tracer. It stops at its exec, and would stop us if it shared our memory.
    pub(crate) fn traced(mut self) -> Self {
        self.flags &= !(libc::CLONE_VM | libc::CLONE_VFORK);
        self
    }

    /// With mounts of its own, and the /proc of its PID namespace there.
    pub(crate) fn with_proc(mut self) -> Self {
        self.flags |= libc::CLONE_NEWNS;
        self
    }

    /// On that processor alone.
    pub(crate) fn on(mut self, processor: usize) -> Self {
        self.processor = Some(processor);
        self
    }

    /// Starts it; when this returns it has been executed, unless it is traced.
    pub(crate) fn start(&self) -> Pid {
        thread_local!(static ROOM: RefCell<Vec<u128>> = RefCell::new(vec![0; STACK / 16]));
        let pid = ROOM.with_borrow_mut(|room| {
            let top = room.as_mut_ptr_range().end.cast::<c_void>();
            let argument = ptr::from_ref(self).cast_mut().cast::<c_void>();
            // SAFETY: we stand still while the child uses this memory, until its exec or its end;
            // or it has a copy.
            unsafe { libc::clone(execute, top, self.flags, argument) }
        });
        assert!(pid > 0, "clone: {} (root is needed)", std::io::Error::last_os_error());
        pid
    }
}

/// What the child does; system calls only.
extern "C" fn execute(launch: *mut c_void) -> c_int {
    // SAFETY: start() keeps it while we use it, and the strings end with a zero.
    unsafe {
        let launch = &*launch.cast::<Launch>();
        if launch.bound {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
        if let Some(processor) = launch.processor {
            set_processors(&[processor]);
        }
        if launch.flags & libc::CLONE_NEWNS != 0 {
            let none = ptr::null();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            libc::mount(c"none".as_ptr(), c"/".as_ptr(), none, private, none.cast());
            let (name, place) = (c"proc".as_ptr(), c"/proc".as_ptr());
            if libc::mount(name, place, name, 0, none.cast()) != 0 {
                return 126;
            }
        }
        if launch.flags & libc::CLONE_VM == 0 {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
        }
        libc::execve(launch.argv[0], launch.argv.as_ptr(), launch.environment.as_ptr());
    }
    127
}

/// Waits until it has ended, and leaves it there; the nanoseconds of processor time that it had
/// itself, the kernel's work at its end included.
pub(crate) fn cpu_at_end(pid: Pid) -> i64 {
    let id = libc::id_t::try_from(pid).expect("a pid");
    // SAFETY: all zeros is a siginfo, and it is ours.
    unsafe {
        let mut info = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOWAIT;
        assert_eq!(libc::waitid(libc::P_PID, id, &raw mut info, flags), 0, "waitid");
    }
    cpu_ns(pid)
}

/// Waits for a child of ours: its status as wait(2) has it, and the page faults of it and of the
/// children that it has waited for.
pub(crate) fn reap(pid: Pid) -> (i32, i64) {
    let mut status = 0;
    // SAFETY: all zeros is a rusage; both are ours.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let ended = libc::wait4(pid, &raw mut status, 0, &raw mut usage);
        assert_eq!(ended, pid, "wait4: {}", std::io::Error::last_os_error());
        (status, usage.ru_minflt + usage.ru_majflt)
    }
}

/// Has it ended? Then it has been waited for.
pub(crate) fn has_ended(pid: Pid) -> bool {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(pid, ptr::null_mut(), libc::WNOHANG) == pid }
}

/// Whether it ends within that time; it stays to be waited for, and is killed if not.
pub(crate) fn ends_within(pid: Pid, limit: Duration) -> bool {
    // SAFETY: numbers only, and a structure of ours.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        let fd = c_int::try_from(fd).expect("a descriptor");
        assert!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let ms = c_int::try_from(limit.as_millis()).expect("a short time");
        let ended = libc::poll(&raw mut poll, 1, ms) == 1;
        libc::close(fd);
        if !ended {
            libc::kill(pid, libc::SIGKILL);
        }
        ended
    }
}

/// Sends a signal to a child of ours that we have not waited for.
pub(crate) fn kill(pid: Pid, signal: c_int) {
    // SAFETY: numbers only.
    unsafe { libc::kill(pid, signal) };
}

/// Kills it, and waits.
pub(crate) fn end(pid: Pid) {
    kill(pid, libc::SIGKILL);
    reap(pid);
}

/// Processor time of a process that is not reaped yet, all its threads, in nanoseconds.
pub(crate) fn cpu_ns(pid: Pid) -> i64 {
    let mut clock = 0;
    // SAFETY: both results are ours.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        if libc::clock_getcpuclockid(pid, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
        {
            return 0;
        }
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds: other processes read the same.
pub(crate) fn now_ns() -> i64 {
    // SAFETY: the time is ours.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}

/// The number behind `key` in a file of /proc, `0` if there is none.
pub(crate) fn proc_value(path: impl AsRef<Path>, key: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// Context switches of a process, voluntary and not.
pub(crate) fn switches(pid: Pid) -> (f64, f64) {
    let status = format!("/proc/{pid}/status");
    let value = |key| proc_value(&status, key);
    (value("voluntary_ctxt_switches:"), value("nonvoluntary_ctxt_switches:"))
}

/// Sleeps.
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Does nothing but look at the clock.
pub(crate) fn spin_until(start: Instant, moment: Duration) {
    while start.elapsed() < moment {
        std::hint::spin_loop();
    }
}

/// The processors that we may use.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: the set is ours, and all zeros is one.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
        (0..1024).filter(|&processor| libc::CPU_ISSET(processor, &set)).collect()
    }
}

/// We run on these only; also what we start from now on.
fn set_processors(processors: &[usize]) {
    // SAFETY: as above; system calls only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &processor in processors {
            libc::CPU_SET(processor, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Everything on one processor, until this is dropped: no migration is part of what is measured.
pub(crate) struct Pinned(Vec<usize>);

impl Pinned {
    pub(crate) fn new() -> Self {
        let all = processors();
        set_processors(&all[..1]);
        Self(all)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        set_processors(&self.0);
    }
}
