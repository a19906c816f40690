//! K11 to K13 and K17: what kills PID 1 of a PID namespace after all, and what only seems to.
//!
//! Not shown of K11: what Rust's own handler for a stack overflow does, and that a panic exits with
//! 101. Experiments run before Rust's runtime has been set up, and catch their panics.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lastout_tests::tools;
use nix::sys::signal::Signal;

use super::ground::observe::until;
use super::ground::signal::{Disposition, block, dispose, dispose_with, heard, set};
use super::ground::{
    but_for_core, close, end, enter, exit, exited, experiment, fork, hear, keep, kill, killed,
    limit, own_pid, pid_1, pipe, rest, tell, wait,
};

#[test]
fn k011_abort_ends_pid_1_by_segv_and_others_by_abrt() {
    if cfg!(not(all(target_arch = "x86_64", target_env = "gnu"))) {
        return tools::skip("which fault abort(3) ends in is known for glibc on x86-64 only");
    }
    experiment(|| {
        let end = |pid| but_for_core(wait(pid));
        assert_eq!(end(pid_1(|| std::process::abort())), killed(libc::SIGSEGV));
        assert_eq!(end(fork(|| std::process::abort())), killed(libc::SIGABRT));
    });
}

#[test]
fn k012_a_fault_kills_pid_1_too_be_it_blocked_ignored_or_at_default_and_after_a_handler_once_more()
{
    experiment(|| {
        let faults: [(fn(), i32); 6] = [
            (touch_nothing, libc::SIGSEGV),
            (execute_nothing, libc::SIGILL),
            (touch_beyond_the_end, libc::SIGBUS),
            (|| forbidden_call(libc::SECCOMP_RET_TRAP), libc::SIGSYS),
            (|| forbidden_call(libc::SECCOMP_RET_KILL_THREAD), libc::SIGSYS),
            (|| forbidden_call(libc::SECCOMP_RET_KILL_PROCESS), libc::SIGSYS),
        ];
        for (number, (fault, signal)) in faults.into_iter().enumerate() {
            let of = |prepare: &dyn Fn()| {
                let body = || {
                    prepare();
                    fault();
                };
                let ends = [pid_1(body), fork(body)].map(|pid| but_for_core(wait(pid)));
                assert_eq!(ends, [killed(signal); 2], "fault {number}, PID 1 and an ordinary one");
            };
            of(&|| ());
            of(&|| dispose(signal, Disposition::Ignored));
            of(&|| _ = block(set(&[signal])));
            of(&|| {
                dispose(signal, Disposition::Ignored);
                block(set(&[signal]));
            });
            of(&|| {
                dispose(signal, Disposition::Handled);
                block(set(&[signal]));
            });
            if signal != libc::SIGSYS {
                // The handler returns to what is at fault, and is not there any more.
                of(&|| {
                    dispose_with(signal, Disposition::Handled, libc::SA_RESETHAND).expect("it");
                });
            }
        }
        // After TRAP a handler returns behind the call.
        let trapped = pid_1(|| {
            dispose(libc::SIGSYS, Disposition::Handled);
            forbidden_call(libc::SECCOMP_RET_TRAP);
            assert_eq!(heard(), [libc::SIGSYS]);
        });
        assert_eq!(wait(trapped), exited(0));
    });
}

/// A page that nobody may touch, or one behind the end of an empty file.
fn touch(file: Option<&File>) {
    let (kind, protection, fd) = match file {
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_NONE, -1),
        Some(file) => (libc::MAP_SHARED, libc::PROT_READ, file.as_raw_fd()),
    };
    // SAFETY: a new mapping, wherever there is room.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, kind, fd, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: it is mapped; that it faults is what we are here for.
    unsafe { page.cast::<u8>().read_volatile() };
}

fn touch_nothing() {
    touch(None);
}

fn touch_beyond_the_end() {
    let name = c"empty".as_ptr();
    // SAFETY: the name ends with a zero.
    let fd = unsafe { libc::memfd_create(name, 0) };
    // SAFETY: it is new, and ours.
    touch(Some(&unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }));
}

/// What no processor executes.
fn execute_nothing() {
    // SAFETY: it ends in a signal.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("ud2");
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("udf #0");
    }
}

