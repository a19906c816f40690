//! Where experiments with the kernel take place.
//!
//! A test calls [`experiment`] with a function that captures nothing. The test's program is then
//! executed anew, and that function runs in it *before* `main` (see [`before_main`]): in a process
//! with one thread, where neither Rust's runtime nor the test harness has touched a signal, so that
//! it may fork as it likes. An assertion that fails there is the test's own failure.
//!
//! ```text
//! test program                    the test; waits for
//!   test program again            the time limit; waits for
//!     PID 1 of a namespace        the guard: ends with the experiment, and everybody with it
//!       PID 2                     the experiment, an ordinary process: "outside"
//!         PID 1 of another        made by `pid_1`: the subject of most facts
//! ```
//!
//! So there is an "outside" of the subject's namespace that is not the machine's own, and a signal
//! that goes astray ends in the guard's namespace. Nobody here sends a signal to other than a
//! process by its number: [`kill`] sees to that.
//!
//! Statuses are wait(2)'s raw numbers, because the facts are about these.

use std::env;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

use lastout_tests::container;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

pub(crate) mod observe;
pub(crate) mod signal;
pub(crate) mod subject;

/// After so many seconds an experiment is over; it has failed.
const LIMIT: u32 = 240;

/// Which function is to run before `main`, as its distance from [`ANCHOR`]: the whole experiment,
/// or what a process of it becomes by [`exec`].
const EXPERIMENT: &str = "LASTOUT_TESTS_EXPERIMENT";
const EXECUTED: &str = "LASTOUT_TESTS_EXECUTED";

static ANCHOR: u8 = 0;

/// Runs an experiment and fails if it fails.
pub(crate) fn experiment(body: fn()) {
    if !container::available() {
        return;
    }
    let output = Command::new("/proc/self/exe")
        .env(EXPERIMENT, distance(body))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .expect("our own program can be executed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the experiment: {}\n{said}", output.status);
}

/// Becomes our own program anew, in which only this function runs.
pub(crate) fn exec(body: fn()) -> ! {
    let text = |s: OsString| CString::new(s.into_vec()).expect("no zero in it");
    let mut variables: Vec<CString> = env::vars_os()
        .filter(|(name, _)| name != EXPERIMENT)
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            text(name)
        })
        .collect();
    variables.push(text(format!("{EXECUTED}={}", distance(body)).into()));
    let mut variables: Vec<_> = variables.iter().map(|v| v.as_ptr()).collect();
    variables.push(std::ptr::null());
    let path = c"/proc/self/exe".as_ptr();
    // SAFETY: both lists end with a null pointer and live until the call has failed.
    unsafe { libc::execve(path, [path, std::ptr::null()].as_ptr(), variables.as_ptr()) };
    panic!("execve: {}", Errno::last());
}

fn distance(body: fn()) -> String {
    (body as *const ()).addr().wrapping_sub((&raw const ANCHOR).addr()).to_string()
}

/// The C library calls this before it calls `main`.
#[used]
// SAFETY: functions in this section are called without arguments that we need.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let wanted = |name| {
        let distance: usize = env::var(name).ok()?.parse().ok()?;
        let address = (&raw const ANCHOR).wrapping_byte_add(distance).cast::<()>();
        // SAFETY: the same program told the distance of a function of this type.
        Some(unsafe { std::mem::transmute::<*const (), fn()>(address) })
    };
    if let Some(body) = wanted(EXECUTED) {
        run(body);
    }
    if let Some(body) = wanted(EXPERIMENT) {
        run(|| hold(body));
    }
}

/// Runs what a process is there for, and ends it: 0 if it did not panic.
fn run(body: impl FnOnce()) -> ! {
    exit(if catch_unwind(AssertUnwindSafe(body)).is_ok() { 0 } else { FAILED })
}

/// The exit code of who failed an assertion.
const FAILED: i32 = 101;

/// The process with the time limit: its parent is the test.
fn hold(body: fn()) {
    signal::as_at_birth();
    // SAFETY: numbers only.
    unsafe { libc::alarm(LIMIT) };
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("prctl");
    // Away from the tests' terminal, and the leader of a session in which stops are not orphans'.
    nix::unistd::setsid().expect("setsid");
    let guard = pid_1(|| {
        own_proc();
        let experiment = fork(body);
        loop {
            let (pid, status) = waitpid(-1, libc::__WALL).expect("the experiment is our child");
            if pid == experiment {
                assert_eq!(status, exited(0), "the experiment's status");
                return;
            }
        }
    });
    assert_eq!(wait(guard), exited(0), "the guard's status");
}

/// A child that runs this and exits, with 0 if it did not panic. Its pid.
pub(crate) fn fork(body: impl FnOnce()) -> i32 {
    // SAFETY: we have one thread, so that the child may go on as we could.
    match unsafe { libc::fork() } {
        0 => {
            signal::forget();
            run(body)
        }
        -1 => panic!("fork: {}", Errno::last()),
        pid => pid,
    }
}

/// As [`fork`], by clone3(2): with these flags, this signal to the parent when the child ends, and
/// this pid, if that is wanted.
pub(crate) fn clone(
    flags: u64,
    exit_signal: i32,
    pid: Option<i32>,
    body: impl FnOnce(),
) -> Result<i32, Errno> {
    // SAFETY: all-zero is a valid clone_args: a fork.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags;
    arguments.exit_signal = exit_signal.try_into().expect("a signal or 0");
    if let Some(pid) = &pid {
        arguments.set_tid = std::ptr::from_ref(pid).addr() as u64;
        arguments.set_tid_size = 1;
    }
    let size = size_of_val(&arguments);
    // SAFETY: without a stack of its own the child goes on as after fork(2).
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) })? {
        0 => {
            signal::forget();
            run(body)
        }
        pid => Ok(pid.try_into().expect("a pid")),
    }
}

