//! What an experiment stands on: [`ground`] runs it as PID 1 of a PID and mount namespace of its
//! own, with a /proc and a /tmp of its own. A signal sent by mistake stays in there, and when the
//! experiment ends, in whatever way, nothing of it is left.
//!
//! The test process has threads, so its locks may be held at the fork by somebody who is not in
//! the child. glibc frees those of malloc; of Rust's none is needed but the panic hook's, for
//! reading: nothing here prints. A panic in any process of the experiment is written to the
//! report, a pipe to the test, and ends that process; the test fails if anything is reported.
//!
//! Two things keep experiments short. Every process of [`fork`] begins with all signals blocked,
//! so that what is sent to it can be read in /proc as soon as kill(2) has returned ([`pending`]),
//! without a race. And all of them share [`Shared`] words.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lastout_tests::{container, tools};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, getpid, setsid};

use crate::cgroup;
use crate::proc::{number, program, state};
use crate::signals::{disposition, kill, set_mask};

/// How long an event may take on a slow and busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// How long a whole experiment may take, so that one that hangs is found out.
const WHOLE: Duration = Duration::from_secs(150);

/// The status of a process that has panicked.
const PANICKED: i32 = 101;

/// Where panics of an experiment are told; -1 in the test process itself.
static REPORT: AtomicI32 = AtomicI32::new(-1);

/// The number of this experiment in the test process, for names.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How many experiments there were.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The test process, for names: they say who has left something behind.
static TEST: AtomicU32 = AtomicU32::new(0);

/// Set once we are in a PID namespace of our own.
static IN_NAMESPACE: AtomicBool = AtomicBool::new(false);

/// Is this a process of an experiment?
pub(crate) fn is_own_namespace() -> bool {
    IN_NAMESPACE.load(Ordering::Relaxed)
}

/// The words that all processes of an experiment share: the first two are ours.
static WORDS: AtomicPtr<AtomicI64> = AtomicPtr::new(std::ptr::null_mut());
const WORD_COUNT: usize = 4096;
const FAILED: usize = 0;
const USED: usize = 1;

/// Runs an experiment; says so if that cannot be done here.
#[track_caller]
pub(crate) fn ground(experiment: impl FnOnce()) {
    if !container::available() {
        return;
    }
    tell_panics();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let test = std::process::id();
    let (reader, writer) = container::pipe();
    // SAFETY: see the head: the child needs no lock of another thread.
    let outer = match unsafe { nix::unistd::fork() }.expect("fork") {
        ForkResult::Child => {
            NUMBER.store(number, Ordering::Relaxed);
            TEST.store(test, Ordering::Relaxed);
            outside(&writer, experiment)
        }
        ForkResult::Parent { child } => child,
    };
    drop(writer);
    let status = reap(outer.as_raw());
    // Another test's child may hold the other end for a while, so that there is no end of file.
    make_nonblocking(&reader);
    let mut report = vec![0; 1 << 16];
    let length = nix::unistd::read(&reader, &mut report).unwrap_or(0);
    let report = String::from_utf8_lossy(&report[..length]);
    if let Some((why, "")) = report.strip_prefix("SKIP ").and_then(|r| r.split_once('\n')) {
        return tools::skip(why);
    }
    assert!(report.is_empty() && status == exited(0), "status {status:#x}; {report}");
}

fn make_nonblocking(fd: &OwnedFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("fcntl");
}

/// Says in the middle of an experiment that it cannot be done here, and ends it.
pub(crate) fn skip(why: &str) -> ! {
    report(&format!("SKIP {why}"));
    // Nobody needs to wait any more.
    Shared(FAILED).set(1);
    cgroup::thaw_all();
    exit(0)
}