/// Has seccomp answer getppid(2) with that, and calls it.
fn forbidden_call(answer: u32) {
    let statement = |code: u32, value: u32, otherwise| libc::sock_filter {
        code: code.try_into().expect("a code"),
        jt: 0,
        jf: otherwise,
        k: value,
    };
    let call = libc::SYS_getppid.try_into().expect("a small number");
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, 1),
        statement(libc::BPF_RET | libc::BPF_K, answer, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until the call has returned.
    let result = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    assert_eq!(result, 0, "seccomp: {}", nix::errno::Errno::last());
    // SAFETY: no arguments.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

#[test]
fn k013_pid_1_drops_pipe_alrm_and_xfsz_of_the_kernel_and_others_die_of_them() {
    experiment(|| {
        let causes: [(fn(), i32); 3] = [
            (write_to_nobody, libc::SIGPIPE),
            (let_a_timer_expire, libc::SIGALRM),
            (write_too_much, libc::SIGXFSZ),
        ];
        for (cause, signal) in causes {
            assert_eq!(wait(pid_1(cause)), exited(0), "PID 1 and {signal}");
            let ordinary = but_for_core(wait(fork(cause)));
            assert_eq!(ordinary, killed(signal), "an ordinary process and {signal}");
            // It was not for want of a signal that PID 1 lived on.
            let handler = pid_1(|| {
                dispose(signal, Disposition::Handled);
                cause();
                assert_eq!(heard(), [signal]);
            });
            assert_eq!(wait(handler), exited(0), "{signal}");
        }
    });
}

fn write_to_nobody() {
    let (reader, mut writer) = pipe();
    drop(reader);
    assert_eq!(writer.write(b"x").expect_err("EPIPE").kind(), ErrorKind::BrokenPipe);
}

fn let_a_timer_expire() {
    let zero = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let soon = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let once = libc::itimerval { it_interval: zero, it_value: soon };
    // SAFETY: the timer is ours; no old one is asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const once, std::ptr::null_mut()) };
    until("the timer has expired", || {
        let mut left = once;
        // SAFETY: the timer is ours.
        unsafe { libc::getitimer(libc::ITIMER_REAL, &raw mut left) };
        left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0
    });
}

fn write_too_much() {
    limit(libc::RLIMIT_FSIZE, 0, 0);
    // SAFETY: the name ends with a zero; the descriptor is new, and ours.
    let mut file: File =
        unsafe { std::os::fd::FromRawFd::from_raw_fd(libc::memfd_create(c"f".as_ptr(), 0)) };
    assert_eq!(file.write(b"x").expect_err("EFBIG").kind(), ErrorKind::FileTooLarge);
}

#[test]
fn k013_pid_1_drops_xcpu_and_dies_of_the_hard_limit() {
    experiment(|| {
        let spin = || {
            limit(libc::RLIMIT_CPU, 1, 2);
            // XCPU comes after one second of work, and KILL after two.
            loop {
                std::hint::spin_loop();
            }
        };
        let (first, ordinary) = (pid_1(spin), fork(spin));
        assert_eq!(but_for_core(wait(ordinary)), killed(libc::SIGXCPU));
        assert_eq!(wait(first), killed(libc::SIGKILL));
    });
}

#[test]
fn k013_pid_1_drops_the_keys_of_its_terminal_the_change_of_its_size_and_its_end() {
    experiment(|| {
        for handled in [false, true] {
            let pty = nix::pty::openpty(None, None).expect("a terminal");
            let ((ready, tell_ready), (go, tell_go)) = (pipe(), pipe());
            let signals = [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGWINCH];
            let pid = pid_1(|| {
                nix::unistd::setsid().expect("setsid");
                // SAFETY: numbers only.
                let taken = unsafe { libc::ioctl(pty.slave.as_raw_fd(), libc::TIOCSCTTY, 0) };
                assert_eq!(taken, 0, "the terminal is ours");
                close(&pty.master);
                close(&tell_go);
                if handled {
                    for signal in signals.into_iter().chain([libc::SIGHUP]) {
                        dispose(signal, Disposition::Handled);
                    }
                }
                tell(&tell_ready, 0);
                hear(&go).expect("the keys were typed");
                let mut came = heard();
                // Those that came together were handled in another order.
                came.sort_unstable();
                let mut expected = if handled { signals.to_vec() } else { vec![] };
                expected.sort_unstable();
                assert_eq!(came, expected);
                tell(&tell_ready, 0);
                assert_eq!(hear(&go), None, "the terminal's other end was closed");
                assert_eq!(heard().contains(&libc::SIGHUP), handled);
                // Still there, and able to say so.
                exit(7);
            });
            drop(pty.slave);
            hear(&ready).expect("it is ready");
            let mut master = File::from(pty.master);
            for (key, count) in [("\u{3}", 1), ("\u{1c}", 2), ("\u{1a}", 3)] {
                master.write_all(key.as_bytes()).expect("a key");
                // Each is echoed when its signal has been sent.
                let mut echo = [0; 2];
                master.read_exact(&mut echo).expect("the echo");
                assert_eq!(echo[0], b'^', "key {count}");
            }
            let size = libc::winsize { ws_row: 7, ws_col: 7, ws_xpixel: 0, ws_ypixel: 0 };
            // SAFETY: the size is ours.
            unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
            tell(&tell_go, 0);
            hear(&ready).expect("it has counted");
            drop(master);
            drop(tell_go);
            assert_eq!(wait(pid), exited(7));
        }
    });
}

#[test]
fn k013_the_parents_death_signal_kills_pid_1_if_it_is_kill_and_is_dropped_if_it_is_term() {
    experiment(|| {
        for (signal, survives) in [(Signal::SIGKILL, false), (Signal::SIGTERM, true)] {
            let ((ready, tell_ready), (go, tell_go)) = (pipe(), pipe());
            let (report, tell_report) = pipe();
            let parent = fork(|| {
                pid_1(|| {
                    nix::sys::prctl::set_pdeathsig(signal).expect("prctl");
                    tell(&tell_ready, 0);
                    hear(&go).expect("the experiment");
                    tell(&tell_report, 1);
                });
                rest()
            });
            hear(&ready).expect("it is ready");
            end(parent);
            // Only the PID 1 can tell now, if it is there.
            drop(tell_report);
            if survives {
                tell(&tell_go, 0);
                assert_eq!(hear(&report), Some(1), "TERM was dropped");
            } else {
                assert_eq!(hear(&report), None, "KILL was not");
            }
        }
    });
}

#[test]
fn k013_pid_1_dies_when_the_memory_of_its_control_group_is_used_up() {
    let Some(root) = memory_groups() else {
        return tools::skip("there is no hierarchy of control groups that limits memory");
    };
    drop(root);
    experiment(|| {
        const LIMIT: &str = "16777216";
        let root = memory_groups().expect("it was there");
        let group = Group::new(&root);
        let old = root.join("memory.limit_in_bytes").exists();
        group.write(if old { "memory.limit_in_bytes" } else { "memory.max" }, LIMIT);
        let swap = if old { "memory.swappiness" } else { "memory.swap.max" };
        if group.0.join(swap).exists() {
            group.write(swap, "0");
        }
        let (go, tell_go) = pipe();
        let pid = pid_1(|| {
            hear(&go).expect("it is in the group");
            let mut much = vec![0_u8; 64 << 20];
            much.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            panic!("there was enough: {}", much.len());
        });
        group.write("cgroup.procs", &pid.to_string());
        tell(&tell_go, 0);
        assert_eq!(wait(pid), killed(libc::SIGKILL));
    });
}

#[test]
fn k013_a_control_groups_kill_takes_pid_1_along_from_outside_and_spares_it_from_inside() {
    if unified_groups().is_none() {
        return tools::skip("there is no hierarchy of control groups of version 2");
    }
    experiment(|| {
        let group = Group::new(&unified_groups().expect("it was there"));
        for outside in [true, false] {
            let ((ready, tell_ready), (go, tell_go)) = (pipe(), pipe());
            let pid = pid_1(|| {
                tell(&tell_ready, 0);
                hear(&go).expect("it is in the group");
                let other = fork(|| rest());
                let writer = fork(|| {
                    if !outside {
                        group.write("cgroup.kill", "1");
                    }
                    rest()
                });
                assert_eq!(wait(other), killed(libc::SIGKILL));
                assert_eq!(wait(writer), killed(libc::SIGKILL));
            });
            hear(&ready).expect("it is ready");
            group.write("cgroup.procs", &pid.to_string());
            tell(&tell_go, 0);
            if outside {
                group.write("cgroup.kill", "1");
            }
            assert_eq!(wait(pid), if outside { killed(libc::SIGKILL) } else { exited(0) });
        }
    });
}

/// A control group, until it is dropped.
struct Group(PathBuf);

impl Group {
    /// Below that; its name is nobody else's.
    fn new(root: &Path) -> Self {
        let outside = fs::read_link("/proc/self/ns/pid").expect("our PID namespace");
        let number: String = outside.to_string_lossy().matches(char::is_numeric).collect();
        let path = root.join(format!("lastout-facts-{number}"));
        fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Busy for a moment after its last process was reaped.
        if !std::thread::panicking() {
            until("the control group can be removed", || fs::remove_dir(&self.0).is_ok());
        }
    }
}

/// Where a file system of that type is mounted, of which that holds.
fn mounted(kind: &str, holds: impl Fn(&Path, &str) -> bool) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, path, this, options, ..] = fields[..] else { return None };
        let path = Path::new(path);
        (this == kind && holds(path, options)).then(|| path.to_owned())
    })
}

