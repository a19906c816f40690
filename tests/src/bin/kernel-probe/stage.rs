//! Processes for facts: PID 1 of a namespace of its own, whoever is outside of it, and their
//! children; and the system calls that facts are about, by number, as any kernel takes them.
//!
//! Everything here forks without exec, so the program has no threads. Nobody outlives the fact:
//! each process asks for KILL when its parent ends, and with PID 1 its whole namespace goes.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};

/// What became of a fact: what was seen, when it holds and when it does not.
pub(crate) type Verdict = Result<String, String>;

/// Ends the fact with what was seen, if that is not so.
#[macro_export]
macro_rules! ensure {
    ($is_so:expr, $($words:tt)+) => {
        if !$is_so {
            return Err(format!($($words)+));
        }
    };
}

/// It holds, and nothing is to be said.
#[allow(clippy::unnecessary_wraps, reason = "the kind of value that facts end with")]
pub(crate) const fn holds() -> Verdict {
    Ok(String::new())
}

fn outcome(result: i64) -> Result<i64, i32> {
    if result < 0 {
        Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(result)
    }
}

// ------------------------------------------------------------------------------------ processes

/// Starts a process that does that and exits with 0; its pid. It ends with its parent.
pub(crate) fn fork(child: impl FnOnce()) -> i32 {
    fork_orphan(|| {
        // SAFETY: numbers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        child();
    })
}

/// The same without the wish to end with the parent: for orphans. PID 1's end is theirs.
pub(crate) fn fork_orphan(child: impl FnOnce()) -> i32 {
    // SAFETY: we have no threads.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", io::Error::last_os_error());
    if pid == 0 {
        child();
        exit(0);
    }
    pid
}

/// `_exit(2)`.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// Waits for good.
pub(crate) fn forever() -> ! {
    loop {
        // SAFETY: no pointers.
        unsafe { libc::pause() };
    }
}

/// Waits so long: only where it is to be seen that nothing happens, and where gVisor, which has no
/// masks in /proc, leaves nothing to look at. On a slow machine this can say yes of a fact that does
/// not hold; `tests/tests/facts` waits for events, and is what is relied on.
pub(crate) fn a_while() {
    std::thread::sleep(Duration::from_millis(100));
}

/// getpid(2), not asked of the C library, which might remember.
pub(crate) fn getpid() -> i32 {
    // SAFETY: no pointers.
    i32::try_from(unsafe { libc::syscall(libc::SYS_getpid) }).unwrap_or(0)
}

/// A pipe's ends: to read, to write.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe")
}

/// Reads one byte; false at the end of the file.
pub(crate) fn hear(from: &OwnedFd) -> bool {
    nix::unistd::read(from, &mut [0]) == Ok(1)
}

/// Writes one byte.
pub(crate) fn say(to: &OwnedFd) {
    let _ = nix::unistd::write(to, b".");
}

/// A line each way between two processes.
pub(crate) struct Line {
    from: BufReader<std::fs::File>,
    to: std::fs::File,
}

impl Line {
    fn pair() -> (Self, Self) {
        let ((a, b), (c, d)) = (pipe(), pipe());
        let line =
            |from: OwnedFd, to: OwnedFd| Self { from: BufReader::new(from.into()), to: to.into() };
        (line(a, d), line(c, b))
    }

    /// Says that.
    pub(crate) fn say(&mut self, words: &str) {
        let _ = self.to.write_all(format!("{words}\n").as_bytes());
    }

    /// What the other one says; nothing, if everybody is gone who could.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut words = String::new();
        let count = self.from.read_line(&mut words).unwrap_or(0);
        (count > 0).then(|| words.trim_end().to_owned())
    }
}

/// A PID 1, as its parent outside sees it. Further children of that parent are in the namespace
/// too, as if they had entered it.
pub(crate) struct Init {
    /// Its pid outside.
    pub(crate) pid: i32,
    /// To it and from it.
    pub(crate) line: Line,
}

