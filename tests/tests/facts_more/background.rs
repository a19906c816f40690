//! K78 to K82: who may use a terminal, and what becomes of who uses it in the background.
//!
//! PID 1 of the ground leads a session and a group, both of the number 1. Where a group must be
//! orphaned, it is that of another session's leader. All begin with TTOU blocked, as every signal.

use std::ffi::CString;

use lastout_tests::tools;
use libc::{SIGINT as INT, SIGKILL as KILL, SIGTTIN as TTIN, SIGTTOU as TTOU};
use nix::errno::Errno::{self, EIO, ENOTTY, EPERM, ESRCH};
use nix::sys::termios::LocalFlags;
use nix::unistd::getpid;

use crate::ground::{
    Shared, ends_or_stops, exit, exited, fork, ground, namespace, own_group, own_session, reap,
    setpgid, stay, stayer, stopped, until,
};
use crate::proc::{pending, stat, state};
use crate::pty::{Pty, as_leader, own_terminal};
use crate::signals::{block_all, disposition, kill, set_mask, unblock_all};

/// How a job of this process ends or stops that does that, by default in the background; what it
/// is refused with is its exit code.
#[track_caller]
fn job(setup: impl FnOnce(), act: impl FnOnce() -> Result<(), Errno>) -> i32 {
    let pid = fork(|| {
        own_group();
        unblock_all();
        setup();
        exit(act().err().map_or(0, |error| error as i32))
    });
    let status = ends_or_stops(pid);
    if state(pid) == 'T' {
        kill(pid, KILL).expect("KILL");
        assert_eq!(reap(pid), KILL);
    }
    status
}

#[test]
fn k078_who_sets_the_foreground_from_the_background_stops_its_group_by_ttou() {
    ground(|| {
        set_mask(&[TTOU]);
        let pty = own_terminal();
        let (go, returned) = (Shared::new(), Shared::new());
        let first = fork(|| {
            go.wait();
            unblock_all();
            let _ = pty.set_foreground(getpid().as_raw());
            returned.set(1);
            stay()
        });
        setpgid(first, first).expect("a group");
        let second = stayer(|| {
            setpgid(0, first).expect("a group");
            unblock_all();
        });
        go.set(1);
        assert_eq!((ends_or_stops(first), ends_or_stops(second)), (stopped(TTOU), stopped(TTOU)));
        assert_eq!((returned.get(), pty.foreground()), (0, Ok(1)));
    });
}

#[test]
fn k078_with_ttou_ignored_or_blocked_the_foreground_is_set_and_each_wrong_group_has_its_error() {
    ground(|| {
        set_mask(&[TTOU]);
        let pty = own_terminal();
        let take_it = || {
            let own = getpid().as_raw();
            pty.set_foreground(own)?;
            assert_eq!((pty.foreground(), pending(own)), (Ok(own), vec![]));
            Ok(())
        };
        let preparations: [fn(); 2] = [|| disposition(TTOU, libc::SIG_IGN), || set_mask(&[TTOU])];
        for prepare in preparations {
            assert_eq!(job(prepare, take_it), exited(0));
            // Ours is in the background now.
            assert_eq!((pty.set_foreground(1), pending(1)), (Ok(()), vec![]));
        }
        assert_eq!(pty.set_foreground(3999), Err(ESRCH));
        let other = stayer(own_session);
        assert_eq!(pty.set_foreground(other), Err(EPERM));
        assert_eq!(Pty::new().set_foreground(1), Err(ENOTTY));
        as_leader(|pty| {
            let foreground = stayer(own_group);
            pty.set_foreground(foreground).expect("the foreground");
            unblock_all();
            let own = getpid().as_raw();
            assert_eq!(pty.set_foreground(own), Err(ENOTTY), "its group is orphaned");
        });
    });
}

#[test]
fn k079_pid_1_in_an_orphaned_background_group_is_refused_the_terminal() {
    ground(|| {
        let pty = own_terminal();
        let foreground = stayer(own_group);
        pty.set_foreground(foreground).expect("the foreground");
        assert_eq!(pty.set_foreground(1), Err(ENOTTY));
        assert_eq!(pty.read(), Err(EIO));
        set_mask(&[TTOU]);
        assert_eq!(pty.set_foreground(1), Ok(()));
    });
}

#[test]
fn k079_pid_1_in_a_background_group_that_is_not_orphaned_spins_in_the_kernel_unless_it_blocks_ttou()
{
    ground(|| {
        let pty = Pty::new();
        let (calls, returned, finished, spins) =
            (Shared::new(), Shared::new(), Shared::new(), Shared::new());
        fork(|| {
            own_session();
            pty.acquire(false).expect("a terminal");
            spins.set(namespace(|| {
                own_group();
                unblock_all();
                calls.set(1);
                let _ = pty.set_foreground(1);
                returned.set(1);
                stay()
            }));
            finished.wait();
            let blocks = namespace(|| {
                own_group();
                set_mask(&[TTOU]);
                assert_eq!(pty.set_foreground(1), Ok(()));
                exit(7)
            });
            assert_eq!(reap(blocks), exited(7));
            finished.set(2);
            stay()
        });
        calls.wait();
        let spins = spins.wait();
        let system_ticks = || stat(spins, 15).and_then(|t| t.parse().ok()).unwrap_or(0);
        until("it has used much time in the kernel", || system_ticks() >= 30);
        assert_eq!(returned.get(), 0);
        kill(spins, KILL).expect("KILL");
        until("it can be killed", || state(spins) == 'Z');
        finished.set(1);
        until("the other one is through", || finished.get() == 2);
    });
}

