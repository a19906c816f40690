//! Containers with less in them than usual, and PID namespaces that are not lastout's own.

use lastout_tests::engine::Asked;
use lastout_tests::engine::docker::{Container, Docker, Pid1, TERM};
use lastout_tests::engine::status;
use lastout_tests::story::Story;

use crate::{ENTERED, OTHERS, PATIENT};

/// Everybody is asked there as anywhere, and there is nothing to complain of.
fn a_life_in(prepare: impl for<'s> FnOnce(Docker, &'s Story) -> Container<'s>) {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = prepare(docker, &story);
    let container = container.start(&format!("/teller main {OTHERS} take TERM 0 exit 4"));
    story.wait_for("main started");
    let mut entered = container.exec(ENTERED);
    story.wait_for("e started");
    container.stop(PATIENT);
    assert_eq!(container.wait(), 4);
    assert_eq!(entered.wait(), 3);
    story.asked_once_and_finished(&["g", "s", "d", "e"]);
    assert_eq!(container.stderr(), "");
    assert_eq!(container.signals(), [TERM]);
}

#[test]
fn nothing_is_needed_but_two_static_files() {
    a_life_in(|docker, story| docker.container(story).from_two_files());
}

#[test]
fn an_ordinary_user_may_be_pid_1() {
    a_life_in(|docker, story| docker.container(story).with("--user 1000"));
}

#[test]
fn no_capability_is_needed() {
    a_life_in(|docker, story| docker.container(story).with("--cap-drop ALL"));
}

#[test]
fn nothing_is_written() {
    a_life_in(|docker, story| docker.container(story).with("--read-only"));
}

#[test]
fn all_of_this_at_once_under_the_engines_own_init() {
    let options = "--user 1000:1000 --cap-drop ALL --read-only \
                   --security-opt no-new-privileges --ipc host --uts host";
    a_life_in(|docker, story| {
        let container = docker.container(story).from_two_files();
        container.pid1(Pid1::Init).with(options)
    });
}

/// With `--pid=host` Docker leaves its init out without a word; as the entry point lastout is
/// there, one process of the machine among others. S9.
#[test]
fn in_the_machines_own_pid_namespace_its_descendants_are_asked_and_nobody_else() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).with("--pid host");
    let container = container.start(&format!("/teller main {OTHERS} take TERM 0 exit 4"));
    let main = story.wait_for("main started");
    let lastout = container.pid().to_string();
    assert_eq!(Story::value(&main, "ppid"), lastout, "pids are the machine's");
    let orphan = story.wait_for("d started");
    assert_eq!(Story::value(&orphan, "ppid"), lastout, "adopted");
    let _entered = container.exec("/teller e forever");
    let e = story.wait_for("e started");
    container.stop(PATIENT);
    assert_eq!(container.wait(), 4);
    story.asked_once_and_finished(&["g", "s", "d"]);
    assert_eq!(container.stderr(), "");
    // Not a descendant: left to Docker, who takes it along with the container.
    assert_eq!(story.count("e asked"), 0, "{e}");
}

/// As in a pod whose containers share their PID namespace: lastout is not PID 1, its parent is
/// outside, and a neighbour's processes are not its own.
#[test]
fn in_a_neighbours_pid_namespace_its_descendants_are_asked_and_the_neighbour_is_not() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (theirs, ours) = (Story::new(), Story::new());
    let neighbour = docker.container(&theirs);
    let neighbour =
        neighbour.start("/teller main spawn D [d take TERM 0 finish] take TERM 0 exit 5");
    theirs.wait_for("main started");
    let options = format!("--pid container:{}", neighbour.name());
    let container = docker.container(&ours).with(&options);
    let container = container.start(&format!("/teller main {OTHERS} take TERM 0 exit 4"));
    ours.wait_for("main started");
    assert_eq!(status(container.pid(), "NSpid:").expect("it runs").split('\t').count(), 2);
    container.stop(PATIENT);
    assert_eq!(container.wait(), 4);
    ours.asked_once_and_finished(&["g", "s", "d"]);
    assert_eq!(theirs.count("main asked") + theirs.count("d asked"), 0);
    assert_eq!(neighbour.state("Status"), "running");
    neighbour.stop(PATIENT);
    assert_eq!(neighbour.wait(), 5);
    theirs.asked_once_and_finished(&["d"]);
}
