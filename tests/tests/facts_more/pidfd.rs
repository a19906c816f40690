//! K109 and K110: what lastout's reaping in a storm stands on.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{SIGCHLD as CHLD, SIGKILL as KILL};
use nix::errno::Errno;

use crate::ground::{Shared, exit, exited, fork, ground, until, wait_any, zombie};
use crate::signals::{disposition, kill, set_mask, unblock_all};

fn pidfd(pid: i32) -> OwnedFd {
    // SAFETY: numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(fd).expect("pidfd_open")).expect("a descriptor");
    // SAFETY: it is new, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// How a process ended, as wait(2) has it, by `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`; none if the
/// kernel does not tell that yet.
fn told(process: &OwnedFd) -> Result<Option<i32>, Errno> {
    const GET_INFO: libc::c_ulong = 0xC040_FF0B;
    const EXIT: u64 = 1 << 3;
    // The mask first; the exit code is the last four of its 64 bytes.
    let mut info = [EXIT, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the structure is ours, and of the size that the request has in its number.
    Errno::result(unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO, info.as_mut_ptr()) })?;
    let [_, _, _, _, code @ ..] = info[7].to_ne_bytes();
    Ok((info[0] & EXIT != 0).then(|| i32::from_ne_bytes(code)))
}

/// What poll(2) tells of it at once, asked for nothing but what is always told.
fn events(process: &OwnedFd) -> i16 {
    let mut one = libc::pollfd { fd: process.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: it is ours.
    assert!(unsafe { libc::poll(&raw mut one, 1, 0) } >= 0);
    one.revents
}

/// Does this kernel tell it? Linux before 6.15 does not, which must then be what it says.
fn tells(reaped: &OwnedFd) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("its version");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().expect("two numbers").expect("a number");
    if (next(), next()) >= (6, 15) {
        return true;
    }
    let refused = told(reaped).expect_err("a kernel before 6.15");
    // No ioctl at all; none with an argument; one that knows no reaped process.
    assert!([Errno::ENOTTY, Errno::EINVAL, Errno::ESRCH].contains(&refused), "{refused}");
    false
}

fn reap(process: &OwnedFd) {
    let id = libc::id_t::try_from(process.as_raw_fd()).expect("a descriptor");
    // SAFETY: what is told is ours.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let result = libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED | libc::__WALL);
        assert_eq!((result, info.si_signo), (0, CHLD));
    }
}

#[test]
fn k109_a_pidfd_tells_how_its_process_ended_once_that_is_reaped_and_then_polls_hup() {
    ground(|| {
        for code in [0, 3, 255] {
            let process = pidfd(zombie(code));
            assert_eq!(events(&process) & libc::POLLHUP, 0, "a zombie is not reaped");
            reap(&process);
            if !tells(&process) {
                return;
            }
            assert_eq!(told(&process), Ok(Some(exited(code))));
            assert_eq!(events(&process), libc::POLLHUP);
        }
        let living = fork(|| {
            unblock_all();
            crate::ground::stay()
        });
        let process = pidfd(living);
        assert_eq!((told(&process), events(&process)), (Ok(None), 0));
        kill(living, KILL).expect("KILL");
        reap(&process);
        assert_eq!((told(&process), events(&process)), (Ok(Some(KILL)), libc::POLLHUP));
    });
}

#[test]
fn k109_a_pidfd_tells_it_also_of_who_is_reaped_by_the_kernel_because_chld_is_ignored() {
    ground(|| {
        let first = pidfd(zombie(0));
        reap(&first);
        if !tells(&first) {
            return;
        }
        set_mask(&[CHLD]);
        disposition(CHLD, libc::SIG_IGN);
        for code in 0..=255 {
            let go = Shared::new();
            let process = pidfd(fork(|| {
                go.wait();
                exit(code)
            }));
            assert_eq!(told(&process), Ok(None), "it lives");
            go.set(1);
            until("it is reaped", || events(&process) & libc::POLLHUP != 0);
            assert_eq!(told(&process), Ok(Some(exited(code))));
            assert_eq!(wait_any(), Err(Errno::ECHILD), "nobody is left to wait for");
        }
    });
}

#[test]
fn k110_who_is_waited_for_by_its_pid_is_found_also_behind_others_that_are_dead() {
    ground(|| {
        let dead: Vec<i32> = (0..20).map(|code| zombie(code)).collect();
        let living = fork(|| crate::ground::stay());
        let report = |pid: i32| {
            let id = libc::id_t::try_from(pid).expect("a pid");
            let flags = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
            // SAFETY: what is told is ours, and of zeros if nothing is.
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let result = libc::waitid(libc::P_PID, id, &raw mut info, flags | libc::__WALL);
                Errno::result(result).map(|_| (info.si_pid(), info.si_status()))
            }
        };
        for code in [19, 7, 0] {
            let pid = dead[code];
            let status = i32::try_from(code).expect("a code");
            assert_eq!(report(pid), Ok((pid, status)));
            assert_eq!(report(pid), Err(Errno::ECHILD), "it is gone");
        }
        // Of who has nothing to report there is nothing, whoever else has.
        assert_eq!(report(living), Ok((0, 0)));
    });
}
