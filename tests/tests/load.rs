//! lastout under load, and without any.

use std::fs;

use lastout_tests::container::{Container, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

fn status(pid: i32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = text.lines().find_map(|l| l.strip_prefix(key)).expect("a field");
    line.split_whitespace().find_map(|w| w.parse().ok()).expect("a number")
}

/// Its own memory in KiB: no file's pages, of which some count as its own while the file is
/// new and no other process maps it.
fn own_memory(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    let line = text.lines().find_map(|l| l.strip_prefix("Anonymous:")).expect("a field");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

#[test]
fn twenty_thousand_orphans_are_reaped_and_nothing_grows() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [
        teller(),
        "main",
        "orphans",
        "1000",
        "until",
        "go",
        "orphans",
        "20000",
        "take",
        "TERM",
        "0",
        "exit",
        "0",
    ];
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main made 1000");
    // Linux 6.15.
    let is_storm = || container.record().contains("-> watch 2");
    until(is_storm, || format!("the kernel does not reap: {}", container.record()));
    let pid = container.pid().as_raw();
    let before = own_memory(pid);
    story.release("go");
    story.wait_for("main made 20000");
    until(|| container.processes().len() == 2, || format!("{:?}", container.processes()));
    assert_eq!(own_memory(pid), before, "KiB of lastout's own memory");
    // stdin, stdout, stderr, the record, and what tells of the main child and of signals.
    assert_eq!(fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count(), 6);
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 0);
}

#[test]
fn an_idle_lastout_never_wakes_up() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut container = Container::lastout(
        &story,
        &[teller(), "main", "sleep", "3000", "tell", "slept", "forever"],
    )
    .start();
    story.wait_for("main started");
    let pid = container.pid().as_raw();
    // It is at rest when it waits for a signal: two looks that see the same.
    let switches =
        || status(pid, "voluntary_ctxt_switches:") + status(pid, "nonvoluntary_ctxt_switches:");
    until(
        || {
            fs::read_to_string(format!("/proc/{pid}/wchan"))
                .is_ok_and(|w| w.contains("sigtimedwait"))
        },
        || "its waiting".into(),
    );
    let before = switches();
    story.wait_for("main slept");
    assert_eq!(switches(), before, "wake-ups in three seconds");
    container.signal(libc::SIGKILL);
    container.wait();
}