/// The process above the experiment: it limits its time and clears up after it.
fn outside(report_to: &OwnedFd, experiment: impl FnOnce()) -> ! {
    const NOTHING: Option<&str> = None;
    const REPORT_FD: i32 = 3;
    // SAFETY: numbers only; whoever owned these descriptors is not in this process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::dup2(report_to.as_raw_fd(), REPORT_FD);
        libc::syscall(libc::SYS_close_range, REPORT_FD + 1, u32::MAX, 0);
    }
    REPORT.store(REPORT_FD, Ordering::Relaxed);
    WORDS.store(shared_words(), Ordering::Relaxed);
    Shared(USED).set(2);
    // What Rust's start-up and whoever started the tests have changed (K105).
    for signal in 1..=libc::SIGRTMAX() {
        disposition(signal, libc::SIG_DFL);
    }
    set_mask(&[]);
    setsid().expect("setsid");
    let machine = fs::read_link("/proc/self/ns/pid").expect("/proc");
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS).expect("namespaces");
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).expect("mounts");
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), MsFlags::empty(), NOTHING).expect("a /tmp");
    let pid1 = fork(|| {
        assert_eq!(getpid().as_raw(), 1);
        // SAFETY: a number only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NOTHING).expect("a /proc");
        assert_ne!(fs::read_link("/proc/self/ns/pid").expect("/proc"), machine);
        IN_NAMESPACE.store(true, Ordering::Relaxed);
        setsid().expect("setsid");
        set_mask(&[]);
        experiment();
        cgroup::thaw_all();
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = try_wait(pid1, 0) {
            break status;
        }
        if start.elapsed() > WHOLE {
            report("the experiment does not end");
            cgroup::thaw_all();
            kill(pid1, libc::SIGKILL).expect("it is our child");
            break reap(pid1);
        }
        sleep(Duration::from_millis(1));
    };
    cgroup::remove_all();
    exit(i32::from(status != exited(0)))
}

/// Lets panics of experiments be reported, and others be as they are.
fn tell_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if REPORT.load(Ordering::Relaxed) == -1 {
                return usual(info);
            }
            report(&info.to_string());
            Shared(FAILED).set(1);
            // Who is frozen cannot end, and nor could the namespace.
            cgroup::thaw_all();
            exit(PANICKED)
        }));
    });
}

fn report(text: &str) {
    let text = format!("{text}\n");
    // SAFETY: the text outlives the call.
    unsafe { libc::write(REPORT.load(Ordering::Relaxed), text.as_ptr().cast(), text.len()) };
}

/// A name for what this experiment makes outside of its namespaces.
pub(crate) fn name() -> String {
    let (test, number) = (TEST.load(Ordering::Relaxed), NUMBER.load(Ordering::Relaxed));
    format!("lastout-facts-{test}-{number}")
}

fn shared_words() -> *mut AtomicI64 {
    let size = WORD_COUNT * size_of::<AtomicI64>();
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, which stays to the end.
    let words = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    assert_ne!(words, libc::MAP_FAILED, "shared memory");
    words.cast()
}

/// A number that all processes of the experiment share; 0 at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared(usize);

impl Shared {
    pub(crate) fn new() -> Self {
        Self::several(1)
    }

    /// The first of so many in a row.
    pub(crate) fn several(count: usize) -> Self {
        let first =
            Self(USED).word().fetch_add(i64::try_from(count).expect("few"), Ordering::SeqCst);
        let first = usize::try_from(first).expect("an index");
        assert!(first + count <= WORD_COUNT, "more shared words");
        Self(first)
    }

    pub(crate) fn at(index: usize) -> Self {
        Self(index)
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }

    pub(crate) fn nth(self, index: usize) -> Self {
        Self(self.0 + index)
    }

