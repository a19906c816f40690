//! lastout when it is not PID 1: below a supervisor or in a shared PID namespace it does the
//! same for its own descendants, and nobody else notices anything.

use std::time::Duration;

use lastout_core::Signal;
use lastout_tests::calls::{Given, compare};
use lastout_tests::container::{Container, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

#[test]
fn every_descendant_is_asked_once_and_finishes_and_a_bystander_is_left_alone() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [
        "--",
        teller(),
        "main",
        "spawn",
        "G",
        "g take TERM 300 finish exit 0",
        "spawn",
        "S",
        "s spawn D deep|take|TERM|300|finish|exit|0 take TERM 300 finish exit 0",
        "spawn",
        "D",
        "d take TERM 300 finish exit 0",
        "until",
        "go",
        "exit",
        "7",
    ];
    let mut container = Container::below_pid1(&story, &words).start();
    story.wait_for("bystander started");
    story.wait_for("main started");
    story.release("go");
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    for name in ["g", "s", "d", "deep"] {
        assert_eq!(story.count(&format!("{name} asked TERM")), 1, "{:?}", story.lines());
        assert_eq!(story.count(&format!("{name} finished")), 1, "{:?}", story.lines());
    }
    assert_eq!(story.count("bystander asked TERM"), 0, "{:?}", story.lines());
    assert_eq!(story.count("bystander continued"), 0, "{:?}", story.lines());
    assert_eq!(container.stderr(), "");
}

#[test]
fn a_stubborn_descendant_is_killed_and_named_and_the_bystander_lives() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [
        "--drain-grace",
        "200ms",
        "--last-call",
        "100ms",
        teller(),
        "main",
        "spawn",
        "D",
        "deaf ignore TERM forever",
        "spawn",
        "D",
        "stopped stop STOP forever",
        "until",
        "go",
        "exit",
        "3",
    ];
    let mut container = Container::below_pid1(&story, &words).start();
    let stopped = || container.processes().iter().any(|p| p.2 == 'T');
    until(stopped, || "a stopped process".into());
    story.release("go");
    assert_eq!(container.wait(), 3);
    let told = container.stderr();
    assert_eq!(told.matches("killing").count(), 2, "{told}");
    assert!(told.contains("which it ignores"), "{told}");
    assert_eq!(story.count("stopped asked TERM"), 2, "{:?}", story.lines());
    // Its only line: it started, and nothing else came to it.
    assert_eq!(story.count("bystander"), 1, "{:?}", story.lines());
}

#[test]
fn a_descendant_born_while_they_are_asked_is_not_missed() {
    if !available() {
        return;
    }
    // A family that forks all the time; whoever is asked ends. Nobody may be left to be killed.
    let story = Story::new();
    let forks = "trap 'exit 0' TERM; while :; do sleep 0.01 & wait; done";
    let script = format!("for i in 1 2 3 4; do setsid sh -c \"{forks}\" & done; sleep 0.3; exit 6");
    let mut container = Container::below_pid1(&story, &["sh", "-c", &script]).start();
    assert_eq!(container.wait(), 6);
    assert_eq!(container.stderr(), "");
}

#[test]
fn without_a_subreaper_orphans_go_elsewhere_and_are_not_waited_for() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [
        "--subreaper",
        "off",
        teller(),
        "main",
        "spawn",
        "D",
        "d take TERM 0 finish exit 0",
        "until",
        "go",
        "exit",
        "3",
    ];
    let mut container = Container::below_pid1(&story, &words).start();
    let line = story.wait_for("main started");
    assert_eq!(Story::value(&line, "ppid"), lastouts_pid(&container.processes()).to_string());
    story.release("go");
    assert_eq!(container.wait(), 3);
    assert_eq!(story.count("d asked TERM"), 0, "{:?}", story.lines());
}

/// PID 1 holds, 2 or 3 is the bystander: lastout is the remaining low one.
fn lastouts_pid(processes: &[(i32, i32, char)]) -> i32 {
    let name =
        |outside: i32| std::fs::read_to_string(format!("/proc/{outside}/comm")).unwrap_or_default();
    let found = processes.iter().find(|p| name(p.0).trim() == "lastout");
    found.unwrap_or_else(|| panic!("no lastout among {processes:?}")).1
}

#[test]
fn without_a_proc_of_this_namespace_only_the_main_child_is_stopped_and_nobody_is_hurt() {
    if !available() {
        return;
    }
    let story = Story::new();
    // The machine's /proc, whose numbers are other processes: lastout must not believe it.
    let words = [
        "--drain-grace",
        "100ms",
        "--last-call",
        "100ms",
        "--kill-grace",
        "100ms",
        teller(),
        "main",
        "spawn",
        "D",
        "d forever",
        "default",
        "TERM",
        "forever",
    ];
    let mut container = Container::below_pid1(&story, &words).without_mounts().start();
    story.wait_for("main started");
    let processes = container.processes();
    let own = lastouts_pid(&processes);
    let outside = container.outside(own);
    // SAFETY: numbers only; PID 1 of the container has not reaped it.
    assert_eq!(unsafe { libc::kill(outside, libc::SIGTERM) }, 0);
    assert_eq!(container.wait(), 143);
    assert_eq!(story.count("d asked TERM"), 0);
    assert!(container.stderr().contains("/proc is needed"), "{}", container.stderr());
}

