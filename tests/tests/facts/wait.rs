//! K27, K30 and K34 to K38: the deaths of children, how they are told, and what becomes of pids.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use lastout_tests::tools;
use nix::errno::Errno;

use super::ground::observe::{field, pending_of, until, until_state};
use super::ground::signal::{DefaultAction, Set, block, default_action, pending, set, take};
use super::ground::{
    but_for_core, clone, end, exit, exited, experiment, fork, hear, kill, killed, limit, own_group,
    own_pid, own_proc, pid_1, pipe, rest, tell, wait, waitpid,
};

const TERM: i32 = libc::SIGTERM;
const ABRT: i32 = libc::SIGABRT;
const KILL: i32 = libc::SIGKILL;
const USR2: i32 = libc::SIGUSR2;
const CHLD: Set = set(&[libc::SIGCHLD]);

/// Runs that as PID 1 of a namespace, with a /proc of its own. It must not fail.
fn as_pid_1(body: impl FnOnce()) {
    let pid = pid_1(|| {
        own_proc();
        body();
    });
    assert_eq!(wait(pid), exited(0));
}

/// A child that is dead and not reaped.
fn zombie() -> i32 {
    let pid = fork(|| ());
    until_state(pid, 'Z');
    pid
}

/// Do cores go into the working directory here? If not, says that the test is skipped.
fn cores_are_files() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("core_pattern");
    let plain = !pattern.starts_with('|') && !pattern.contains('/');
    if !plain {
        tools::skip(&format!("cores go elsewhere here: core_pattern is {}", pattern.trim()));
    }
    plain
}

/// Goes where cores may be written, and nobody else sees them.
fn into_an_empty_directory() {
    let directory = std::env::temp_dir();
    let nothing = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), &directory, Some("tmpfs"), nothing, Some("size=64m"))
        .expect("a tmpfs in the mount namespace of this experiment");
    std::env::set_current_dir(&directory).expect("chdir");
    limit(libc::RLIMIT_CORE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
}

/// 64 GiB in which each 64 MiB have one page that is there. A core of that has holes and is small,
/// but it takes the kernel seconds to find that out, page by page; and at each page that is there it
/// looks whether it was told to stop.
fn have_much_to_dump() {
    const STEP: usize = 64 << 20;
    const COUNT: usize = 1024;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room.
    let much = unsafe { libc::mmap(std::ptr::null_mut(), STEP * COUNT, protection, kind, -1, 0) };
    assert_ne!(much, libc::MAP_FAILED);
    // A huge page would be there as a whole.
    // SAFETY: the mapping is ours.
    unsafe { libc::madvise(much, STEP * COUNT, libc::MADV_NOHUGEPAGE) };
    for at in 0..COUNT {
        // SAFETY: it is mapped, and ours.
        unsafe { much.cast::<u8>().add(at * STEP).write_volatile(1) };
    }
}

#[test]
fn k027_while_a_core_is_dumped_nothing_can_be_waited_for_term_is_dropped_and_kill_cuts_it_short() {
    if !cores_are_files() {
        return;
    }
    experiment(|| {
        into_an_empty_directory();
        let pid = fork(|| {
            block(set(&[TERM]));
            have_much_to_dump();
            kill(own_pid(), ABRT).expect("kill");
        });
        let is_dumping = || field(pid, "CoreDumping") == "1";
        until("it dumps core", is_dumping);
        assert_eq!(waitpid(pid, libc::WNOHANG), Ok((0, 0)));
        kill(pid, TERM).expect("kill");
        assert_eq!(pending_of(pid), 0, "TERM was dropped, though it is blocked");
        assert_eq!(waitpid(pid, libc::WNOHANG), Ok((0, 0)));
        assert!(is_dumping(), "all that was while it dumped core");
        kill(pid, KILL).expect("kill");
        assert_eq!(wait(pid), killed(KILL), "no ABRT, and no core");
    });
}

#[test]
fn k030_one_chld_stands_for_many_deaths_and_names_the_first() {
    experiment(|| {
        block(CHLD);
        let first = zombie();
        let others: Vec<i32> = (1..50).map(|_| zombie()).collect();
        assert_eq!(take(CHLD).expect("CHLD").pid, first);
        assert_eq!(take(CHLD), None);
        let mut reaped = 0;
        while waitpid(-1, libc::WNOHANG).is_ok_and(|(pid, _)| pid != 0) {
            reaped += 1;
        }
        assert_eq!(reaped, 1 + others.len());
        assert_eq!(waitpid(-1, 0), Err(Errno::ECHILD));
    });
}