impl Init {
    /// Starts one that does that, and says what it returns.
    pub(crate) fn start(live: impl FnOnce(&mut Line) -> Verdict) -> Self {
        unshare(CloneFlags::CLONE_NEWPID).expect("a PID namespace");
        let (ours, theirs) = Line::pair();
        let mut ours = Some(ours);
        let pid = fork(|| {
            // Or nobody would ever hear that it is over.
            drop(ours.take());
            let mut own = theirs;
            // Facts kill PID 1, and everybody: never on the machine itself.
            let verdict =
                if getpid() == 1 { live(&mut own) } else { Err("no PID namespace".into()) };
            own.say(&match verdict {
                Ok(seen) => format!("yes {seen}"),
                Err(seen) => format!("no {seen}"),
            });
            // So that nobody finds it gone before it was heard: as the fact's parent wishes.
            let _ = own.hear();
        });
        Self { pid, line: ours.take().expect("still ours: the child has its own") }
    }

    /// What it says in the end.
    pub(crate) fn verdict(mut self) -> Verdict {
        match self.line.hear() {
            Some(words) => match words.split_once(' ').unwrap_or((&words, "")) {
                ("yes", seen) => Ok(seen.to_owned()),
                (_, seen) => Err(seen.to_owned()),
            },
            None => Err(format!("PID 1 ended: {}", told(wait(self.pid, libc::WEXITED).as_ref()))),
        }
    }

    /// Sends it a signal from outside.
    pub(crate) fn kill(&self, signal: i32) -> bool {
        kill(self.pid, signal).is_ok()
    }
}

/// Does that as PID 1.
pub(crate) fn as_pid1(live: impl FnOnce() -> Verdict) -> Verdict {
    Init::start(|_| live()).verdict()
}

// -------------------------------------------------------------------------------------- signals

/// kill(2): the error number if it fails.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), i32> {
    // SAFETY: no pointers. -1 only where getpid() is 1 or the caller is in such a namespace.
    outcome(i64::from(unsafe { libc::kill(pid, signal) })).map(drop)
}

/// kill(2) with -1, in a namespace of the program's own and nowhere else.
pub(crate) fn kill_all(signal: i32) -> Result<(), i32> {
    assert!(getpid() == 1, "only as PID 1");
    kill(-1, signal)
}

/// Signals as a set.
fn set(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

fn mask(how: i32, bits: u64) {
    // SAFETY: the kernel's set is eight bytes.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const bits, 0, 8) };
}

/// Blocks these.
pub(crate) fn block(signals: &[i32]) {
    mask(libc::SIG_BLOCK, set(signals));
}

/// Unblocks these.
pub(crate) fn unblock(signals: &[i32]) {
    mask(libc::SIG_UNBLOCK, set(signals));
}

/// Which are pending.
pub(crate) fn is_pending(signal: i32) -> bool {
    let mut bits = 0_u64;
    // SAFETY: the set is ours and has eight bytes.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut bits, 8) };
    bits & set(&[signal]) != 0
}

/// What the handlers have seen, and in which order.
static SEEN: AtomicU64 = AtomicU64::new(0);
static ORDER: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];
static COUNT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note(signal: i32) {
    SEEN.fetch_or(1 << (signal - 1), Ordering::Relaxed);
    let at = COUNT.fetch_add(1, Ordering::Relaxed);
    if let Some(place) = ORDER.get(at) {
        place.store(usize::try_from(signal).unwrap_or(0), Ordering::Relaxed);
    }
}

/// Has a handler seen it?
pub(crate) fn was_handled(signal: i32) -> bool {
    SEEN.load(Ordering::Relaxed) & set(&[signal]) != 0
}

/// In which order handlers ran.
pub(crate) fn order() -> Vec<usize> {
    let count = COUNT.load(Ordering::Relaxed).min(ORDER.len());
    ORDER[..count].iter().map(|place| place.load(Ordering::Relaxed)).collect()
}