#[test]
fn k080_who_reads_from_the_background_stops_by_ttin_or_gets_eio() {
    ground(|| {
        let pty = own_terminal();
        let read = || pty.read().map(drop);
        assert_eq!(job(|| (), read), stopped(TTIN));
        assert_eq!(job(|| disposition(TTIN, libc::SIG_IGN), read), exited(EIO as i32));
        assert_eq!(job(|| set_mask(&[TTIN]), read), exited(EIO as i32));
        as_leader(|pty| {
            let foreground = stayer(own_group);
            pty.set_foreground(foreground).expect("the foreground");
            unblock_all();
            assert_eq!(pty.read(), Err(EIO), "its group is orphaned");
        });
    });
}

#[test]
fn k080_who_writes_from_the_background_is_stopped_with_tostop_only_and_who_changes_settings_always()
{
    ground(|| {
        let pty = own_terminal();
        let change = || pty.set(|_| ());
        assert_eq!(job(|| (), || pty.write()), exited(0));
        assert_eq!(job(|| (), change), stopped(TTOU));
        pty.set(|settings| settings.local_flags |= LocalFlags::TOSTOP).expect("settings");
        assert_eq!(job(|| (), || pty.write()), stopped(TTOU));
        assert_eq!(job(|| (), change), stopped(TTOU));
    });
}

#[test]
fn k081_the_terminal_keeps_a_dead_foreground_group_until_somebody_takes_it_back() {
    ground(|| {
        block_all();
        let pty = own_terminal();
        let child = stayer(own_group);
        let other = stayer(own_group);
        pty.set_foreground(child).expect("the foreground");
        kill(child, KILL).expect("KILL");
        assert_eq!(reap(child), KILL);
        assert_eq!(pty.foreground(), Ok(child), "the dead number");
        pty.types("\x03");
        pty.wait_for("^C");
        assert_eq!((pending(1), pending(other)), (vec![libc::SIGCHLD], vec![]));
        assert_eq!(pty.set_foreground(1), Ok(()));
        pty.types("\x03");
        until("it reaches PID 1", || pending(1).contains(&INT));
    });
}

/// An interactive bash on that terminal.
fn bash(pty: &Pty, path: &str, setup: impl FnOnce()) -> i32 {
    let text = |words: &[&str]| -> Vec<CString> {
        words.iter().map(|w| CString::new(*w).expect("no zero")).collect()
    };
    fork(|| {
        setup();
        nix::unistd::dup2_stdin(pty.slave()).expect("dup2");
        nix::unistd::dup2_stdout(pty.slave()).expect("dup2");
        nix::unistd::dup2_stderr(pty.slave()).expect("dup2");
        unblock_all();
        let words = text(&["bash", "--norc", "--noprofile", "--noediting", "-i"]);
        let environment = text(&["PS1=ready> ", "TERM=dumb", "PATH=/usr/bin:/bin"]);
        let error = nix::unistd::execve(&text(&[path])[0], &words, &environment);
        panic!("{path}: {error:?}");
    })
}

#[test]
fn k082_an_interactive_shell_works_in_a_foreground_group_only_and_without_a_terminal_not_in_full() {
    let Some(path) = tools::needed("bash") else {
        return;
    };
    let path = path.to_str().expect("a readable path");
    ground(|| {
        block_all();
        let pty = own_terminal();
        let works = || {
            let begin = pty.wait_for("ready> ");
            assert!(!begin.contains("no job control"), "{begin}");
            pty.types("sh -c 'echo here $((6*7)); exec sleep 1000'\n");
            pty.wait_for("here 42");
            pty.types("\x03");
            pty.wait_for("ready> ");
            pty.types("exit 9\n");
        };
        let same = bash(&pty, path, || ());
        works();
        assert_eq!(reap(same), exited(9));
        pty.set_foreground(1).expect("back");

        let own = bash(&pty, path, || {
            own_group();
            pty.set_foreground(getpid().as_raw()).expect("the foreground");
        });
        works();
        assert_eq!(reap(own), exited(9));
        pty.set_foreground(1).expect("back");

        let background = bash(&pty, path, own_group);
        assert_eq!(ends_or_stops(background), stopped(TTIN));
        kill(background, KILL).expect("KILL");
        assert_eq!(reap(background), KILL);

        let alone = bash(&pty, path, own_session);
        let begin = pty.wait_for("ready> ");
        assert!(begin.contains("cannot set terminal process group"), "{begin}");
        assert!(begin.contains("no job control in this shell"), "{begin}");
        pty.types("sh -c 'echo here $((6*7)); exec cat'\n");
        pty.wait_for("here 42");
        pty.types("\x03");
        pty.wait_for("^C");
        pty.types("still\n");
        pty.wait_for("still\r\nstill\r\n");
        assert_ne!(state(alone), '-');
    });
}