#[test]
fn k030_one_chld_stands_for_a_parent_and_the_zombies_that_are_adopted_and_names_one_of_these() {
    experiment(|| {
        as_pid_1(|| {
            block(CHLD);
            let (zombies, tell_zombies) = pipe();
            let parent = fork(|| {
                for _ in 0..3 {
                    tell(&tell_zombies, zombie().try_into().expect("a small pid"));
                }
            });
            until_state(parent, 'Z');
            let zombies: Vec<i32> = (0..3).filter_map(|_| hear(&zombies)).map(i32::from).collect();
            let named = take(CHLD).expect("CHLD").pid;
            assert!(zombies.contains(&named), "{named} of {zombies:?}");
            assert_eq!(take(CHLD), None);
            let mut reaped: Vec<i32> =
                (0..4).map(|_| waitpid(-1, 0).expect("one of 4").0).collect();
            reaped.sort_unstable();
            assert_eq!(reaped, [parent, zombies[0], zombies[1], zombies[2]]);
            assert_eq!(waitpid(-1, 0), Err(Errno::ECHILD));
        });
    });
}

#[test]
fn k034_children_are_reaped_in_order_of_birth_and_the_adopted_last() {
    experiment(|| {
        as_pid_1(|| {
            let children: Vec<i32> = (0..3).map(|_| fork(|| rest())).collect();
            for &child in children.iter().rev() {
                kill(child, KILL).expect("kill");
                until_state(child, 'Z');
            }
            let reaped: Vec<i32> = (0..3).map(|_| waitpid(-1, 0).expect("a zombie").0).collect();
            assert_eq!(reaped, children);
            // The adopted one is older than another child, by birth and by number.
            let ((born, tell_born), (go, tell_go)) = (pipe(), pipe());
            let parent = fork(|| {
                let adopted = fork(|| rest());
                tell(&tell_born, adopted.try_into().expect("a small pid"));
                hear(&go).expect("PID 1");
            });
            let adopted = i32::from(hear(&born).expect("the parent"));
            let younger = fork(|| rest());
            assert!(adopted < younger);
            tell(&tell_go, 0);
            assert_eq!(waitpid(-1, 0), Ok((parent, exited(0))));
            for pid in [adopted, younger] {
                kill(pid, KILL).expect("kill");
                until_state(pid, 'Z');
            }
            assert_eq!(waitpid(-1, 0), Ok((younger, killed(KILL))));
            assert_eq!(waitpid(-1, 0), Ok((adopted, killed(KILL))));
        });
    });
}

#[test]
fn k034_with_wnowait_the_same_zombie_comes_again_until_it_is_reaped() {
    experiment(|| {
        let (first, second) = (zombie(), zombie());
        for _ in 0..3 {
            assert_eq!(look(libc::P_ALL, 0, 0), Ok(first));
        }
        wait(first);
        assert_eq!(look(libc::P_ALL, 0, 0), Ok(second));
    });
}

/// waitid(2) for deaths, without waiting and without reaping: a pid, or 0.
fn look(what: libc::idtype_t, id: i32, options: i32) -> Result<i32, Errno> {
    // SAFETY: all-zero is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = options | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let id = id.try_into().expect("not negative");
    // SAFETY: the info is ours.
    Errno::result(unsafe { libc::waitid(what, id, &raw mut info, options) })?;
    // SAFETY: to read a field that was not written gives zero.
    Ok(unsafe { info.si_pid() })
}

#[test]
fn k035_a_status_is_the_low_8_bits_of_an_exit_code_or_the_signal_that_killed() {
    experiment(|| {
        let codes = (0..=255).map(|code| (code, code)).chain([(256, 0), (300, 44), (-1, 255)]);
        for (code, seen) in codes {
            assert_eq!(wait(fork(|| exit(code))), seen << 8);
        }
        limit(libc::RLIMIT_CORE, 0, 0);
        for signal in 1..=64 {
            if default_action(signal) == DefaultAction::Kill {
                let status = wait(fork(|| kill(own_pid(), signal).expect("kill")));
                assert_eq!(but_for_core(status), signal, "{signal}");
                assert_eq!(status & 0xff00, 0, "and no exit code");
            }
        }
    });
}

