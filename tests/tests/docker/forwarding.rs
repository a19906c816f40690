//! Signals on their way from Docker to the main child, or to more than it.

use lastout_tests::container::until;
use lastout_tests::engine::Asked;
use lastout_tests::engine::docker::{Docker, KILL, Pid1, TERM};
use lastout_tests::story::Story;

use crate::{OTHERS, PATIENT};

/// P2. Numbers above 31 are real-time signals; Docker's RTMIN+3 is 37.
#[test]
fn each_signal_that_docker_sends_arrives_once_and_in_order() {
    const SENT: [(&str, &str); 11] = [
        ("HUP", "asked HUP"),
        ("INT", "asked INT"),
        ("USR1", "got USR1"),
        ("USR2", "got USR2"),
        ("WINCH", "got WINCH"),
        ("QUIT", "asked QUIT"),
        ("CONT", "continued"),
        ("34", "got 34"),
        ("64", "got 64"),
        ("RTMIN+3", "got 37"),
        ("TERM", "asked TERM"),
    ];
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let container = container.start("/teller main take TERM 300 exit 4");
    story.wait_for("main started");
    for (signal, told) in SENT {
        container.kill(signal);
        story.wait_for(&format!("main {told}"));
    }
    assert_eq!(container.wait(), 4);
    let told: Vec<_> = story.lines().into_iter().skip(1).collect();
    assert_eq!(told, SENT.map(|(_, told)| format!("main {told}")));
}

/// Without a terminal the client in the foreground passes on what it gets.
#[test]
fn a_signal_to_the_client_arrives_once() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let (_container, mut client) = container.run("/teller main take TERM 300 exit 4");
    story.wait_for("main started");
    client.signal(libc::SIGUSR1);
    story.wait_for("main got USR1");
    client.signal(libc::SIGTERM);
    assert_eq!(client.wait(), 4, "{}", client.stderr());
    assert_eq!(
        story.lines()[1..],
        ["main got USR1", "main asked TERM"],
        "nothing else, and nothing twice"
    );
}

#[test]
fn another_stop_signal_arrives_as_it_is_or_as_it_is_rewritten() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for (options, signal, told) in [
        ("", "37", "main got 37"),
        ("--env LASTOUT_REWRITE=RTMIN+3:TERM", "TERM", "main asked TERM"),
    ] {
        let story = Story::new();
        let container = docker
            .container(&story)
            .pid1(Pid1::Init)
            .with("--stop-signal SIGRTMIN+3")
            .with(options)
            .start(&format!("/teller main spawn D [d take TERM 0 finish] take {signal} 0 exit 0"));
        story.wait_for("main started");
        container.stop(PATIENT);
        assert_eq!(container.wait(), 0);
        assert_eq!(story.count(told), 1, "{:?}", story.lines());
        story.asked_once_and_finished(&["d"]);
        assert_eq!(container.signals(), ["37"]);
    }
}

/// P4: both halves, by tini first. The drain reaches whom the group's signal does not.
#[test]
fn a_signal_to_the_group_reaches_neither_sessions_nor_daemons_but_the_drain_does() {
    let Some(docker) = Docker::available() else {
        return;
    };
    // G has finished when the main child leaves; else it would be asked by the drain too.
    let command = format!("/teller main {OTHERS} take TERM 1500 exit 0");
    for (pid1, words) in [(Pid1::Tini, "-g --"), (Pid1::Entrypoint, "--forward group")] {
        let story = Story::new();
        let container = docker.container(&story).pid1(pid1);
        let container = container.start(&format!("{words} {command}"));
        story.wait_for("main started");
        container.stop(PATIENT);
        assert_eq!(container.wait(), 0);
        assert_eq!(story.count("main asked TERM"), 1);
        story.asked_once_and_finished(&["g"]);
        match pid1 {
            Pid1::Tini => story.unasked(&["s", "d"]),
            _ => story.asked_once_and_finished(&["s", "d"]),
        }
    }
}

/// P5.
#[test]
fn a_signal_to_all_reaches_everybody_while_the_main_child_is_still_there() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker
        .container(&story)
        .pid1(Pid1::Init)
        .with("--env LASTOUT_FORWARD=all")
        .start(&format!("/teller main {OTHERS} take TERM 0 until go exit 6"));
    story.wait_for("main started");
    let mut entered = container.exec(crate::ENTERED);
    story.wait_for("e started");
    container.kill("TERM");
    assert_eq!(entered.wait(), 3);
    for name in ["g", "s", "d"] {
        story.wait_for(&format!("{name} finished"));
    }
    assert_eq!(container.state("Status"), "running");
    story.release("go");
    assert_eq!(container.wait(), 6);
    assert_eq!(story.count("main asked TERM"), 1);
    story.asked_once_and_finished(&["g", "s", "d", "e"]);
}

/// P11. A teller that handles a signal tells of it: so it is known that the others were dropped.
#[test]
fn a_pid_1_without_a_handler_is_deaf_to_all_but_the_kill_and_stop_from_outside() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Command);
    let container = container.start("/teller main default TERM forever");
    story.wait_for("main started");
    container.kill("TERM");
    for signal in ["TERM", "KILL", "STOP"] {
        let mut kill = container.exec(&format!("/bin/busybox kill -{signal} 1"));
        assert_eq!(kill.wait(), 0, "{}", kill.stderr());
    }
    container.kill("USR1");
    story.wait_for("main got USR1");
    let main = || container.process(&story, "main");
    assert_eq!((main().inside, main().state), (1, 'S'));
    container.kill("STOP");
    until(|| main().state == 'T', || "PID 1 to be stopped from outside".into());
    container.kill("CONT");
    story.wait_for("main continued");
    container.kill("KILL");
    assert_eq!(container.wait(), 137);
    let signals = container.signals();
    assert_eq!(signals, [TERM, "10", "19", "18", KILL]);
}

/// P11, after: the same program behind lastout dies of the signal, from wherever it comes.
#[test]
fn behind_lastout_a_program_without_a_handler_dies_of_the_signal() {
    let Some(docker) = Docker::available() else {
        return;
    };
    for from_inside in [false, true] {
        let story = Story::new();
        let container = docker.container(&story).pid1(Pid1::Init);
        let container = container.start("/teller main default TERM forever");
        story.wait_for("main started");
        if from_inside {
            // Who sent it may itself be asked to end before it has.
            let mut kill = container.exec("/bin/busybox kill -TERM 1");
            assert_eq!(container.wait(), 143);
            assert!([0, 143].contains(&kill.wait()), "{}", kill.stderr());
        } else {
            container.kill("TERM");
            assert_eq!(container.wait(), 143);
        }
    }
}