    fn word(self) -> &'static AtomicI64 {
        // SAFETY: the mapping is there from before any experiment to its end, and this large.
        unsafe { &*WORDS.load(Ordering::Relaxed).add(self.0) }
    }

    pub(crate) fn get(self) -> i32 {
        i32::try_from(self.word().load(Ordering::SeqCst)).expect("a number")
    }

    pub(crate) fn set(self, value: i32) {
        self.word().store(i64::from(value), Ordering::SeqCst);
    }

    pub(crate) fn add(self, value: i32) {
        self.word().fetch_add(i64::from(value), Ordering::SeqCst);
    }

    /// Waits until it is not 0 and tells it.
    #[track_caller]
    pub(crate) fn wait(self) -> i32 {
        until("a word is set", || self.get() != 0);
        self.get()
    }
}

/// Waits until that is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        if REPORT.load(Ordering::Relaxed) != -1 && Shared(FAILED).get() != 0 {
            // Somebody has told why.
            exit(PANICKED);
        }
        sleep(Duration::from_millis(1));
    }
}

/// Ends this process.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: nothing is to be tidied up.
    unsafe { libc::_exit(code) }
}

/// Does nothing any more; handlers run.
pub(crate) fn stay() -> ! {
    loop {
        nix::unistd::pause();
    }
}

/// A child that lives so, all signals blocked, and then exits with 0; its pid.
#[track_caller]
pub(crate) fn fork(life: impl FnOnce()) -> i32 {
    try_fork(life).expect("fork")
}

/// The same; it may fail.
pub(crate) fn try_fork(life: impl FnOnce()) -> Result<i32, Errno> {
    let all = SigSet::all();
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut before)).expect("a mask");
    // SAFETY: the experiment's processes have one thread, or no locks that others need.
    let result = unsafe { nix::unistd::fork() };
    if matches!(result, Ok(ForkResult::Child)) {
        life();
        exit(0);
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None).expect("a mask");
    result.map(|forked| match forked {
        ForkResult::Parent { child } => child.as_raw(),
        ForkResult::Child => unreachable!("it has exited"),
    })
}

/// A child that does that, all signals blocked, and then stays. It is ready on return.
#[track_caller]
pub(crate) fn stayer(setup: impl FnOnce()) -> i32 {
    let ready = Shared::new();
    let pid = fork(|| {
        setup();
        ready.set(1);
        stay()
    });
    ready.wait();
    pid
}

/// The same in a namespace below: its pid there and its pid here.
#[track_caller]
pub(crate) fn numbered(setup: impl FnOnce()) -> (i32, i32) {
    let ready = Shared::new();
    let pid = fork(|| {
        setup();
        ready.set(number());
        stay()
    });
    (pid, ready.wait())
}

/// Becomes a shell, which stays.
pub(crate) fn become_shell() -> ! {
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    nix::unistd::dup2_stdin(&reader).expect("dup2");
    let words = ["sh", "-c", "read x"].map(|w| CString::new(w).expect("no zero"));
    let error = nix::unistd::execv(c"/bin/sh", &words);
    // Not before: the shell is to wait for what nobody writes.
    drop(writer);
    panic!("/bin/sh: {error:?}")
}

/// Waits until a process is the shell.
#[track_caller]
pub(crate) fn until_shell(pid: i32) {
    until("it is a shell", || program(pid) == "sh");
}

/// A child that has exited so, and is not reaped.
#[track_caller]
pub(crate) fn zombie(code: i32) -> i32 {
    let pid = fork(|| exit(code));
    until("it is a zombie", || {
        // SAFETY: what is told is ours, and of zeros if nothing is.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
            let id = libc::id_t::try_from(pid).expect("a pid");
            assert_eq!(libc::waitid(libc::P_PID, id, &raw mut info, flags), 0);
            info.si_pid() == pid
        }
    });
    pid
}

/// What another process, set up so, has for a result.
#[track_caller]
pub(crate) fn by(
    setup: impl FnOnce(),
    act: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let status = reap(fork(|| {
        setup();
        exit(act().err().map_or(0, |error| error as i32))
    }));
    assert_eq!(status & 0xff, 0, "it exits");
    if status == 0 { Ok(()) } else { Err(Errno::from_raw(status >> 8)) }
}

