//! The whole life of a container on the real kernel: whoever is left is asked, once, and has
//! time to finish; then, and not later, lastout leaves with the main child's exit code.
//!
//! The others are G (in the main child's process group), S (in a session of its own), D (a
//! daemon, orphaned from the start) and E (entered from outside, as by `docker exec`).

use std::time::{Duration, Instant};

use lastout_tests::container::{Container, Running, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// Starts G, S and D, each needing that long to finish, before the main child goes on.
fn main_child<'s>(others: &'s [String; 3], then: &[&'s str]) -> Vec<&'s str> {
    let teller = tools::teller().to_str().expect("a readable path");
    let mut words = vec!["--", teller, "main"];
    for (how, script) in ["G", "S", "D"].into_iter().zip(others) {
        words.extend(["spawn", how, script]);
    }
    words.extend(then);
    words
}

fn others(ms: u32) -> [String; 3] {
    ["g", "s", "d"].map(|name| format!("{name} take TERM {ms} finish exit 0"))
}

fn enter(container: &Running, story: &Story, ms: u32) -> Running {
    let time = ms.to_string();
    let words = ["e", "take", "TERM", &time, "finish", "exit", "0"];
    let entered = container.enter(story, tools::teller(), &words);
    story.wait_for("e started");
    entered
}

/// G, S, D and E were asked exactly once each, and each finished.
fn all_were_asked_once_and_finished(story: &Story) {
    for name in ["g", "s", "d", "e"] {
        let told = story.lines().join("\n");
        assert_eq!(story.count(&format!("{name} asked TERM")), 1, "{name}:\n{told}");
        assert_eq!(story.count(&format!("{name} finished")), 1, "{name}:\n{told}");
    }
}

/// The others each need 400 ms once they are asked. `end` is what ends the main child after
/// `then` says what it does; the story's last `finished` and lastout's end must be close.
fn a_life(then: &[&str], end: impl FnOnce(&Running, &Story), code: i32) {
    if !available() {
        return;
    }
    let story = Story::new();
    let others = others(400);
    let mut container = Container::lastout(&story, &main_child(&others, then)).start();
    story.wait_for("main started");
    let mut entered = enter(&container, &story, 400);
    let start = Instant::now();
    end(&container, &story);
    // Whoever entered is not lastout's child: its parent reaps it.
    assert_eq!(entered.wait(), 0);
    assert_eq!(container.wait(), code, "{}", container.stderr());
    let whole = start.elapsed();
    all_were_asked_once_and_finished(&story);
    assert_eq!(container.stderr(), "", "silent when all goes well");
    // The slowest needs 1.4 s; drain grace and last call would be 5.25 s.
    assert!(whole < Duration::from_secs(4), "dead time: {whole:?}");
}

#[test]
fn a_main_child_that_dies_at_once_of_term_and_everybody_else_finishes() {
    a_life(&["default", "TERM", "forever"], |c, _| c.signal(libc::SIGTERM), 143);
}

#[test]
fn a_main_child_that_needs_a_second_is_waited_for_before_the_others_are_asked() {
    let then = ["take", "TERM", "1000", "finish", "exit", "5"];
    a_life(
        &then,
        |c, story| {
            c.signal(libc::SIGTERM);
            story.wait_for("main finished");
            let first = story.lines().iter().position(|l| l == "main finished");
            let asked = story.lines().iter().position(|l| l == "g asked TERM");
            assert!(asked.is_none() || asked > first, "{:?}", story.lines());
        },
        5,
    );
}

#[test]
fn a_main_child_that_leaves_by_itself() {
    a_life(&["until", "go", "exit", "7"], |_, story| story.release("go"), 7);
}

#[test]
fn a_main_child_that_is_killed() {
    let kill = |c: &Running, _: &Story| {
        let main = c.outside(2);
        // SAFETY: numbers only; lastout reaps it after this.
        assert_eq!(unsafe { libc::kill(main, libc::SIGKILL) }, 0);
    };
    a_life(&["forever"], kill, 137);
}

#[test]
fn without_a_drain_grace_the_others_are_killed_unasked_as_by_other_inits() {
    let Some(tini) = tools::needed("tini-static") else {
        return;
    };
    if !available() {
        return;
    }
    for lastout in [false, true] {
        let story = Story::new();
        let others = others(100);
        let words = main_child(&others, &["default", "TERM", "forever"]);
        let mut container = if lastout {
            Container::lastout(&story, &[&["--drain-grace", "0"], &words[..]].concat()).start()
        } else {
            Container::program(&tini, &story, &words).start()
        };
        story.wait_for("main started");
        container.signal(libc::SIGTERM);
        assert_eq!(container.wait(), 143);
        for name in ["g", "s", "d"] {
            assert_eq!(story.count(&format!("{name} asked TERM")), 0, "{:?}", story.lines());
        }
    }
}

#[test]
fn the_end_of_the_last_one_who_entered_is_noticed_within_100_ms() {
    if !available() {
        return;
    }
    let story = Story::new();
    let teller = tools::teller().to_str().expect("a readable path");
    let words = [teller, "main", "until", "go", "exit", "0"];
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main started");
    let mut entered = enter(&container, &story, 700);
    story.release("go");
    entered.wait();
    let end = Instant::now();
    container.wait();
    // 100 ms is what is promised; the rest is this machine's, which runs other tests too.
    let noticed = end.elapsed();
    assert!(noticed < Duration::from_millis(300), "{noticed:?}");
    assert_eq!(story.count("e finished"), 1);
}

#[test]
fn a_stubborn_process_is_asked_twice_then_killed_and_named() {
    if !available() {
        return;
    }
    for (disposition, words) in [("ignore", "which it ignores"), ("handle", "which it handles")] {
        let story = Story::new();
        let stubborn = format!("stubborn {disposition} TERM forever");
        let teller = tools::teller().to_str().expect("a readable path");
        let arguments = [
            "--drain-grace",
            "300ms",
            "--last-call",
            "100ms",
            teller,
            "main",
            "spawn",
            "D",
            &stubborn,
            "exit",
            "3",
        ];
        let mut container = Container::lastout(&story, &arguments).start();
        assert_eq!(container.wait(), 3);
        let told = container.stderr();
        assert!(told.contains("the drain grace of 0.3s is over"), "{told}");
        let line = told.lines().find(|l| l.contains("killing")).expect("it is named");
        let pid = story.wait_for("stubborn started");
        let pid = Story::value(&pid, "pid");
        assert!(line.contains(&format!("killing {pid} (teller): still here 0.")), "{line}");
        assert!(line.contains(&format!("after SIGTERM, {words}")), "{line}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }
}

#[test]
fn whoever_blocks_the_signal_and_takes_it_without_ending_is_asked_exactly_twice() {
    if !available() {
        return;
    }
    let story = Story::new();
    let teller = tools::teller().to_str().expect("a readable path");
    let arguments = [
        "--drain-grace",
        "300ms",
        "--last-call",
        "300ms",
        teller,
        "main",
        "spawn",
        "S",
        "deaf forever",
        "exit",
        "3",
    ];
    let mut container = Container::lastout(&story, &arguments).start();
    assert_eq!(container.wait(), 3);
    assert_eq!(story.count("deaf asked TERM"), 2, "{:?}", story.lines());
}

#[test]
fn a_stopped_process_is_continued_and_finishes() {
    if !available() {
        return;
    }
    let story = Story::new();
    let teller = tools::teller().to_str().expect("a readable path");
    let sleeper = "sleeper stop STOP take TERM 0 finish exit 0";
    let arguments = [teller, "main", "spawn", "S", sleeper, "until", "go", "exit", "4"];
    let mut container = Container::lastout(&story, &arguments).start();
    story.wait_for("main started");
    until(|| container.processes().iter().any(|p| p.2 == 'T'), || "a stopped process".into());
    story.release("go");
    assert_eq!(container.wait(), 4);
    assert_eq!(story.count("sleeper resumed"), 1, "{:?}", story.lines());
    assert_eq!(story.count("sleeper finished"), 1);
    assert_eq!(container.stderr(), "");
}

#[test]
fn a_process_born_after_the_asking_is_asked_by_the_last_call() {
    if !available() {
        return;
    }
    let story = Story::new();
    let teller = tools::teller().to_str().expect("a readable path");
    let parent = "parent take TERM 50 spawn D late|take|TERM|50|finish|exit|0 finish exit 0";
    let arguments = [
        "--drain-grace",
        "1s",
        "--last-call",
        "10s",
        teller,
        "main",
        "spawn",
        "S",
        parent,
        "exit",
        "0",
    ];
    let mut container = Container::lastout(&story, &arguments).start();
    assert_eq!(container.wait(), 0);
    assert_eq!(story.count("parent finished"), 1, "{:?}", story.lines());
    assert_eq!(story.count("late asked TERM"), 1, "{:?}", story.lines());
    assert_eq!(story.count("late finished"), 1);
    let told = container.stderr();
    assert!(!told.contains("killing"), "{told}");
}

#[test]
fn with_a_stop_timeout_all_is_over_in_time_though_the_main_child_hangs() {
    if !available() {
        return;
    }
    let story = Story::new();
    let others = others(300);
    let mut words = vec!["--stop-timeout", "4s"];
    words.extend(main_child(&others, &["ignore", "TERM", "forever"]));
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main started");
    let start = Instant::now();
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 137);
    let whole = start.elapsed();
    for name in ["g", "s", "d"] {
        assert_eq!(story.count(&format!("{name} finished")), 1, "{:?}", story.lines());
    }
    assert!(whole < Duration::from_secs(4), "{whole:?}");
    let told = container.stderr();
    assert!(told.contains("2 (teller) did not end within the stop grace of 2.5s"), "{told}");
    assert!(told.contains("killing 2 (teller)"), "{told}");
}

#[test]
fn a_further_stop_signal_while_draining_goes_to_everybody_and_another_one_to_nobody() {
    if !available() {
        return;
    }
    let story = Story::new();
    let teller = tools::teller().to_str().expect("a readable path");
    let worker = "worker take TERM 0 take INT 0 finish exit 0";
    let arguments = [teller, "main", "spawn", "D", worker, "exit", "0"];
    let mut container = Container::lastout(&story, &arguments).start();
    story.wait_for("worker asked TERM");
    container.signal(libc::SIGUSR1);
    container.signal(libc::SIGINT);
    assert_eq!(container.wait(), 0);
    assert_eq!(story.count("worker asked INT"), 1);
    assert_eq!(story.count("worker got USR1"), 0, "{:?}", story.lines());
}

#[test]
fn exit_codes_are_the_main_childs_or_128_and_the_signal() {
    if !available() {
        return;
    }
    let teller = tools::teller().to_str().expect("a readable path");
    for (how, what, code) in [
        ("exit", "0", 0),
        ("exit", "3", 3),
        ("exit", "143", 143),
        ("exit", "255", 255),
        ("die", "TERM", 143),
        ("die", "KILL", 137),
        ("die", "SEGV", 139),
        ("die", "34", 162),
        ("die", "64", 192),
    ] {
        let story = Story::new();
        let mut container = Container::lastout(&story, &[teller, "main", how, what]).start();
        assert_eq!(container.wait(), code, "{how} {what}");
        assert_eq!(container.killed_by(), None, "lastout itself exits");
    }
    let story = Story::new();
    let arguments = ["--remap-exit", "143:0", teller, "main", "die", "TERM"];
    assert_eq!(Container::lastout(&story, &arguments).start().wait(), 0);
}

#[test]
fn each_step_is_told_with_v_and_replays() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = Container::lastout(&story, &["-v", "sh", "-c", "exit 9"]).start();
    assert_eq!(container.wait(), 9);
    let mut record = String::new();
    for line in container.stderr().lines() {
        record.push_str(line.strip_prefix("lastout: ").expect("our own line"));
        record.push('\n');
    }
    assert_eq!(lastout_core::replay::check(&record), Ok(Some(9)), "{record}");
}