/// As [`fork`], and the child is PID 1 of a PID namespace. It goes when we go.
pub(crate) fn pid_1(body: impl FnOnce()) -> i32 {
    let ours = File::open("/proc/self/ns/pid").expect("our PID namespace");
    unshare(CloneFlags::CLONE_NEWPID).expect("a PID namespace");
    let pid = fork(|| {
        assert_eq!(std::process::id(), 1);
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("prctl");
        body();
    });
    setns(ours, CloneFlags::CLONE_NEWPID).expect("our PID namespace again");
    pid
}

/// As [`fork`], and the child is an ordinary process in the PID namespace of that process.
pub(crate) fn enter(whose: i32, body: impl FnOnce()) -> i32 {
    let open = |path| File::open(path).expect("a PID namespace");
    let ours = open("/proc/self/ns/pid".to_owned());
    setns(open(format!("/proc/{whose}/ns/pid")), CloneFlags::CLONE_NEWPID).expect("setns");
    let pid = fork(body);
    setns(ours, CloneFlags::CLONE_NEWPID).expect("our PID namespace again");
    pid
}

/// Gives us mounts of our own, where /proc is that of our PID namespace.
pub(crate) fn own_proc() {
    const NOTHING: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING).expect("private mounts");
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NOTHING).expect("a /proc");
}

/// kill(2) of one process.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    assert!(pid > 0, "a process, by its number");
    // SAFETY: numbers only.
    Errno::result(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Kills a child of ours and waits for it.
pub(crate) fn end(pid: i32) {
    kill(pid, libc::SIGKILL).expect("kill");
    wait(pid);
}

/// Ends this process, and does nothing else.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: nothing of it is wanted any more.
    unsafe { libc::_exit(code) }
}

/// The status of a child, when it has ended.
pub(crate) fn wait(pid: i32) -> i32 {
    waitpid(pid, libc::__WALL).expect("it is our child").1
}

/// waitpid(2): pid and status; pid 0 if there is nothing to tell of.
pub(crate) fn waitpid(pid: i32, options: i32) -> Result<(i32, i32), Errno> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let result = Errno::result(unsafe { libc::waitpid(pid, &raw mut status, options) })?;
    Ok((result, status))
}

/// The status of who has exited with that code.
pub(crate) const fn exited(code: i32) -> i32 {
    code << 8
}

/// The status of who was killed by that signal and dumped no core.
pub(crate) const fn killed(signal: i32) -> i32 {
    signal
}

/// The status of who was stopped by that signal.
pub(crate) const fn stopped(signal: i32) -> i32 {
    signal << 8 | 0x7f
}

/// The status of who was continued.
pub(crate) const CONTINUED: i32 = 0xffff;

/// The status without the flag that tells of a core dump, which depends on the machine.
pub(crate) const fn but_for_core(status: i32) -> i32 {
    if status & 0x7f == 0x7f { status } else { status & !0x80 }
}

/// A pipe. Who reads from it must not keep the other end if the end of the writers matters.
pub(crate) fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().expect("a pipe")
}

/// Tells whoever [`hear`]s at the other end.
pub(crate) fn tell(mut pipe: &PipeWriter, what: u8) {
    pipe.write_all(&[what]).expect("somebody hears");
}

/// Waits until somebody tells something, handlers or not. None: they are all gone.
pub(crate) fn hear(mut pipe: &PipeReader) -> Option<u8> {
    let mut byte = [0];
    match pipe.read_exact(&mut byte) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => None,
        heard => {
            heard.expect("a pipe");
            Some(byte[0])
        }
    }
}

/// Keeps this open also when another program is executed, as this number.
pub(crate) fn keep(descriptor: &impl AsRawFd, number: i32) {
    // SAFETY: numbers only; nobody has that one.
    Errno::result(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).expect("dup2");
}

/// What was kept.
pub(crate) fn kept(number: i32) -> OwnedFd {
    // SAFETY: nobody else has it here.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Closes, in a process that was forked, what is its parent's: who owns it there is never dropped.
pub(crate) fn close(descriptor: &impl AsRawFd) {
    // SAFETY: in this process nobody uses it any more.
    unsafe { libc::close(descriptor.as_raw_fd()) };
}

/// setrlimit(2): the soft limit, the hard one.
pub(crate) fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the limit is ours.
    Errno::result(unsafe { libc::setrlimit(resource, &raw const limit) }).expect("setrlimit");
}

/// Puts us into a process group of our own.
pub(crate) fn own_group() {
    nix::unistd::setpgid(Pid::this(), Pid::this()).expect("setpgid");
}

/// Sleeps in sigsuspend(2) for ever, or until a signal ends it.
pub(crate) fn rest() -> ! {
    let mask = signal::block(0);
    loop {
        signal::suspend(mask);
    }
}

/// A child that goes when we go and not before: its end raises no CHLD. Its pid.
pub(crate) fn companion(body: impl FnOnce()) -> i32 {
    fork(|| {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("prctl");
        body();
        rest()
    })
}

/// Our pid, as our own namespace has it.
pub(crate) fn own_pid() -> i32 {
    std::process::id().cast_signed()
}
