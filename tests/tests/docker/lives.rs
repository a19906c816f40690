//! Whole lives: whoever is left when the main child has ended is asked, once, and has time to
//! finish; then, and not later, the container ends with the main child's exit code.

use std::time::Instant;

use lastout_tests::engine::Asked;
use lastout_tests::engine::docker::{Docker, KILL, Pid1, Started, TERM};
use lastout_tests::story::Story;

use crate::{AT_ONCE, ENTERED, OTHERS, PATIENT};

/// `then` is what the main child does once G, S and D are there, `end` what ends it, `signals`
/// what Docker sent for that.
fn a_life(
    pid1: Pid1,
    options: &str,
    then: &str,
    end: impl FnOnce(&Started, &Story),
    code: i32,
    signals: &[&str],
) {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker
        .container(&story)
        .pid1(pid1)
        .with(options)
        .start(&format!("/teller main {OTHERS} {then}"));
    let main = story.wait_for("main started");
    assert_eq!(Story::value(&main, "ppid"), "1");
    let mut entered = container.exec(ENTERED);
    let e = story.wait_for("e started");
    assert_eq!(Story::value(&e, "ppid"), "0", "its parent is outside");
    let start = Instant::now();
    end(&container, &story);
    assert_eq!(container.wait(), code, "{}", container.stderr());
    let whole = start.elapsed();
    // Its client is told the exit code, which a process that was killed does not have.
    assert_eq!(entered.wait(), 3);
    story.asked_once_and_finished(&["g", "s", "d", "e"]);
    assert_eq!(container.stderr(), "", "silent when all goes well");
    assert_eq!(container.signals(), signals);
    assert!(whole < AT_ONCE, "dead time: {whole:?}");
}

fn stop(container: &Started, _: &Story) {
    container.stop(PATIENT);
}

#[test]
fn a_main_child_that_dies_at_once_of_the_stop_and_everybody_else_finishes() {
    let then = "default TERM forever";
    a_life(Pid1::Entrypoint, "", then, stop, 143, &[TERM]);
}

#[test]
fn a_main_child_that_needs_a_second_is_waited_for_before_the_others_are_asked() {
    let end = |container: &Started, story: &Story| {
        container.stop(PATIENT);
        let lines = story.lines();
        let at = |line: &str| lines.iter().position(|l| l == line);
        let finished = at("main finished").expect("it finished");
        for other in ["g", "s", "d", "e"] {
            assert!(at(&format!("{other} asked TERM")) > Some(finished), "{lines:?}");
        }
    };
    let then = "take TERM 1000 finish exit 5";
    a_life(Pid1::Init, "", then, end, 5, &[TERM]);
}

#[test]
fn a_main_child_that_leaves_by_itself_and_everybody_else_is_asked() {
    let end = |_: &Started, story: &Story| story.release("go");
    a_life(Pid1::Init, "", "until go exit 7", end, 7, &[]);
}

#[test]
fn a_main_child_that_is_killed_and_everybody_else_is_asked() {
    let end = |container: &Started, story: &Story| {
        let main = container.process(story, "main").outside;
        // SAFETY: numbers only; it lives until this.
        assert_eq!(unsafe { libc::kill(main, libc::SIGKILL) }, 0);
    };
    a_life(Pid1::Entrypoint, "", "forever", end, 137, &[]);
}

#[test]
fn a_whole_life_under_the_runtime_crun() {
    let then = "take TERM 100 finish exit 9";
    a_life(Pid1::Init, "--runtime crun", then, stop, 9, &[TERM]);
}

/// P1, before: an init that merely exits takes everybody along.
#[test]
fn when_a_bare_init_leaves_the_other_process_is_killed_unasked() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for pid1 in [Pid1::Command, Pid1::Entrypoint] {
        let story = Story::new();
        let container = docker
            .container(&story)
            .pid1(pid1)
            .start("/teller init spawn S [s take TERM 100 finish exit 0] take TERM 0 exit 0");
        story.wait_for("init started");
        container.stop(PATIENT);
        assert_eq!(container.wait(), 0);
        assert_eq!(story.count("init asked TERM"), 1);
        if pid1 == Pid1::Command {
            story.unasked(&["s"]);
        } else {
            story.asked_once_and_finished(&["s"]);
        }
        assert_eq!(container.signals(), [TERM]);
    }
}

/// P3, before: under tini, and under lastout told to do as others do, nobody is asked but the
/// main child. That lastout is told by a variable: `--init` has no place for options.
#[test]
fn without_a_drain_grandchildren_daemons_and_who_entered_are_killed_unasked() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for (pid1, options) in [(Pid1::Tini, ""), (Pid1::Init, "--env LASTOUT_DRAIN_GRACE=0")] {
        let story = Story::new();
        let command = format!("/teller main {OTHERS} take TERM 0 exit 6");
        let container = docker.container(&story).pid1(pid1).with(options);
        let container = container.start(&command);
        story.wait_for("main started");
        let mut entered = container.exec(ENTERED);
        story.wait_for("e started");
        container.stop(PATIENT);
        assert_eq!(container.wait(), 6);
        assert_eq!(entered.wait(), 137, "its client is told of the SIGKILL");
        assert_eq!(story.count("main asked TERM"), 1);
        story.unasked(&["g", "s", "d", "e"]);
    }
}

/// P12, before: Docker waits in vain for the main child, and nobody else was ever asked.
#[test]
fn when_dockers_time_is_over_nobody_was_asked_by_other_inits() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let command = format!("/teller main {OTHERS} forever");
    let container = docker.container(&story).pid1(Pid1::Tini).start(&command);
    story.wait_for("main started");
    container.stop(1);
    assert_eq!(container.wait(), 137);
    assert_eq!(container.signals(), [TERM, KILL]);
    assert_eq!(story.count("main asked TERM"), 1);
    story.unasked(&["g", "s", "d"]);
}

/// P12, after. L4, S10.
#[test]
fn told_of_dockers_time_lastout_has_asked_everybody_and_is_gone_before_it_is_over() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker
        .container(&story)
        .start(&format!("--stop-timeout 10s /teller main {OTHERS} forever"));
    story.wait_for("main started");
    let mut entered = container.exec(ENTERED);
    story.wait_for("e started");
    let time = container.stop(10);
    assert_eq!(container.wait(), 137, "the main child had to be killed");
    assert_eq!(container.signals(), [TERM], "but not by Docker");
    assert!(time.as_secs() < 10, "{time:?}");
    assert_eq!(entered.wait(), 3);
    story.asked_once_and_finished(&["g", "s", "d", "e"]);
    // By the stop, the drain and the last call.
    assert_eq!(story.count("main asked TERM"), 3, "{:?}", story.lines());
    let words = container.stderr();
    let killed: Vec<_> = words.lines().filter(|l| l.contains("killing")).collect();
    assert!(
        matches!(killed[..], [line] if line.contains("(teller)") && line.contains("SIGTERM")),
        "who had to be killed is told, and nobody else:\n{words}"
    );
}
