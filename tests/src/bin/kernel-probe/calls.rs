//! Facts about system calls that not every kernel has, and about /proc and namespaces.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::fcntl::OFlag;

use crate::ensure;
use crate::stage::{
    Init, Verdict, as_pid1, block, call, exit, forever, fork, fork_orphan, getpid, hear, holds,
    kill, name, pipe, say, told, wait, wait_for_zombie, waitid,
};

/// The end of a process that a pidfd is for: `P_PIDFD` of waitid(2).
const P_PIDFD: u32 = 3;

fn pidfd(pid: i32) -> Result<OwnedFd, String> {
    let fd = call(libc::SYS_pidfd_open, [i64::from(pid), 0, 0, 0])
        .map_err(|e| format!("pidfd_open: {}", name(e)))?;
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

fn send(process: &OwnedFd, signal: i32, flags: i64) -> Result<(), i32> {
    let args = [i64::from(process.as_raw_fd()), i64::from(signal), 0, flags];
    call(libc::SYS_pidfd_send_signal, args).map(drop)
}

/// What poll(2) tells of it at once.
fn events(process: &OwnedFd) -> i16 {
    let mut one = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: it is ours.
    unsafe { libc::poll(&raw mut one, 1, 0) };
    one.revents
}

pub(crate) fn k91() -> Verdict {
    as_pid1(|| {
        let child = fork(|| forever());
        let process = pidfd(child)?;
        ensure!(events(&process) == 0, "a living process polls");
        let sent = send(&process, libc::SIGKILL, 0);
        ensure!(sent == Ok(()), "pidfd_send_signal: {}", name(sent.unwrap_err()));
        wait_for_zombie(child);
        ensure!(events(&process) == libc::POLLIN, "a zombie polls {:#x}", events(&process));
        ensure!(send(&process, 0, 0) == Ok(()), "a zombie cannot be signalled");
        let _ = wait(child, libc::WEXITED);
        let gone = send(&process, 0, 0);
        ensure!(gone == Err(libc::ESRCH), "a reaped one: {gone:?}");
        ensure!(events(&process) & libc::POLLIN != 0, "a reaped one does not poll");
        holds()
    })
}

/// Of K91: a reaped process's pidfd polls POLLHUP, too.
pub(crate) fn hup() -> Verdict {
    as_pid1(|| {
        let child = fork(|| ());
        let process = pidfd(child)?;
        let _ = wait(child, libc::WEXITED);
        let polled = events(&process);
        ensure!(polled == libc::POLLIN | libc::POLLHUP, "a reaped one polls {polled:#x}");
        holds()
    })
}

pub(crate) fn k92() -> Verdict {
    as_pid1(|| {
        let child = fork(|| exit(3));
        let process = pidfd(child)?;
        let end = waitid(P_PIDFD, process.as_raw_fd(), libc::WEXITED).map_err(name)?;
        ensure!(told(end.as_ref()) == "exited 3", "{}", told(end.as_ref()));
        holds()
    })
}

pub(crate) fn k93() -> Verdict {
    as_pid1(|| {
        const GROUP: i64 = 4;
        let (ready, tell) = pipe();
        let leader = fork(|| {
            let own = nix::unistd::Pid::from_raw(0);
            let _ = nix::unistd::setpgid(own, own);
            fork_orphan(|| {
                crate::stage::default(&[libc::SIGTERM]);
                say(&tell);
                forever()
            });
            say(&tell);
            forever()
        });
        let _ = (hear(&ready), hear(&ready));
        let process = pidfd(leader)?;
        let _ = kill(leader, libc::SIGKILL);
        let _ = wait(leader, libc::WEXITED);
        let sent = send(&process, libc::SIGTERM, GROUP);
        ensure!(sent == Ok(()), "PIDFD_SIGNAL_PROCESS_GROUP: {}", name(sent.unwrap_err()));
        let end = waitid(libc::P_ALL, 0, libc::WEXITED).map_err(name)?;
        ensure!(
            told(end.as_ref()) == "killed by 15",
            "the group's other member: {}",
            told(end.as_ref())
        );
        holds()
    })
}

pub(crate) fn k94() -> Verdict {
    let outside = pidfd(getpid())?;
    as_pid1(|| {
        let sent = send(&outside, 0, 0);
        ensure!(sent == Err(libc::EINVAL), "{sent:?}");
        holds()
    })
}

/// `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`, of a reaped process.
pub(crate) fn k109() -> Verdict {
    as_pid1(|| {
        const GET_INFO: libc::c_ulong = 0xC040_FF0B;
        const EXIT: u64 = 1 << 3;
        let child = fork(|| exit(3));
        let process = pidfd(child)?;
        let _ = wait(child, libc::WEXITED);
        // The mask first; the exit code is the last four of its 64 bytes.
        let mut info = [EXIT, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: it is ours, and of the size that the request has in its number.
        let result = unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO, info.as_mut_ptr()) };
        let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        ensure!(result == 0, "PIDFD_GET_INFO: {}", name(error));
        ensure!(info[0] & EXIT != 0, "no PIDFD_INFO_EXIT");
        let code = info[7].to_ne_bytes();
        ensure!(code[4..] == (3_i32 << 8).to_ne_bytes(), "it tells {code:?}");
        holds()
    })
}

