//! lastout on a terminal: the foreground is the main child's, its keys arrive once, and Ctrl-Z
//! hangs nobody.

use lastout_tests::container::{Container, Pty, available};
use lastout_tests::story::Story;
use lastout_tests::tools;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

#[test]
fn ctrl_c_reaches_the_main_child_exactly_once() {
    if !available() {
        return;
    }
    for session in [false, true] {
        let story = Story::new();
        let pty = Pty::new();
        let mut words = vec!["--", teller(), "main", "report", "take", "INT", "300", "exit", "3"];
        if session {
            words.insert(0, "--session");
        }
        let mut container = pty.given_to(Container::lastout(&story, &words)).start();
        story.wait_for("main reported");
        assert_eq!(
            story.wait_for("main foreground"),
            "main foreground 2",
            "it is in the foreground"
        );
        pty.types("\u{3}");
        assert_eq!(container.wait(), 3);
        assert_eq!(story.count("main asked INT"), 1, "{:?}", story.lines());
    }
}

#[test]
fn the_main_child_can_read_from_the_terminal() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let words = [teller(), "main", "read", "exit", "0"];
    let mut container = pty.given_to(Container::lastout(&story, &words)).start();
    story.wait_for("main started");
    pty.types("hello\n");
    assert_eq!(container.wait(), 0);
    assert_eq!(story.count("main read hello"), 1);
}

#[test]
fn ctrl_z_as_pid_1_continues_at_once_because_nobody_else_could() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    // The terminal's stop is the default action: the teller must not block it.
    let words = ["-v", teller(), "main", "default", "TSTP", "take", "INT", "0", "exit", "3"];
    let mut container = pty.given_to(Container::lastout(&story, &words)).start();
    story.wait_for("main started");
    pty.types("\u{1a}");
    pty.wait_for("stopped 2 TSTP");
    story.wait_for("main continued");
    pty.types("\u{3}");
    assert_eq!(container.wait(), 3);
    assert_eq!(story.count("main asked INT"), 1, "still in the foreground: {:?}", story.lines());
}

#[test]
fn ctrl_z_under_an_interactive_shell_stops_the_job_and_fg_goes_on_with_it() {
    if !available() || tools::needed("bash").is_none() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let container = Container::program("/bin/bash", &story, &["--norc", "--noprofile", "-i"]);
    let mut container = pty
        .given_to(container)
        .with(|command| {
            command.env("PS1", "ready> ").env("LASTOUT", tools::lastout()).env("HISTFILE", "");
        })
        .start();
    pty.wait_for("ready> ");
    pty.types("$LASTOUT $TELLER main default TSTP read take INT 0 exit 3\n");
    story.wait_for("main started");
    pty.types("\u{1a}");
    pty.wait_for("Stopped");
    // The shell has its terminal back.
    pty.types("echo a$((1+1))b\n");
    pty.wait_for("a2b");
    assert_eq!(story.count("main continued"), 0);
    pty.types("fg\n");
    pty.types("typed\n");
    story.wait_for("main read typed");
    story.wait_for("main continued");
    pty.types("\u{3}");
    story.wait_for("main asked INT");
    pty.types("echo code=$?.\n");
    pty.wait_for("code=3.");
    pty.types("exit 0\n");
    assert_eq!(container.wait(), 0);
}

#[test]
fn in_the_background_lastout_leaves_the_terminal_to_the_shell() {
    if !available() || tools::needed("bash").is_none() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let container = Container::program("/bin/bash", &story, &["--norc", "--noprofile", "-i"]);
    let mut container = pty
        .given_to(container)
        .with(|command| {
            command.env("PS1", "ready> ").env("LASTOUT", tools::lastout()).env("HISTFILE", "");
        })
        .start();
    pty.wait_for("ready> ");
    pty.types("$LASTOUT $TELLER main until go exit 0 &\n");
    story.wait_for("main started");
    pty.types("echo a$((1+1))b\n");
    pty.wait_for("a2b");
    story.release("go");
    pty.types("wait; echo c$((1+2))d; exit 0\n");
    pty.wait_for("c3d");
    assert_eq!(container.wait(), 0);
}

#[test]
fn a_script_around_lastout_has_its_terminal_back_afterwards() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let script = "$LASTOUT $TELLER main exit 0; read line; echo got $line.";
    let container = Container::program("/bin/sh", &story, &["-c", script]);
    let mut container = pty
        .given_to(container)
        .with(|command| {
            command.env("LASTOUT", tools::lastout());
        })
        .start();
    story.wait_for("main started");
    pty.types("words\n");
    pty.wait_for("got words.");
    assert_eq!(container.wait(), 0);
}

#[test]
fn a_resize_reaches_the_main_child() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let words = [teller(), "main", "catch", "1", "exit", "0"];
    let mut container = pty.given_to(Container::lastout(&story, &words)).start();
    story.wait_for("main started");
    pty.resize(33, 111);
    assert_eq!(container.wait(), 0);
    assert_eq!(story.count("main got WINCH"), 1, "{:?}", story.lines());
}

#[test]
fn a_hang_up_reaches_the_main_child() {
    if !available() {
        return;
    }
    for session in [false, true] {
        let story = Story::new();
        let pty = Pty::new();
        let mut words = vec!["--", teller(), "main", "take", "HUP", "100", "exit", "4"];
        if session {
            words.insert(0, "--session");
        }
        let mut container = pty.given_to(Container::lastout(&story, &words)).start();
        story.wait_for("main started");
        drop(pty);
        assert_eq!(container.wait(), 4);
        assert_eq!(story.count("main asked HUP"), 1, "{:?}", story.lines());
    }
}

/// K81: the foreground group would still be the dead main child's, and Ctrl-C go nowhere.
#[test]
fn ctrl_c_while_draining_reaches_whoever_is_left() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let worker = "worker take TERM 0 take INT 0 finish exit 0";
    let words = ["--drain-grace", "30s", teller(), "main", "spawn", "D", worker, "exit", "2"];
    let mut container = pty.given_to(Container::lastout(&story, &words)).start();
    story.wait_for("worker asked TERM");
    pty.types("\u{3}");
    assert_eq!(container.wait(), 2);
    assert_eq!(story.count("worker asked INT"), 1, "{:?}", story.lines());
}