fn unified_groups() -> Option<PathBuf> {
    mounted("cgroup2", |_, _| true)
}

fn memory_groups() -> Option<PathBuf> {
    let has = |list: &str, separator| list.split(separator).any(|word| word.trim() == "memory");
    let unified = |path: &Path, _: &str| {
        let enabled = fs::read_to_string(path.join("cgroup.subtree_control"));
        enabled.is_ok_and(|list| has(&list, ' '))
    };
    mounted("cgroup", |_, options| has(options, ',')).or_else(|| mounted("cgroup2", unified))
}

#[test]
fn k017_default_ignore_and_catch_ends_an_ordinary_program_and_not_pid_1() {
    /// The program. Its lines go through the C library's buffer, the handler's own does not.
    fn puzzle() {
        extern "C" fn catch(signal: i32) {
            // SAFETY: both may be called in a handler.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::write(1, b"caught\n".as_ptr().cast(), 7);
            }
        }
        let dispose = |action| {
            // SAFETY: the handler does what a handler may.
            assert_ne!(unsafe { libc::signal(libc::SIGTERM, action) }, libc::SIG_ERR);
        };
        let send_and_say = |line: &std::ffi::CStr| {
            kill(own_pid(), libc::SIGTERM).expect("kill");
            // SAFETY: the line ends with a zero.
            unsafe { libc::puts(line.as_ptr()) };
        };
        dispose(libc::SIG_IGN);
        send_and_say(c"1");
        dispose(catch as *const () as usize);
        send_and_say(c"2");
        send_and_say(c"3");
        // SAFETY: ends the process, and writes what is in the buffer.
        unsafe { libc::exit(0) };
    }
    experiment(|| {
        assert_eq!(told(|body| pid_1(body), puzzle), (exited(0), "caught\n1\n2\n3\n".into()));
        // Lines 1 and 2 died with it, in the buffer.
        assert_eq!(told(|body| fork(body), puzzle), (killed(libc::SIGTERM), "caught\n".into()));
    });
}

