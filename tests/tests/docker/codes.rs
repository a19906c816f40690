//! The container's exit code (P18).

use std::panic::{AssertUnwindSafe, catch_unwind};

use lastout_tests::engine::docker::{Container, Docker, Pid1};
use lastout_tests::story::Story;

/// Runs that to its end: the code that `docker run` exits with, what was said on stderr.
fn run(docker: Docker, pid1: Pid1, options: &str, command: &str) -> (i32, String) {
    run_as(docker, command, |container| container.pid1(pid1).with(options))
}

/// The same of one that is bad usage, so that nobody lives and nothing is recorded.
fn refused(docker: Docker, pid1: Pid1, options: &str, command: &str) -> (i32, String) {
    run_as(docker, command, |c| c.pid1(pid1).with(options).unrecorded("no life"))
}

fn run_as(
    docker: Docker,
    command: &str,
    change: impl for<'s> FnOnce(Container<'s>) -> Container<'s>,
) -> (i32, String) {
    let story = Story::new();
    let (started, mut client) = change(docker.container(&story)).run(command);
    let code = client.wait();
    assert_eq!(started.state("ExitCode"), code.to_string());
    (code, client.stderr())
}

#[test]
fn the_exit_code_is_the_main_childs() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for (end, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        // Its own number, and the one that is put together from a signal's.
        ("exit 143", 143),
        ("die TERM", 143),
        ("die KILL", 137),
        ("die SEGV", 139),
        ("die 34", 162),
        ("die 64", 192),
    ] {
        let command = format!("/teller main {end}");
        let (got, words) = run(docker, Pid1::Init, "", &command);
        assert_eq!((got, words.as_str()), (code, ""), "{end}");
    }
}

#[test]
fn it_can_be_remapped() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let options = "--env LASTOUT_REMAP_EXIT=143:0";
    assert_eq!(run(docker, Pid1::Init, options, "/teller main die TERM").0, 0);
}

/// 127 and 126 as a shell has them, 125 for lastout's own. Docker too uses these three.
#[test]
fn a_command_that_cannot_be_run_is_told_apart_from_one_that_fails() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for (command, code, why) in [
        ("nowhere", 127, "cannot run nowhere: not found in PATH (/bin)"),
        ("/no/where", 127, "cannot run /no/where: there is no such file"),
        ("/story", 126, "cannot run /story: permission denied"),
        ("--no-such-option true", 125, "\"--no-such-option\" is no option"),
        ("--drain-grace soon true", 125, "--drain-grace: \"soon\""),
    ] {
        let run = if code == 125 { refused } else { run };
        let (got, words) = run(docker, Pid1::Entrypoint, "", command);
        assert_eq!(got, code, "{words}");
        assert!(words.starts_with(&format!("lastout: {why}")), "{words}");
    }
}

/// Docker gives the message, as the options stand where nobody reads them but lastout.
#[test]
fn a_wrong_variable_is_named_and_nothing_is_started() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let options = "--env LASTOUT_DRAIN_GRACE=soon";
    let (code, words) = refused(docker, Pid1::Init, options, "/teller main exit 0");
    assert_eq!(code, 125);
    assert!(words.starts_with("lastout: LASTOUT_DRAIN_GRACE: \"soon\""), "{words}");
}

/// Of the harness: only who is killed by Docker may have a record without an end.
#[test]
fn a_lastout_that_dies_fails_its_test() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).start("/teller main forever");
    story.wait_for("main started");
    // SAFETY: numbers only; it lives until this.
    assert_eq!(unsafe { libc::kill(container.pid(), libc::SIGKILL) }, 0);
    assert_eq!(container.wait(), 137);
    let refused = catch_unwind(AssertUnwindSafe(|| drop(container))).expect_err("not refused");
    let why = refused.downcast::<String>().expect("why");
    assert!(why.contains("is not true: it left with 137, not None"), "{why}");
}