#[test]
fn the_parents_death_is_followed_also_when_it_came_before() {
    if !available() {
        return;
    }
    // A launcher starts lastout and leaves, before lastout can ask for the signal. That comes
    // so early that the main child has no time to do anything about it.
    let story = Story::new();
    let lastout = tools::lastout().to_str().expect("a readable path");
    let early = format!(
        "(until [ ! -d /proc/$$ ]; do sleep 0.01; done; \
         exec {lastout} -v --parent-death-signal TERM:$$ sleep 600) & exit 0"
    );
    let container = Container::shell_below_pid1(&story, &early).start();
    container.wait_for_stderr("-> exit 143");
    let told = container.stderr();
    assert_eq!(told.matches("TERM; wait").count(), 1, "{told}");
    drop(container);

    // And while it lives: the launcher waits, then leaves.
    let story = Story::new();
    let main = format!("{} main take TERM 0 finish exit 0", teller());
    let late = format!(
        "{lastout} --parent-death-signal TERM {main} & until [ -e {}/go ]; do sleep 0.01; done",
        story.directory().display()
    );
    let container = Container::shell_below_pid1(&story, &late).start();
    story.wait_for("main started");
    assert_eq!(story.count("main asked TERM"), 0);
    story.release("go");
    story.wait_for("main finished");
    drop(container);
}

#[test]
fn without_the_option_the_parents_death_means_nothing() {
    if !available() {
        return;
    }
    let story = Story::new();
    let lastout = tools::lastout().to_str().expect("a readable path");
    let script = format!("{lastout} {} main until go exit 0 & exit 0", teller());
    let container = Container::shell_below_pid1(&story, &script).start();
    story.wait_for("main started");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(story.count("main asked TERM"), 0);
    story.release("go");
    until(
        || !container.processes().iter().any(|p| p.2 == 'S' && p.1 > 3),
        || "the end of lastout".into(),
    );
}

/// A shell that tells when it is asked, and first starts another one below it, down to number 1.
const MEMBER: &str = r#"trap "echo m$1 asked TERM >> $STORY; exit 0" TERM
if [ $1 -gt 1 ]; then sh -c "$MEMBER" sh $(($1 - 1)) & else echo last started >> $STORY; sleep 600 & fi
wait; while :; do sleep 1; done"#;

/// lastout with that family below its main child, which leaves with 7 when `go` is there.
fn family(story: &Story, makes: &str) -> Container {
    let go = story.directory().join("go");
    let script = format!("{makes}; until [ -e {} ]; do sleep 0.02; done; exit 7", go.display());
    below(story, MEMBER, "60s", &script)
}

fn below(story: &Story, member: &str, grace: &str, script: &str) -> Container {
    let words = ["--drain-grace", grace, "--last-call", "100ms", "sh", "-c", script];
    Container::below_pid1(story, &words).with(|command| {
        command.env("MEMBER", member);
    })
}

/// So many in a line, each the child of the one before.
fn chain(story: &Story, count: usize) -> Container {
    family(story, &format!(r#"sh -c "$MEMBER" sh {count} & :"#))
}

#[test]
fn a_chain_of_a_thousand_is_asked_to_the_last() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = chain(&story, 1000).start();
    story.wait_for("last started");
    story.release("go");
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    for number in 1..=1000 {
        assert_eq!(story.count(&format!("m{number} asked TERM")), 1, "{number}");
    }
    assert_eq!(story.count("bystander"), 1, "{:?}", story.matching("bystander"));
    assert_eq!(container.stderr(), "");
}

#[test]
fn a_broad_family_of_two_thousand_is_asked_each_once() {
    if !available() {
        return;
    }
    // Each has a child.
    let story = Story::new();
    let makes = r#"i=0; while [ $i -lt 1000 ]; do sh -c "$MEMBER" sh 1 & i=$(($i + 1)); done"#;
    let mut container = family(&story, makes).start();
    story.wait_for_count("last started", 1000);
    story.release("go");
    assert_eq!(container.wait(), 7, "{}", container.stderr());
    assert_eq!(story.count("m1 asked TERM"), 1000);
    assert_eq!(story.count("bystander"), 1, "{:?}", story.matching("bystander"));
    assert_eq!(container.stderr(), "");
}

/// The calls of a life with a chain of so many, each of whom was sent each signal once by a walk.
fn calls(count: usize) -> usize {
    let story = Story::new();
    // They stay, or the line would be short again as soon as those above have ended.
    let member = MEMBER.replacen("trap", "trap '' TERM; : ", 1);
    let go = story.directory().join("go");
    let makes = format!(r#"sh -c "$MEMBER" sh {count} & until [ -e {} ]"#, go.display());
    let script = format!("{makes}; do sleep 0.02; done; exit 7");
    let traced = below(&story, &member, "100ms", &script).traced();
    let file = traced.record().to_str().expect("a readable path").to_owned();
    story.wait_for("last started");
    story.release("go");
    let (code, trace, record) = traced.ends();
    assert_eq!(code, 7);
    let given = Given { record: &file, mask: "0000000000000000" };
    let signalled = compare(&record, &trace, given).unwrap_or_else(|why| panic!("{why}"));
    // Twice, and the last one has a child.
    let asked = signalled.iter().filter(|sent| sent.1 == Signal::TERM).count();
    assert!(asked >= 2 * (count + 1), "{asked} of {count}");
    trace.calls.len()
}

#[test]
fn what_the_walk_costs_does_not_grow_with_the_depth() {
    if !available() {
        return;
    }
    let (short, long) = (calls(200), calls(400));
    assert!(long < short * 3, "{short} calls for 200, {long} for 400");
    // Opening, looking, sending and closing, by six walks.
    assert!(long < 400 * 60, "{long} calls for 400");
}
