//! K73 to K77: who hears of the keys and the end of a terminal, and whose it is.
//!
//! PID 1 of the ground leads a session and a group, both of the number 1. Where a session must end,
//! a child of it leads one.

use libc::{
    SIGCONT as CONT, SIGHUP as HUP, SIGINT as INT, SIGKILL as KILL, SIGQUIT as QUIT,
    SIGSTOP as STOP, SIGTSTP as TSTP, SIGWINCH as WINCH,
};
use nix::errno::Errno::{self, EIO, ENOTTY, EPERM};
use nix::sys::termios::LocalFlags;
use nix::unistd::getpid;

use crate::ground::{
    Shared, become_user, by, fork, ground, own_group, own_session, reap, setpgid, stay, stayer,
    until,
};
use crate::proc::{pending, stat, state};
use crate::pty::{Pty, as_leader, has_terminal, own_terminal};
use crate::signals::{block_all, kill, take};

/// What a signal says of its origin: the kernel, or kill(2).
const FROM_KERNEL: i32 = 0x80;
const FROM_KILL: i32 = 0;

#[test]
fn k073_a_key_or_a_new_size_goes_to_the_foreground_group_and_to_nobody_else() {
    ground(|| {
        block_all();
        let pty = own_terminal();
        let first = stayer(own_group);
        let second = stayer(|| setpgid(0, first).expect("a group"));
        let others = [stayer(|| ()), stayer(own_group), stayer(own_session), 1];
        pty.set_foreground(first).expect("the foreground");
        let mut sent = Vec::new();
        let mut reached = |signal| {
            sent.push(signal);
            sent.sort_unstable();
            until("the signal is there", || pending(first).contains(&signal));
            assert_eq!((pending(first), pending(second)), (sent.clone(), sent.clone()));
            assert_eq!(others.map(pending), [const { Vec::new() }; 4]);
        };
        for (key, signal) in [("\x03", INT), ("\x1c", QUIT), ("\x1a", TSTP)] {
            pty.types(key);
            reached(signal);
        }
        pty.resize(0, 0);
        assert!(!pending(first).contains(&WINCH), "that was its size");
        pty.resize(24, 80);
        reached(WINCH);
    });
}

#[test]
fn k073_pid_1_at_default_in_the_foreground_ignores_all_keys() {
    ground(|| {
        let pty = own_terminal();
        let witness = stayer(|| ());
        assert_eq!(pty.foreground(), Ok(1));
        for (key, signal) in [("\x03", INT), ("\x1c", QUIT), ("\x1a", TSTP)] {
            pty.types(key);
            until("its group has got it", || pending(witness).contains(&signal));
            assert_eq!(pending(1), []);
        }
        pty.resize(24, 80);
        assert_eq!(pending(witness), [INT, QUIT, TSTP, WINCH]);
        assert_eq!(pending(1), []);
    });
}

#[test]
fn k073_without_isig_a_key_is_a_byte_to_read() {
    ground(|| {
        let pty = own_terminal();
        let witness = stayer(|| ());
        pty.set(|settings| settings.local_flags -= LocalFlags::ISIG | LocalFlags::ICANON)
            .expect("settings");
        for key in [3, 0x1c, 0x1a] {
            pty.types(&char::from(key).to_string());
            pty.wait_readable();
            assert_eq!(pty.read(), Ok(Some(key)));
        }
        assert_eq!(pending(witness), []);
    });
}

/// Notes of the signals that a process takes: how many, then origin and sender of each.
fn notes_of(pty: &Pty) -> (i32, Shared) {
    let notes = Shared::several(16);
    let pid = fork(|| {
        pty.close_master();
        for count in 0.. {
            let (_, origin, sender) = take(&[INT, WINCH]);
            notes.nth(1 + 2 * count).set(origin);
            notes.nth(2 + 2 * count).set(sender);
            notes.add(1);
        }
    });
    (pid, notes)
}

fn note(notes: Shared, count: usize) -> (i32, i32) {
    until("it is taken", || notes.get() >= i32::try_from(count).expect("few"));
    (notes.nth(2 * count - 1).get(), notes.nth(2 * count).get())
}

#[test]
fn k074_a_key_comes_twice_to_a_child_in_the_group_of_an_init_that_forwards_and_tells_its_origin() {
    ground(|| {
        block_all();
        let pty = own_terminal();
        let (child, notes) = notes_of(&pty);
        pty.types("\x03");
        assert_eq!(take(&[INT]), (INT, FROM_KERNEL, 0));
        assert_eq!(note(notes, 1), (FROM_KERNEL, 0));
        kill(child, INT).expect("to forward it");
        assert_eq!(note(notes, 2), (FROM_KILL, 1), "the second time");
        pty.resize(24, 80);
        assert_eq!(take(&[WINCH]), (WINCH, FROM_KERNEL, 0));
        assert_eq!(note(notes, 3), (FROM_KERNEL, 0));
        kill(child, KILL).expect("KILL");
        assert_eq!(reap(child), KILL);

        let (child, notes) = notes_of(&pty);
        setpgid(child, child).expect("a group");
        pty.set_foreground(child).expect("the foreground");
        pty.types("\x03");
        assert_eq!(note(notes, 1), (FROM_KERNEL, 0));
        assert!(!pending(1).contains(&INT), "there is nothing to forward");
        // Marked by a second signal: whatever else there was has been taken by then.
        kill(child, WINCH).expect("a mark");
        assert_eq!(note(notes, 2), (FROM_KILL, 1));
        assert_eq!(notes.get(), 2, "once, and the mark");

        pty.close_master();
        assert_eq!(take(&[HUP]), (HUP, FROM_KERNEL, 0));
    });
}

