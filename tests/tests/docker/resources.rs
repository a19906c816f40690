//! Memory and processes: too little of the one, none or very many of the other.

use lastout_tests::container::until;
use lastout_tests::engine::docker::{Docker, Pid1};
use lastout_tests::engine::{Asked, processes, status};
use lastout_tests::story::Story;

use crate::OTHERS;

#[test]
fn when_the_main_child_is_killed_for_its_memory_the_others_are_asked() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker
        .container(&story)
        .pid1(Pid1::Init)
        .with("--memory 32m --memory-swap 32m")
        // An endless line, which it wants to keep whole.
        .start(&format!("/teller main {OTHERS} run /bin/tail -n 1 /dev/zero"));
    assert_eq!(container.wait(), 137);
    assert_eq!(container.state("OOMKilled"), "true");
    story.asked_once_and_finished(&["g", "s", "d"]);
    assert_eq!(container.stderr(), "");
}

#[test]
fn where_no_second_process_is_allowed_lastout_says_so_and_leaves() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let (_started, mut client) = container.with("--pids-limit 1").run("/teller main exit 0");
    assert_eq!(client.wait(), 125);
    assert_eq!(
        client.stderr(),
        "lastout: cannot run /teller: no more processes are allowed here \
         (the limit of the pids cgroup or of the user)\n"
    );
    assert_eq!(story.lines(), [""; 0]);
}

/// P6.
#[test]
fn ten_thousand_orphans_are_reaped_and_nothing_is_left_of_them() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let story = Story::new();
    let container = docker.container(&story).pid1(Pid1::Init);
    let container = container.start("/teller main until go orphans 10000 forever");
    story.wait_for("main started");
    let lastout = container.pid();
    let size = || {
        let memory = status(lastout, "VmRSS:").expect("it runs");
        let memory: i32 = memory.trim_end_matches(" kB").parse().expect("a size in kB");
        let files = std::fs::read_dir(format!("/proc/{lastout}/fd")).expect("it runs");
        (memory, files.count())
    };
    let (memory, files) = size();
    story.release("go");
    story.wait_for("main made 10000");
    until(
        || processes(lastout).len() == 2,
        || format!("lastout and the main child alone: {:?}", processes(lastout)),
    );
    let (memory_then, files_then) = size();
    // While the kernel reaps two more are open (K109), however many orphans there were.
    assert!(files_then - files <= 2, "{files} descriptors, then {files_then}");
    // The kernel's count may be some pages behind. A zombie's worth of anything, 10,000 times,
    // would be more.
    assert!((memory_then - memory).abs() <= 64, "{memory} kB, then {memory_then} kB");
    container.kill("KILL");
    assert_eq!(container.wait(), 137);
}