#[test]
fn k035_who_dumped_core_has_0x80_in_its_status() {
    if !cores_are_files() {
        return;
    }
    experiment(|| {
        into_an_empty_directory();
        assert_eq!(wait(fork(|| kill(own_pid(), ABRT).expect("kill"))), 0x86);
        assert_eq!(wait(fork(|| kill(own_pid(), TERM).expect("kill"))), 0x0f, "TERM dumps none");
    });
}

#[test]
fn k036_children_with_another_exit_signal_than_chld_can_be_waited_for_with_wall_only() {
    experiment(|| {
        block(!0);
        for signal in [0, USR2] {
            for option in [libc::__WALL, libc::__WCLONE] {
                let child = clone(0, signal, None, || rest()).expect("clone3");
                let pidfd = pidfd(child);
                let all_fail = || {
                    for pid in [-1, child] {
                        assert_eq!(waitpid(pid, libc::WNOHANG), Err(Errno::ECHILD), "{pid}");
                    }
                    for (what, id) in
                        [(libc::P_ALL, 0), (libc::P_PID, child), (libc::P_PIDFD, pidfd.as_raw_fd())]
                    {
                        assert_eq!(look(what, id, 0), Err(Errno::ECHILD), "{what}");
                    }
                };
                all_fail();
                assert_eq!(waitpid(-1, option | libc::WNOHANG), Ok((0, 0)), "it is there");
                kill(child, KILL).expect("kill");
                until_state(child, 'Z');
                all_fail();
                assert_eq!(look(libc::P_PIDFD, pidfd.as_raw_fd(), option), Ok(child));
                assert_eq!(waitpid(-1, option), Ok((child, killed(KILL))));
                let announced = if signal == 0 { 0 } else { set(&[signal]) };
                assert_eq!(pending(), announced, "no CHLD");
                take(!0);
            }
        }
    });
}

#[test]
fn k036_when_such_a_child_is_adopted_it_is_like_any_other() {
    experiment(|| {
        for dead in [false, true] {
            for signal in [0, USR2] {
                as_pid_1(|| {
                    block(!0);
                    let (born, tell_born) = pipe();
                    let parent = fork(|| {
                        let child = clone(0, signal, None, || {
                            if !dead {
                                rest()
                            }
                        });
                        let child = child.expect("clone3");
                        if dead {
                            until_state(child, 'Z');
                        }
                        tell(&tell_born, child.try_into().expect("a small pid"));
                    });
                    let child = i32::from(hear(&born).expect("the parent"));
                    until_state(parent, 'Z');
                    if dead {
                        assert_eq!(take(CHLD).expect("CHLD").pid, child, "it is announced");
                    }
                    assert_eq!(wait(parent), exited(0));
                    take(CHLD);
                    if !dead {
                        kill(child, KILL).expect("kill");
                        until_state(child, 'Z');
                        assert_eq!(take(CHLD).expect("CHLD").pid, child, "it is announced");
                    }
                    assert_eq!(waitpid(-1, 0).map(|(pid, _)| pid), Ok(child));
                    assert_eq!(pending(), 0, "nor is there another signal");
                });
            }
        }
    });
}

/// Can that number be given to a process? That one is then killed.
fn can_be_given(number: i32) -> bool {
    match clone(0, libc::SIGCHLD, Some(number), || rest()) {
        Err(error) => {
            assert_eq!(error, Errno::EEXIST);
            false
        }
        Ok(pid) => {
            assert_eq!(pid, number);
            end(pid);
            true
        }
    }
}

#[test]
fn k037_a_zombie_keeps_its_pid_and_once_it_is_reaped_kill_of_the_pid_hits_a_stranger() {
    experiment(|| {
        as_pid_1(|| {
            let dead = zombie();
            assert!(!can_be_given(dead));
            kill(dead, 0).expect("it can be signalled");
            kill(dead, KILL).expect("it can be signalled");
            assert_eq!(wait(dead), exited(0));
            assert_eq!(kill(dead, 0), Err(Errno::ESRCH));
            assert!(can_be_given(dead));
            let stranger = clone(0, libc::SIGCHLD, Some(dead), || rest()).expect("clone3");
            kill(dead, TERM).expect("to whom it may concern");
            assert_eq!(wait(stranger), killed(TERM));
        });
    });
}

