//! The harness itself: a container is what `container` says, a story tells what happened, and
//! nothing outlives a test. Almost everywhere the teller or a shell is PID 1, without lastout, so
//! that a failure here is the harness's own; what fails here makes the other tests worthless.

use std::fs;

use lastout_tests::container::{Container, Pty, Running, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::signal::Signal;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// A teller named `one` as PID 1, started and ready.
fn teller_as_pid1(story: &Story, script: &[&str]) -> Running {
    let container = Container::program(teller(), story, &[&["one"], script].concat()).start();
    story.wait_for("one started");
    container
}

/// What a shell as PID 1 of such a container writes to stdout.
fn shell(change: impl FnOnce(Container) -> Container, script: &str) -> String {
    let story = Story::new();
    let container = Container::program("/bin/sh", &story, &["-c", script]);
    let mut container = change(container).start();
    assert_eq!(container.wait(), 0, "{}", container.stderr());
    container.stdout()
}

/// A field of `/proc/PID/stat`, by the number that proc(5) gives it, from 3 (the state) on.
fn stat(pid: i32, field: usize) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, is in brackets and may have blanks in it.
    let mut rest = line.rsplit_once(") ")?.1.split(' ');
    rest.nth(field - 3).map(str::to_owned)
}

/// A process as nobody else ever is: pids are used again, a pid with its start time is not.
fn identity(pid: i32) -> Option<(i32, String)> {
    Some((pid, stat(pid, 22)?))
}

/// The mask of that kind (`SigBlk`, `SigIgn`) in the text of a `/proc/PID/status`.
fn mask(status: &str, kind: &str) -> u64 {
    let line = status.lines().find(|l| l.starts_with(kind));
    let line = line.unwrap_or_else(|| panic!("no {kind} in {status:?}"));
    let digits = line.split_whitespace().nth(1).expect("KEY: VALUE");
    u64::from_str_radix(digits, 16).expect("a mask")
}

// ------------------------------------------------------------------------------- containers

#[test]
fn a_program_is_pid_1_without_a_parent_and_alone_in_its_proc() {
    if !available() {
        return;
    }
    let story = Story::new();
    let container = teller_as_pid1(&story, &["forever"]);
    let line = story.wait_for("one started");
    assert_eq!(Story::value(&line, "pid"), "1");
    assert_eq!(Story::value(&line, "ppid"), "0");
    assert_eq!(container.outside(1), container.pid().as_raw());
    let seen = shell(|c| c, "cd /proc && echo [0-9]*");
    assert_eq!(seen.trim(), "1", "no process of the machine's");
}

#[test]
fn without_proc_nothing_is_there() {
    if !available() {
        return;
    }
    let seen = shell(Container::without_proc, "cd /proc && echo *");
    assert_eq!(seen.trim(), "*");
}

#[test]
fn a_program_does_not_inherit_what_the_tests_themselves_ignore_or_are_told() {
    if !available() {
        return;
    }
    // Harmless to the other tests in this process: URG is ignored anyway, but not inherited so.
    // SAFETY: to ignore a signal runs no code.
    unsafe { libc::signal(libc::SIGURG, libc::SIG_IGN) };
    let plain = |container: Container| container.unrecorded("shows its environment");
    let seen = shell(plain, "grep SigIgn /proc/self/status; env");
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGURG, libc::SIG_DFL) };
    assert_eq!(mask(&seen, "SigIgn") >> (libc::SIGURG - 1) & 1, 0, "{seen}");
    assert!(!seen.contains("LASTOUT_"), "{seen}");
}

#[test]
fn an_inherited_mask_and_ignored_signals_are_there_when_the_program_starts() {
    if !available() {
        return;
    }
    let story = Story::new();
    let status = |change: fn(Container) -> Container| {
        let container = Container::program("/bin/cat", &story, &["/proc/self/status"]);
        let mut container = change(container).start();
        assert_eq!(container.wait(), 0);
        container.stdout()
    };
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    // KILL and STOP cannot be blocked; 32 and 33 the C library keeps to itself.
    let blocked = status(Container::with_all_blocked);
    let possible = !(bit(Signal::SIGKILL) | bit(Signal::SIGSTOP) | 0b11 << 31);
    assert_eq!(mask(&blocked, "SigBlk") & possible, possible);
    let ignored = status(|c| c.with_ignored(&[Signal::SIGCHLD, Signal::SIGUSR1]));
    let both = bit(Signal::SIGCHLD) | bit(Signal::SIGUSR1);
    assert_eq!(mask(&ignored, "SigIgn") & both, both);
    // And without being told so, neither: else the tests above would prove nothing.
    let plain = status(|c| c);
    assert_eq!(mask(&plain, "SigBlk"), 0);
    assert_eq!(mask(&plain, "SigIgn") & both, 0);
}

#[test]
fn closed_descriptors_are_closed() {
    if !available() {
        return;
    }
    let which = "for fd in 0 1 2; do test -e /proc/1/fd/$fd && echo $fd; done; true";
    assert_eq!(shell(|c| c, which), "0\n1\n2\n");
    assert_eq!(shell(|c| c.with_closed(&[0, 2]), which), "1\n");
}

#[test]
fn an_exit_code_is_told_from_a_signal_of_the_same_number() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = teller_as_pid1(&story, &["exit", "137"]);
    assert_eq!((container.wait(), container.killed_by()), (137, None));
    let story = Story::new();
    let mut container = teller_as_pid1(&story, &["forever"]);
    assert!(!container.has_ended());
    container.signal(libc::SIGKILL);
    assert_eq!((container.wait(), container.killed_by()), (137, Some(9)));
}