/// Gives signals a disposition: `SIG_DFL`, `SIG_IGN`.
pub(crate) fn dispose(signals: &[i32], disposition: usize, flags: i32) {
    for &signal in signals {
        // SAFETY: all zeros is a valid value of it.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = disposition;
        action.sa_flags = flags;
        // SAFETY: the structure is ours; a handler of ours only changes atomics.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// Ignores these.
pub(crate) fn ignore(signals: &[i32]) {
    dispose(signals, libc::SIG_IGN, 0);
}

/// Gives these the default.
pub(crate) fn default(signals: &[i32]) {
    dispose(signals, libc::SIG_DFL, 0);
}

/// Handles these by noting them.
pub(crate) fn handle(signals: &[i32]) {
    let handler: extern "C" fn(i32) = note;
    dispose(signals, handler as *const () as usize, 0);
}

/// `rt_sigtimedwait(2)`: the signal, its code and its value; or the error number.
pub(crate) fn take(signals: &[i32], limit: Duration) -> Result<(i32, i32, usize), i32> {
    let bits = set(signals);
    let time = libc::timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(0),
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    // SAFETY: all zeros is a valid value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: all of these are ours and of the kernel's sizes.
    let signal = outcome(unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const bits, &raw mut info, &raw const time, 8)
    })?;
    // SAFETY: the value is there for a queued signal, and is a number to us for others.
    let value = unsafe { info.si_value() }.sival_ptr.addr();
    Ok((i32::try_from(signal).unwrap_or(0), info.si_code, value))
}

/// A signal that is there already.
pub(crate) fn take_now(signals: &[i32]) -> Option<i32> {
    take(signals, Duration::ZERO).ok().map(|taken| taken.0)
}

/// A signal that is to come.
pub(crate) fn take_soon(signals: &[i32]) -> Option<i32> {
    take(signals, Duration::from_secs(10)).ok().map(|taken| taken.0)
}

/// sigqueue(3).
pub(crate) fn queue(pid: i32, signal: i32, value: usize) -> Result<(), i32> {
    let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
    // SAFETY: the value is only a number.
    outcome(i64::from(unsafe { libc::sigqueue(pid, signal, value) })).map(drop)
}

// ----------------------------------------------------------------------------------------- wait

/// One report of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    pub(crate) pid: i32,
    /// `CLD_EXITED` and so on.
    pub(crate) code: i32,
    pub(crate) status: i32,
}

/// `waitid(2)`: a report, nothing if none is ready, or the error number.
pub(crate) fn waitid(kind: u32, id: i32, options: i32) -> Result<Option<Report>, i32> {
    // SAFETY: all zeros is a valid value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the siginfo is ours, no rusage is asked for.
    outcome(unsafe { libc::syscall(libc::SYS_waitid, kind, id, &raw mut info, options, none) })?;
    // SAFETY: for a child's report these are there, and zero when there is none.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(Report { pid, code: info.si_code, status }))
}

/// Waits for that of one child, as long as it takes.
pub(crate) fn wait(pid: i32, what: i32) -> Option<Report> {
    loop {
        match waitid(libc::P_PID, pid, what | libc::__WALL) {
            // A handler ran.
            Err(libc::EINTR) => (),
            other => return other.ok().flatten(),
        }
    }
}

/// What any child has to report now, as lastout asks for it.
pub(crate) fn report() -> Result<Option<Report>, i32> {
    let all = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::__WALL;
    waitid(libc::P_ALL, 0, all)
}

/// Waits until that child is dead, and leaves it as it is.
pub(crate) fn wait_for_zombie(pid: i32) {
    let _ = waitid(libc::P_PID, pid, libc::WEXITED | libc::WNOWAIT | libc::__WALL);
}

/// What a report says.
pub(crate) fn told(report: Option<&Report>) -> String {
    match report {
        None => "nothing".into(),
        Some(Report { code: libc::CLD_EXITED, status, .. }) => format!("exited {status}"),
        Some(Report { code: libc::CLD_KILLED | libc::CLD_DUMPED, status, .. }) => {
            format!("killed by {status}")
        }
        Some(Report { code: libc::CLD_STOPPED, status, .. }) => format!("stopped by {status}"),
        Some(Report { code: libc::CLD_TRAPPED, status, .. }) => format!("trapped by {status}"),
        Some(Report { code: libc::CLD_CONTINUED, .. }) => "continued".into(),
        Some(Report { code, status, .. }) => format!("code {code} status {status}"),
    }
}

/// Any system call of numbers only.
pub(crate) fn call(number: i64, args: [i64; 4]) -> Result<i64, i32> {
    // SAFETY: whoever calls this passes numbers to calls that take numbers there, or null.
    outcome(unsafe { libc::syscall(number, args[0], args[1], args[2], args[3]) })
}

/// The name of an error number.
pub(crate) fn name(errno: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(errno))
}