/// PID 1 of a new PID namespace below, all signals blocked; its pid here.
#[track_caller]
pub(crate) fn namespace(init: impl FnOnce()) -> i32 {
    let own = File::open("/proc/self/ns/pid").expect("/proc");
    unshare(CloneFlags::CLONE_NEWPID).expect("a PID namespace");
    let pid = fork(init);
    setns(own, CloneFlags::CLONE_NEWPID).expect("back");
    pid
}

/// A child in that PID namespace, as by `docker exec`; its pid here.
pub(crate) fn enter(namespace: &File, life: impl FnOnce()) -> Result<i32, Errno> {
    let own = File::open("/proc/self/ns/pid").expect("/proc");
    setns(namespace, CloneFlags::CLONE_NEWPID)?;
    let result = try_fork(life);
    setns(own, CloneFlags::CLONE_NEWPID).expect("back");
    result
}

/// The PID namespace of a process.
pub(crate) fn namespace_of(pid: i32) -> File {
    File::open(format!("/proc/{pid}/ns/pid")).expect("its namespace")
}

/// The raw status of who exits so.
pub(crate) const fn exited(code: i32) -> i32 {
    code << 8
}

/// The raw status of who has stopped so.
pub(crate) const fn stopped(signal: i32) -> i32 {
    (signal << 8) | 0x7f
}

/// The raw status of a child, if there is one to tell.
pub(crate) fn try_wait(pid: i32, options: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let result =
        unsafe { libc::waitpid(pid, &raw mut status, options | libc::WNOHANG | libc::__WALL) };
    match Errno::result(result).expect("a child") {
        0 => None,
        _ => Some(status),
    }
}

/// The errno of a wait for any child, or what it returns.
pub(crate) fn wait_any() -> Result<i32, Errno> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let result = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
    Errno::result(result)
}

/// Waits for the end of a child: its raw status.
#[track_caller]
pub(crate) fn reap(pid: i32) -> i32 {
    wait_with(pid, 0)
}

/// Waits for the end or a stop of a child: its raw status.
#[track_caller]
pub(crate) fn ends_or_stops(pid: i32) -> i32 {
    wait_with(pid, libc::WUNTRACED)
}

#[track_caller]
fn wait_with(pid: i32, options: i32) -> i32 {
    let start = Instant::now();
    // The outer process limits an experiment itself.
    let limit = if REPORT.load(Ordering::Relaxed) == -1 { WHOLE * 2 } else { LIMIT };
    loop {
        if let Some(status) = try_wait(pid, options) {
            return status;
        }
        assert!(start.elapsed() < limit, "{pid} does not end; its state is {}", state(pid));
        sleep(Duration::from_millis(1));
    }
}

/// Makes this process another user's: real, effective and saved.
pub(crate) fn become_user(real: u32, effective: u32, saved: u32) {
    nix::unistd::setresuid(real.into(), effective.into(), saved.into()).expect("setresuid");
}

/// Takes `CAP_KILL` from this process.
pub(crate) fn drop_cap_kill() {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_KILL: u32 = 5;
    let header = [VERSION_3, 0];
    // Effective, permitted and inheritable of the first 32 capabilities, then of the others.
    let mut sets = [0_u32; 6];
    // SAFETY: both are as capget(2) and capset(2) have them.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()), 0);
        sets[0] &= !(1 << CAP_KILL);
        sets[1] &= !(1 << CAP_KILL);
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()), 0);
    }
}

/// A process group: the process `pid`, 0 for oneself, goes into the group `group`.
pub(crate) fn setpgid(pid: i32, group: i32) -> Result<(), Errno> {
    nix::unistd::setpgid(Pid::from_raw(pid), Pid::from_raw(group))
}

/// Goes into a group of its own.
pub(crate) fn own_group() {
    setpgid(0, 0).expect("a group");
}

/// Goes into a session of its own.
pub(crate) fn own_session() {
    setsid().expect("a session");
}