#[test]
fn nobody_outlives_a_container_that_is_dropped() {
    if !available() {
        return;
    }
    let story = Story::new();
    let stubborn = ["S", "s ignore TERM forever", "D", "d ignore TERM forever"];
    let [s, s_script, d, d_script] = stubborn;
    let words = ["spawn", s, s_script, "spawn", d, d_script, "forever"];
    let container = teller_as_pid1(&story, &words);
    let all = container.processes();
    assert_eq!(all.len(), 3, "{all:?}");
    let known: Vec<_> = all.iter().filter_map(|p| identity(p.0)).collect();
    assert_eq!(known.len(), 3);
    drop(container);
    let left = || known.iter().filter(|k| identity(k.0).as_ref() == Some(k));
    until(|| left().next().is_none(), || format!("the end of {:?}", left().collect::<Vec<_>>()));
}

/// The kernel kills whoever entered together with PID 1, but only its parent can reap it, and PID 1
/// does not end before that (K59). So here, and in every test, the entered process is waited for
/// or dropped before its container is.
#[test]
fn whoever_entered_dies_with_pid_1_which_ends_when_it_is_reaped() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = teller_as_pid1(&story, &["forever"]);
    let mut entered = container.enter(&story, tools::teller(), &["e", "ignore", "TERM", "forever"]);
    story.wait_for("e started");
    container.signal(libc::SIGKILL);
    until(
        || stat(entered.pid().as_raw(), 3).as_deref() == Some("Z"),
        || "the entered process's death".into(),
    );
    assert!(!container.has_ended());
    assert_eq!((entered.wait(), entered.killed_by()), (137, Some(9)));
    assert_eq!((container.wait(), container.killed_by()), (137, Some(9)));
}

// ------------------------------------------------------------------------------- the teller

#[test]
fn g_s_d_and_e_are_where_their_letters_say() {
    if !available() {
        return;
    }
    let story = Story::new();
    // Main is not PID 1, so that a daemon's parent can be told from it.
    let main = "main spawn G g|forever spawn S s|forever spawn D d|forever tell ready forever";
    let container = teller_as_pid1(&story, &["spawn", "S", main, "forever"]);
    story.wait_for("main ready");
    let entered = container.enter(&story, tools::teller(), &["e", "forever"]);
    let of = |name: &str, key: &str| {
        let line = story.wait_for(&format!("{name} started"));
        Story::value(&line, key).to_owned()
    };
    for name in ["g", "s"] {
        assert_eq!(of(name, "ppid"), of("main", "pid"), "{name}");
    }
    for key in ["pgid", "sid"] {
        assert_eq!(of("g", key), of("main", key), "g is in main's {key}");
        assert_eq!(of("s", key), of("s", "pid"), "s has a {key} of its own");
        assert_ne!(of("d", key), of("main", key), "d has left main's {key}");
    }
    // Not by its own words: it may have told them before the process between them had ended.
    let daemon: i32 = of("d", "pid").parse().expect("a pid");
    let parent = stat(container.outside(daemon), 4);
    let pid1 = container.pid().to_string();
    assert_eq!(parent, Some(pid1), "a daemon is an orphan");
    assert_ne!(of("d", "sid"), of("d", "pid"), "and leads no session");
    assert_eq!(of("e", "ppid"), "0", "its parent is outside");
    let inside: i32 = of("e", "pid").parse().expect("a pid");
    assert_eq!(container.outside(inside), entered.pid().as_raw());
}

#[test]
fn signals_reach_a_teller_once_each_with_their_values() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = teller_as_pid1(&story, &["catch", "4", "finish", "exit", "3"]);
    container.signal(libc::SIGUSR1);
    story.wait_for("one got USR1");
    container.queue(34, 7);
    container.queue(34, 8);
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 3);
    assert_eq!(story.matching("one got 34"), ["one got 34 value=7", "one got 34 value=8"]);
    assert_eq!(story.count("one asked TERM"), 1);
    assert_eq!(story.count("one finished"), 1);
}

#[test]
fn below_pid_1_lastout_is_not_pid_1_and_the_holder_passes_its_exit_code_on() {
    if !available() {
        return;
    }
    let story = Story::new();
    let arguments = ["--", teller(), "main", "until", "go", "exit", "7"];
    let mut container = Container::below_pid1(&story, &arguments).start();
    let parent = Story::value(&story.wait_for("main started"), "ppid").to_owned();
    assert_ne!(parent, "1");
    assert_ne!(parent, "0");
    // Neither PID 1's nor ours: it would be the first to be hurt by a kill(-1).
    let bystander = story.wait_for("bystander started");
    assert_eq!(Story::value(&bystander, "ppid"), "1");
    story.release("go");
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    assert_eq!(story.count("bystander asked"), 0);
}

// ------------------------------------------------------------------------ terminal and story

#[test]
fn a_terminal_is_the_controlling_one_and_its_keys_are_signals() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let container = Container::program(teller(), &story, &["one", "catch", "2", "exit", "0"]);
    let mut container = pty.given_to(container).start();
    story.wait_for("one started");
    pty.types("\x03");
    story.wait_for("one asked INT");
    pty.resize(11, 77);
    story.wait_for("one got WINCH");
    assert_eq!(container.wait(), 0);
}

#[test]
fn a_story_is_counted_by_whole_words_and_its_files_go_with_it() {
    let story = Story::new();
    let told = "main started pid=7 ppid=1\nmain started-over\nmainly\nmain asked TERM value=5\n";
    fs::write(story.path(), told).expect("the story's file");
    assert_eq!(story.count("main"), 3);
    assert_eq!(story.count("main started"), 1);
    assert_eq!(story.count("main asked TERM"), 1);
    let line = story.wait_for("main started");
    assert_eq!(Story::value(&line, "pid"), "7", "and not ppid's");
    let directory = story.directory().to_owned();
    drop(story);
    assert!(!directory.exists());
}