#[test]
fn k017_default_ignore_and_catch_ends_a_shell_script_and_not_one_that_is_pid_1() {
    const SHELLS: [&[&str]; 3] = [&["bash", "-c"], &["dash", "-c"], &["busybox", "sh", "-c"]];
    if SHELLS.iter().any(|shell| tools::needed(shell[0]).is_none()) {
        return;
    }
    experiment(|| {
        for shell in SHELLS {
            let script = "trap '' TERM; kill $$; echo 1
                trap 'echo caught; trap - TERM' TERM; kill $$; echo 2
                kill $$; echo 3";
            let run = || {
                let error = Command::new(shell[0]).args(&shell[1..]).arg(script).exec();
                panic!("{shell:?}: {error}");
            };
            let all = (exited(0), "1\ncaught\n2\n3\n".into());
            assert_eq!(told(|body| pid_1(body), run), all, "{shell:?}");
            let died = (killed(libc::SIGTERM), "1\ncaught\n2\n".into());
            assert_eq!(told(|body| fork(body), run), died, "{shell:?}");
            // PID 2 of a container is an ordinary process.
            let holder = pid_1(|| rest());
            assert_eq!(told(|body| enter(holder, body), run), died, "{shell:?}");
            end(holder);
        }
    });
}

/// Starts that with its standard output in a pipe: its status, and what it wrote.
fn told<B: FnOnce()>(start: impl FnOnce(Box<dyn FnOnce() + '_>) -> i32, body: B) -> (i32, String) {
    let (mut output, input) = pipe();
    let pid = start(Box::new(|| {
        keep(&input, 1);
        close(&input);
        body();
    }));
    drop(input);
    let status = wait(pid);
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    (status, text)
}
