//! Signals on their way through lastout: each once, in order, with its value, to whom they are
//! meant for.

use lastout_tests::container::{Container, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// All but KILL, STOP and CHLD, and but CONT and the terminal's stops, which cancel each other
/// while they are pending (K25) and so are sent one at a time.
fn can_pend_together() -> impl Iterator<Item = i32> {
    (1..=64).filter(|n| ![9, 17, 18, 19, 20, 21, 22].contains(n))
}

#[test]
fn every_signal_that_can_be_taken_arrives_exactly_once() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container =
        Container::lastout(&story, &[teller(), "main", "catch", "61", "exit", "0"]).start();
    story.wait_for("main started");
    for number in can_pend_together() {
        container.signal(number);
    }
    story.wait_for_count("main", 1 + can_pend_together().count());
    for number in [18, 20, 21, 22] {
        let before = story.count("main");
        container.signal(number);
        story.wait_for_count("main", before + 1);
    }
    assert_eq!(container.wait(), 0);
    let lines = story.lines();
    // One line each: the first is "started", CONT is told as "continued".
    assert_eq!(lines.len(), 1 + 61, "{lines:?}");
    let mut unique = lines.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), lines.len(), "{lines:?}");
}

#[test]
fn queued_real_time_signals_keep_their_number_their_order_and_their_values() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container =
        Container::lastout(&story, &[teller(), "main", "catch", "60", "exit", "0"]).start();
    story.wait_for("main started");
    let values = [0, 1, 42, usize::MAX / 2, usize::MAX];
    for round in 0..4 {
        for number in [34, 40, 64] {
            for value in values {
                container.queue(number, value.wrapping_sub(round));
            }
        }
    }
    assert_eq!(container.wait(), 0);
    for number in [34, 40, 64] {
        let got = story.matching(&format!("main got {number}"));
        let expected: Vec<String> = (0..4)
            .flat_map(|round| values.map(|v: usize| v.wrapping_sub(round)))
            .map(|value| format!("main got {number} value={value}"))
            .collect();
        assert_eq!(got, expected);
    }
}

#[test]
fn chld_is_never_sent_on() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container =
        Container::lastout(&story, &["-v", teller(), "main", "catch", "1", "exit", "0"]).start();
    story.wait_for("main started");
    container.signal(libc::SIGCHLD);
    container.wait_for_stderr("signal CHLD");
    container.signal(libc::SIGUSR1);
    assert_eq!(container.wait(), 0);
    assert!(!container.stderr().contains("CHLD;"), "{}", container.stderr());
}

#[test]
fn signals_are_rewritten_and_dropped() {
    if !available() {
        return;
    }
    let story = Story::new();
    let arguments = [
        "--rewrite",
        "TERM:QUIT,HUP:0",
        "--rewrite",
        "USR1:RTMIN+3",
        teller(),
        "main",
        "catch",
        "3",
        "exit",
        "0",
    ];
    let mut container = Container::lastout(&story, &arguments).start();
    story.wait_for("main started");
    for number in [libc::SIGHUP, libc::SIGUSR1, libc::SIGTERM, libc::SIGINT] {
        let before = story.count("main");
        container.signal(number);
        if number != libc::SIGHUP {
            story.wait_for_count("main", before + 1);
        }
    }
    assert_eq!(container.wait(), 0);
    assert_eq!(story.lines()[1..], ["main got 37", "main asked QUIT", "main asked INT"]);
}

#[test]
fn signals_go_to_the_main_child_its_group_or_everybody() {
    if !available() {
        return;
    }
    for (forward, who) in
        [("main", &["main"][..]), ("group", &["main", "g"]), ("all", &["main", "g", "s", "d"])]
    {
        let story = Story::new();
        let others = ["g", "s", "d"].map(|n| format!("{n} catch 1 forever"));
        let arguments = [
            "--forward",
            forward,
            "--drain-grace",
            "0",
            teller(),
            "main",
            "spawn",
            "G",
            &others[0],
            "spawn",
            "S",
            &others[1],
            "spawn",
            "D",
            &others[2],
            "until",
            "go",
            "exit",
            "0",
        ];
        let mut container = Container::lastout(&story, &arguments).start();
        story.wait_for("main started");
        container.signal(libc::SIGUSR2);
        for name in who {
            story.wait_for(&format!("{name} got USR2"));
        }
        story.release("go");
        assert_eq!(container.wait(), 0);
        for name in ["main", "g", "s", "d"] {
            let times = usize::from(who.contains(&name));
            let told = story.lines();
            assert_eq!(story.count(&format!("{name} got USR2")), times, "{forward}: {told:?}");
        }
    }
}

#[test]
fn a_stopped_main_child_can_answer_a_stop_signal() {
    if !available() {
        return;
    }
    let story = Story::new();
    let arguments = ["-v", teller(), "main", "stop", "STOP", "take", "TERM", "0", "exit", "6"];
    let mut container = Container::lastout(&story, &arguments).start();
    container.wait_for_stderr("stopped 2 STOP");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 6);
    assert_eq!(story.count("main asked TERM"), 1, "{:?}", story.lines());
}

#[test]
fn other_signals_are_stop_signals_if_the_operator_says_so() {
    if !available() {
        return;
    }
    let story = Story::new();
    let arguments = [
        "--stop-signal",
        "RTMIN+3",
        "--stop-grace",
        "100ms",
        "--drain-grace",
        "100ms",
        teller(),
        "main",
        "forever",
    ];
    let mut container = Container::lastout(&story, &arguments).start();
    story.wait_for("main started");
    container.signal(libc::SIGTERM);
    story.wait_for("main asked TERM");
    container.signal(37);
    assert_eq!(container.wait(), 137);
    let told = container.stderr();
    assert!(told.contains("did not end within the stop grace of 0.1s"), "{told}");
}

/// K9: what comes before the mask is lost to anyone; nothing is that comes after it.
#[test]
fn no_stop_signal_is_lost_once_the_mask_is_in_place() {
    if !available() {
        return;
    }
    let story = Story::new();
    for round in 0..100_u32 {
        let mut container = Container::lastout(&story, &["sleep", "600"]).start();
        let proc = format!("/proc/{}", container.pid());
        // While it waits the mask does not show (K62), but that it waits does.
        until(
            || {
                let status = std::fs::read_to_string(format!("{proc}/status")).expect("its status");
                let blocks = status.contains("SigBlk:\tfffffffffffbfeff");
                let waiting = std::fs::read_to_string(format!("{proc}/wchan"));
                blocks || waiting.is_ok_and(|w| w.contains("sigtimedwait"))
            },
            || "the mask".into(),
        );
        for _ in 0..round * 50 {
            std::hint::spin_loop();
        }
        container.signal(libc::SIGTERM);
        assert_eq!(container.wait(), 143, "round {round}");
    }
}