#[test]
fn k037_the_number_of_a_group_or_session_is_not_given_while_it_has_members_nor_its_leader_lives() {
    experiment(|| {
        for session in [false, true] {
            as_pid_1(|| {
                let (born, tell_born) = pipe();
                let leader = fork(|| {
                    if session {
                        nix::unistd::setsid().expect("setsid");
                    } else {
                        own_group();
                    }
                    let member = fork(|| {
                        if session {
                            own_group();
                        }
                        tell(&tell_born, own_pid().try_into().expect("a small pid"));
                        rest()
                    });
                    assert_ne!(member, own_pid());
                    rest()
                });
                let member = i32::from(hear(&born).expect("the member"));
                end(leader);
                assert_eq!(kill(leader, 0), Err(Errno::ESRCH), "it is gone");
                assert!(!can_be_given(leader), "its number is not free, session {session}");
                end(member);
                assert!(can_be_given(leader), "its number is free, session {session}");
            });
        }
    });
}

#[test]
fn k037_the_kernel_itself_passes_over_the_number_of_a_zombie_and_gives_it_once_it_is_reaped() {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    if fs::metadata(LAST).is_err() {
        return tools::skip("no ns_last_pid: a kernel without CONFIG_CHECKPOINT_RESTORE");
    }
    experiment(|| {
        as_pid_1(|| {
            let next_after = |last: i32| {
                fs::write(LAST, last.to_string()).expect("ns_last_pid");
                let pid = fork(|| ());
                wait(pid);
                pid
            };
            let dead = zombie();
            assert_eq!(next_after(dead - 1), dead + 1);
            wait(dead);
            assert_eq!(next_after(dead - 1), dead);
        });
    });
}

#[test]
fn k038_a_process_whose_first_thread_has_ended_looks_dead_and_is_not_until_the_last_has() {
    /// Ends our first thread. Another one tells that it is there when it hears something.
    fn leave_a_thread(go: std::io::PipeReader, told: std::io::PipeWriter) {
        std::thread::spawn(move || {
            while hear(&go) == Some(1) {
                tell(&told, 1);
            }
            // SAFETY: ends this thread only, as the kernel sees it.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        // SAFETY: the same.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    experiment(|| {
        for first in [false, true] {
            let ((go, tell_go), (told, tell_told)) = (pipe(), pipe());
            let (other, tell_other) = pipe();
            let body = move || {
                if first {
                    // Not a companion: that goes when the thread that made it has ended.
                    fork(move || {
                        let _held = tell_other;
                        rest()
                    });
                } else {
                    drop(tell_other);
                }
                leave_a_thread(go, tell_told);
            };
            let pid = if first { pid_1(body) } else { fork(body) };
            let pidfd = pidfd(pid);
            until_state(pid, 'Z');
            for _ in 0..2 {
                kill(pid, 0).expect("it is there");
                assert_eq!(waitpid(pid, libc::WNOHANG), Ok((0, 0)));
                assert!(!has_news(&pidfd));
                // Whoever else is in the namespace of such a PID 1 lives.
                assert!(!first || !has_news(&other));
                tell(&tell_go, 1);
                assert_eq!(hear(&told), Some(1), "it can still do something");
            }
            tell(&tell_go, 0);
            assert_eq!(wait(pid), exited(0));
            assert!(has_news(&pidfd));
            // Which as PID 1 has taken the others along.
            assert_eq!(hear(&other), None);
        }
    });
}

fn pidfd(pid: i32) -> OwnedFd {
    // SAFETY: numbers only.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) });
    // SAFETY: it is new, and ours.
    unsafe { OwnedFd::from_raw_fd(fd.expect("pidfd_open").try_into().expect("a descriptor")) }
}

/// Is there anything to read, or the end of it?
fn has_news(descriptor: &impl AsRawFd) -> bool {
    let mut polled = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one, and it is ours.
    unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
}
