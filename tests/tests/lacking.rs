//! lastout on a kernel that lacks system calls which newer ones have, or under a seccomp profile
//! that refuses them (K95): it does without, and whoever looks from outside sees no difference.
//!
//! The kernel is this machine's; a filter answers in its place.

use std::os::fd::AsRawFd;

use lastout_tests::container::{Container, available, fill, pipe};
use lastout_tests::seccomp::{Filter, Refusal};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// What a kernel or a profile that does not know a system call answers.
const ANSWERS: [i32; 3] = [libc::ENOSYS, libc::EPERM, libc::EINVAL];

/// All that lastout calls, where it is there, beyond what Linux 4.4 has; and since when that has it.
const NEWER: [libc::c_long; 4] = [
    libc::SYS_pwritev2,          // 4.6, with RWF_NOWAIT 4.14
    libc::SYS_pidfd_send_signal, // 5.1
    libc::SYS_pidfd_open,        // 5.3
    libc::SYS_close_range,       // 5.9
];

/// The option of waitid(2) that Linux 4.7 is the first to know.
const WALL: u32 = 0x4000_0000;

fn refuse(calls: &[libc::c_long], errno: i32) -> Vec<Refusal> {
    calls.iter().map(|&call| Refusal { call, only_with: None, errno }).collect()
}

fn without_wall() -> Refusal {
    Refusal { call: libc::SYS_waitid, only_with: Some((3, WALL)), errno: libc::EINVAL }
}

fn under(container: Container, refusals: &[Refusal]) -> Container {
    let mut filter = Filter::new(refusals);
    container.prepared(move || filter.install())
}

/// A main child that leaves by itself, and four others: in its group, in a session, a daemon, and
/// a daemon of a process in a session.
fn family() -> Vec<&'static str> {
    let teller = tools::teller().to_str().expect("a readable path");
    vec![
        "--",
        teller,
        "main",
        "spawn",
        "G",
        "g take TERM 100 finish exit 0",
        "spawn",
        "S",
        "s spawn D deep|take|TERM|100|finish|exit|0 take TERM 100 finish exit 0",
        "spawn",
        "D",
        "d take TERM 100 finish exit 0",
        "until",
        "go",
        "exit",
        "7",
    ]
}

const NAMES: [&str; 4] = ["g", "s", "d", "deep"];

/// Everybody is asked, once, and finishes; lastout leaves with the main child's code, in silence.
fn all_is_as_ever(start: impl Fn(&Story) -> Container, refusals: &[Refusal]) {
    let story = Story::new();
    let mut container = under(start(&story), refusals).start();
    for name in NAMES {
        story.wait_for(&format!("{name} started"));
    }
    story.release("go");
    assert_eq!(container.wait(), 7, "{refusals:?}: {}", container.stderr());
    for name in NAMES {
        assert_eq!(story.count(&format!("{name} asked TERM")), 1, "{refusals:?}: {name}");
        assert_eq!(story.count(&format!("{name} finished")), 1, "{refusals:?}: {name}");
    }
    // Of the namespace's PID 1, where that is not lastout: a process that is none of its business.
    assert_eq!(story.count("bystander asked TERM"), 0, "{refusals:?}: {:?}", story.lines());
    assert_eq!(container.stderr(), "", "{refusals:?}");
}

fn as_pid1(story: &Story) -> Container {
    Container::lastout(story, &family())
}

fn as_subreaper(story: &Story) -> Container {
    Container::below_pid1(story, &family())
}

#[test]
fn pid_1_does_without_all_newer_system_calls() {
    if !available() {
        return;
    }
    for errno in ANSWERS {
        all_is_as_ever(as_pid1, &refuse(&NEWER, errno));
    }
}

#[test]
fn a_subreaper_does_without_all_newer_system_calls() {
    if !available() {
        return;
    }
    for errno in ANSWERS {
        all_is_as_ever(as_subreaper, &refuse(&NEWER, errno));
    }
}

#[test]
fn a_subreaper_that_may_open_pidfds_and_not_use_them_sends_without() {
    if !available() {
        return;
    }
    for errno in ANSWERS {
        all_is_as_ever(as_subreaper, &refuse(&[libc::SYS_pidfd_send_signal], errno));
    }
}

#[test]
fn children_are_reaped_where_waitid_does_not_know_wall() {
    if !available() {
        return;
    }
    all_is_as_ever(as_pid1, &[without_wall()]);
    all_is_as_ever(as_subreaper, &[without_wall()]);
}

#[test]
fn descriptors_are_closed_without_close_range() {
    if !available() {
        return;
    }
    for errno in ANSWERS {
        let story = Story::new();
        let (reads, writes) = pipe();
        let number = writes.as_raw_fd();
        let teller = tools::teller().to_str().expect("a readable path");
        let container =
            Container::lastout(&story, &[teller, "main", "forever"]).prepared(move || {
                // Inherited by lastout and its main child.
                // SAFETY: numbers only; the descriptor is open here.
                let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
                if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        let container = under(container, &refuse(&[libc::SYS_close_range], errno)).start();
        story.wait_for("main started");
        let path = |inside| format!("/proc/{}/fd/{number}", container.outside(inside));
        lastout_tests::container::until(
            || !std::path::Path::new(&path(1)).exists(),
            || format!("PID 1 keeps descriptor {number}"),
        );
        assert!(std::path::Path::new(&path(2)).exists(), "the main child lost it");
        drop((reads, writes));
    }
}

/// What says that there is no room in a pipe before it is written to.
const ROOM: libc::c_long = libc::SYS_ppoll;

#[test]
fn a_full_stderr_pipe_does_not_hold_it_up_without_ppoll_and_pwritev2() {
    if !available() {
        return;
    }
    // As ppoll(2) does not stop it, the pipe is written to, opened again; with pwritev2(2), not
    // opened again.
    for calls in [&[ROOM, libc::SYS_pwritev2][..], &[ROOM], &[libc::SYS_pwritev2]] {
        for errno in ANSWERS {
            let story = Story::new();
            let (_reads, writes) = pipe();
            fill(std::os::fd::AsFd::as_fd(&writes));
            let lastout = Container::lastout(&story, &["-v", "sh", "-c", "exit 5"]);
            let container = lastout.with(|command| {
                command.stderr(writes);
            });
            let mut container = under(container, &refuse(calls, errno)).start();
            assert_eq!(container.wait(), 5, "without {calls:?}");
        }
    }
}

#[test]
fn a_stderr_pipe_with_room_is_written_to_without_ppoll() {
    if !available() {
        return;
    }
    for calls in [&[ROOM][..], &[ROOM, libc::SYS_pwritev2]] {
        for errno in ANSWERS {
            let story = Story::new();
            let container = Container::lastout(&story, &["-v", "sh", "-c", "exit 5"]);
            let mut container = under(container, &refuse(calls, errno)).start();
            assert_eq!(container.wait(), 5);
            let told = container.stderr();
            assert!(told.contains("reaped 2 exit 5"), "without {calls:?}: {told:?}");
        }
    }
}