#[test]
fn k075_when_a_session_leader_ends_the_foreground_gets_hup_the_background_nothing_and_nobody_has_a_terminal()
 {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Stopped {
        Nobody,
        Foreground,
        Background,
    }
    use Stopped::{Background, Foreground, Nobody};
    ground(|| {
        for who in [Nobody, Foreground, Background] {
            let pty = Pty::new();
            let (foreground, background) = (Shared::new(), Shared::new());
            let (ready, go, look, seen) =
                (Shared::new(), Shared::new(), Shared::new(), Shared::new());
            let leader = fork(|| {
                own_session();
                pty.acquire(false).expect("a terminal");
                let pid = fork(|| {
                    own_group();
                    assert!(has_terminal());
                    foreground.set(getpid().as_raw());
                    look.wait();
                    seen.set(if has_terminal() { 1 } else { 2 });
                    stay()
                });
                foreground.wait();
                background.set(stayer(own_group));
                pty.set_foreground(pid).expect("the foreground");
                ready.set(1);
                go.wait();
            });
            ready.wait();
            let (foreground, background) = (foreground.get(), background.get());
            let stops = [(foreground, who == Foreground), (background, who == Background)];
            for (pid, _) in stops.into_iter().filter(|s| s.1) {
                kill(pid, STOP).expect("STOP");
                until("it is stopped", || state(pid) == 'T');
            }
            assert_ne!(stat(background, 7).as_deref(), Some("0"));
            go.set(1);
            assert_eq!(reap(leader), 0);
            let hup_and_cont = vec![HUP, CONT];
            let expected = match who {
                Nobody => (vec![HUP], vec![]),
                Foreground => (hup_and_cont, vec![]),
                Background => (vec![HUP], hup_and_cont),
            };
            assert_eq!((pending(foreground), pending(background)), expected, "{who:?} stopped");
            look.set(1);
            assert_eq!(seen.wait(), 2);
            assert_eq!(stat(background, 7).as_deref(), Some("0"));
            assert_eq!(by(own_session, || pty.acquire(false)), Ok(()), "it is free");
        }
    });
}

#[test]
fn k076_a_terminal_that_is_closed_tells_the_session_leader_only_and_refuses_all() {
    ground(|| {
        let pty = Pty::new();
        let (foreground, go, done) = (Shared::new(), Shared::new(), Shared::new());
        let leader = fork(|| {
            own_session();
            pty.acquire(false).expect("a terminal");
            let pid = stayer(|| {
                own_group();
                pty.close_master();
            });
            pty.set_foreground(pid).expect("the foreground");
            pty.close_master();
            foreground.set(pid);
            go.wait();
            assert_eq!(pty.read(), Ok(None), "the end of the file");
            assert_eq!(pty.write(), Err(EIO));
            assert_eq!(pty.foreground(), Err(EIO));
            done.set(1);
        });
        foreground.wait();
        assert_eq!((pending(leader), pending(foreground.get())), (vec![], vec![]));
        pty.close_master();
        assert_eq!(pending(leader), [HUP, CONT]);
        assert_eq!(pending(foreground.get()), []);
        go.set(1);
        assert_eq!(reap(leader), 0);
        assert_eq!(done.get(), 1);
    });
}

#[test]
fn k077_only_a_session_leader_without_a_terminal_acquires_one_that_is_nobodys() {
    ground(|| {
        let (pty, other) = (Pty::new(), Pty::new());
        assert_eq!(by(|| (), || pty.acquire(false)), Err(EPERM), "no session leader");
        let leader = || {
            own_session();
            pty.acquire(false).expect("a terminal");
        };
        assert_eq!(by(leader, || pty.acquire(false)), Ok(()), "again");
        assert_eq!(by(leader, || other.acquire(false)), Err(EPERM), "a second one");

        let (go, result) = (Shared::new(), Shared::new());
        let ready = Shared::new();
        let owner = fork(|| {
            leader();
            assert!(pty.foreground().is_ok());
            ready.set(1);
            go.wait();
            result.set(pty.foreground().expect_err("it is stolen") as i32);
        });
        ready.wait();
        assert_eq!(by(own_session, || pty.acquire(false)), Err(EPERM), "another session's");
        let user = || {
            own_session();
            become_user(41_000, 41_000, 41_000);
        };
        assert_eq!(by(user, || pty.acquire(true)), Err(EPERM));
        assert_eq!(by(own_session, || pty.acquire(true)), Ok(()), "root steals");
        go.set(1);
        assert_eq!(reap(owner), 0);
        assert_eq!(Errno::from_raw(result.get()), ENOTTY);
    });
}

#[test]
fn k077_a_leader_that_gives_its_terminal_up_sends_hup_and_cont_to_the_foreground_and_frees_it() {
    ground(|| {
        as_leader(|pty| {
            let (own, member) = (getpid().as_raw(), stayer(|| ()));
            let other = stayer(own_group);
            pty.give_up().expect("TIOCNOTTY");
            assert_eq!(pending(own), [HUP, CONT], "the leader is in the foreground");
            assert_eq!((pending(member), pending(other)), (vec![HUP, CONT], vec![]));
            assert_eq!(pty.foreground(), Err(ENOTTY));
            assert_eq!(by(own_session, || pty.acquire(false)), Ok(()));
        });
        as_leader(|pty| {
            let foreground = stayer(own_group);
            pty.set_foreground(foreground).expect("the foreground");
            pty.give_up().expect("TIOCNOTTY");
            assert_eq!(pending(foreground), [HUP, CONT]);
            assert_eq!(pending(getpid().as_raw()), [], "the leader is not");
        });
    });
}
