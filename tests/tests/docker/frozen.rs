//! Containers that Docker pauses: their processes do not run, and time goes on (K97).

use std::thread::sleep;
use std::time::Duration;

use lastout_tests::engine::Asked;
use lastout_tests::engine::docker::{Docker, Pid1, TERM};
use lastout_tests::story::Story;

use crate::{AT_ONCE, OTHERS, PATIENT};

#[test]
fn a_container_lives_on_after_a_pause() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let container = container.start(&format!("/teller main {OTHERS} take TERM 0 exit 4"));
    story.wait_for("main started");
    container.pause();
    assert_eq!(container.state("Status"), "paused");
    container.unpause();
    container.kill("USR1");
    story.wait_for("main got USR1");
    container.stop(PATIENT);
    assert_eq!(container.wait(), 4);
    story.asked_once_and_finished(&["g", "s", "d"]);
    assert_eq!(container.stderr(), "");
}

#[test]
fn a_stop_while_paused_is_taken_at_the_thaw_and_everybody_is_asked() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let container = container.start(&format!("/teller main {OTHERS} take TERM 0 exit 4"));
    story.wait_for("main started");
    container.pause();
    let time = container.stop(PATIENT);
    assert_eq!(container.wait(), 4);
    assert!(time < AT_ONCE, "{time:?}");
    assert_eq!(container.signals(), [TERM]);
    assert_eq!(story.count("main asked TERM"), 1);
    story.asked_once_and_finished(&["g", "s", "d"]);
    assert_eq!(container.stderr(), "");
}

/// S11. D was asked just before the pause, and needs time after it. The grace is long over by
/// the clock, and the last call is too short to help.
#[test]
fn the_time_in_which_nobody_could_run_does_not_count_as_grace() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).start(
        "--drain-grace 3s --last-call 1ms /teller main \
             spawn D [d take TERM 0 until go finish exit 0] take TERM 0 exit 4",
    );
    story.wait_for("main started");
    container.kill("TERM");
    story.wait_for("d asked TERM");
    container.pause();
    // As long as the grace, and some of it was used before.
    sleep(Duration::from_secs(3));
    container.unpause();
    sleep(Duration::from_millis(500));
    story.release("go");
    assert_eq!(container.wait(), 4);
    story.asked_once_and_finished(&["d"]);
    assert_eq!(container.stderr(), "", "nobody was killed");
}