/// Each of the system calls that lastout can do without, asked in a way that does nothing.
pub(crate) fn k95() -> Verdict {
    let pidfd_of_nobody = call(libc::SYS_pidfd_send_signal, [-1, 0, 0, 0]);
    let answers = [
        ("pidfd_open", call(libc::SYS_pidfd_open, [0, 0, 0, 0]), libc::EINVAL),
        ("pidfd_send_signal", pidfd_of_nobody, libc::EBADF),
        ("close_range", call(libc::SYS_close_range, [2, 1, 0, 0]), libc::EINVAL),
    ];
    for (call, answer, expected) in answers {
        ensure!(answer == Err(expected), "{call}: {}", answer.map_or_else(name, |r| r.to_string()));
    }
    holds()
}

/// A full pipe, written to with `RWF_NOWAIT`.
pub(crate) fn nowait() -> Verdict {
    let (_reads, writes) = pipe();
    let flags = |flags| nix::fcntl::fcntl(&writes, nix::fcntl::FcntlArg::F_SETFL(flags));
    let _ = flags(OFlag::O_NONBLOCK);
    while nix::unistd::write(&writes, &[0; 4096]).is_ok() {}
    let _ = flags(OFlag::empty());
    let byte = [0_u8];
    let piece = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: the bytes are ours, and are only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            writes.as_raw_fd(),
            &raw const piece,
            1,
            -1_i64,
            -1_i64,
            libc::RWF_NOWAIT,
        )
    };
    let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    ensure!(result < 0 && error == libc::EAGAIN, "pwritev2: {result}, {}", name(error));
    holds()
}

/// What --record, stderr and the walk read of /proc.
pub(crate) fn k61() -> Verdict {
    let own = getpid();
    block(&[libc::SIGUSR1]);
    let status = fs::read_to_string(format!("/proc/{own}/status")).map_err(|e| e.to_string())?;
    for key in ["SigBlk:", "SigIgn:", "SigCgt:", "PPid:", "Threads:", "NSpid:"] {
        ensure!(status.contains(key), "/proc/PID/status has no {key}");
    }
    holds()
}

pub(crate) fn k64() -> Verdict {
    let own = getpid();
    let myself = fs::read_link("/proc/self").map_err(|e| e.to_string())?;
    ensure!(myself.to_string_lossy() == own.to_string(), "/proc/self is {}", myself.display());
    let child = fork(|| forever());
    let stat = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = |text: &str| -> Vec<String> {
        let rest = text.rsplit_once(')').map_or("", |halves| halves.1).to_owned();
        rest.split_whitespace().map(str::to_owned).collect()
    };
    let living = fields(&stat(child));
    let _ = kill(child, libc::SIGKILL);
    wait_for_zombie(child);
    let dead = fields(&stat(child));
    let _ = wait(child, libc::WEXITED);
    let field = |fields: &[String], at: usize| fields.get(at).cloned().unwrap_or_default();
    ensure!(field(&living, 1) == own.to_string(), "the parent is {}", field(&living, 1));
    ensure!(field(&living, 17) == "1", "threads are {}", field(&living, 17));
    ensure!(field(&dead, 0) == "Z", "a zombie is {}", field(&dead, 0));
    ensure!(stat(child).is_empty(), "the reaped one is there");
    holds()
}

/// `setns(2)` of a process's namespaces, as `nsenter` does it.
pub(crate) fn setns() -> Verdict {
    let mut init = Init::start(|line| {
        line.say("ready");
        let _ = line.hear();
        holds()
    });
    let _ = init.line.hear();
    for kind in ["pid", "mnt"] {
        let path = format!("/proc/{}/ns/{kind}", init.pid);
        let namespace = fs::File::open(&path).map_err(|e| format!("{path}: {e}"))?;
        if kind == "pid" {
            let entered = nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWPID);
            ensure!(entered.is_ok(), "setns to it: {}", entered.unwrap_err());
        }
    }
    let child = fork(|| exit(i32::from(getpid() < 2)));
    let end = wait(child, libc::WEXITED);
    ensure!(told(end.as_ref()) == "exited 0", "not in the namespace: {}", told(end.as_ref()));
    init.line.say("leave");
    init.verdict()
}

/// unshare(2) of a PID namespace in a process that has threads.
pub(crate) fn threads() -> Verdict {
    let result = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).map_err(|e| e.to_string())
    });
    result.join().map_err(|_| "it panicked".to_owned())??;
    holds()
}
