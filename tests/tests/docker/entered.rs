//! Whom `docker exec` brings in: its parent is outside, so nobody inside can wait for it.

use std::time::{Duration, Instant};

use lastout_tests::container::until;
use lastout_tests::engine::Asked;
use lastout_tests::engine::docker::{Docker, Pid1};
use lastout_tests::story::Story;

use crate::PATIENT;

#[test]
fn who_entered_and_outlives_the_main_child_is_waited_for_and_its_end_is_noticed_at_once() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker
        .container(&story)
        .pid1(Pid1::Init)
        // More than anybody here waits for.
        .with("--env LASTOUT_DRAIN_GRACE=2m")
        .start("/teller main until leave exit 8");
    story.wait_for("main started");
    let mut entered = container.exec("/teller e take TERM 0 until go finish exit 3");
    story.wait_for("e started");
    story.release("leave");
    story.wait_for("e asked TERM");
    // It is alone with lastout now, and stays so as long as it likes.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(container.state("Status"), "running");
    let start = Instant::now();
    story.release("go");
    assert_eq!(container.wait(), 8);
    let time = start.elapsed();
    assert!(time < Duration::from_secs(2), "not noticed at once: {time:?}");
    assert_eq!(entered.wait(), 3);
    story.asked_once_and_finished(&["e"]);
    assert_eq!(container.stderr(), "");
}

#[test]
fn what_a_shell_that_entered_leaves_behind_is_adopted_and_asked() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).start("/teller main take TERM 0 exit 0");
    story.wait_for("main started");
    let mut shell = container
        .exec("/bin/sh -c [/teller left take TERM 300 finish & /teller quick exit 0 & wait $!]");
    assert_eq!(shell.wait(), 0, "{}", shell.stderr());
    story.wait_for("left started");
    let left = container.process(&story, "left").outside;
    let parent = || lastout_tests::engine::status(left, "PPid:");
    assert_eq!(parent(), Some(container.pid().to_string()), "adopted");
    container.stop(PATIENT);
    assert_eq!(container.wait(), 0);
    story.asked_once_and_finished(&["left"]);
}

/// As a health check does, all the container's life long.
#[test]
fn those_who_come_and_go_leave_no_zombies() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).start("/teller main take TERM 0 exit 0");
    story.wait_for("main started");
    for _ in 0..3 {
        // Each leaves an orphan behind that ends by itself.
        let mut check = container.exec("/bin/sh -c [/bin/sleep 0.05 & exit 0]");
        assert_eq!(check.wait(), 0, "{}", check.stderr());
    }
    until(
        || container.processes().len() == 2,
        || format!("lastout and the main child alone: {:?}", container.processes()),
    );
    container.stop(PATIENT);
    assert_eq!(container.wait(), 0);
}
