//! `docker run -it`: the client's terminal is ours, the container's is a mirror of it.

use lastout_tests::container::{Pty, until};
use lastout_tests::engine::docker::{Docker, Pid1, Started};
use lastout_tests::engine::{Asked, Client};
use lastout_tests::story::Story;

use crate::OTHERS;

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

fn start(docker: Docker, story: &Story, pty: &Pty, command: &str) -> (Started, Client) {
    pty.resize(24, 80);
    let container = docker.container(story).pid1(Pid1::Init);
    container.run_on(pty, command)
}

#[test]
fn ctrl_c_reaches_the_main_child_exactly_once_and_nobody_else() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (story, pty) = (Story::new(), Pty::new());
    let command = "/teller main spawn S [s take TERM 100 finish] take INT 300 exit 3";
    let (container, mut client) = start(docker, &story, &pty, command);
    story.wait_for("main started");
    pty.types(CTRL_C);
    assert_eq!(client.wait(), 3, "{}", pty.output());
    assert_eq!(container.wait(), 3);
    assert_eq!(story.count("main asked INT"), 1, "{:?}", story.lines());
    story.asked_once_and_finished(&["s"]);
    assert_eq!(container.signals(), [""; 0], "it was the terminal's");
}

/// K72: stopped, it could not be woken by anybody in the container.
#[test]
fn ctrl_z_does_not_hang_the_container() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (story, pty) = (Story::new(), Pty::new());
    let command = "/teller main default TSTP take INT 0 exit 3";
    let (container, mut client) = start(docker, &story, &pty, command);
    story.wait_for("main started");
    pty.types(CTRL_Z);
    story.wait_for("main continued");
    pty.types(CTRL_C);
    assert_eq!(client.wait(), 3, "{}", pty.output());
    assert_eq!(container.wait(), 3);
    assert_eq!(story.count("main asked INT"), 1, "{:?}", story.lines());
}

/// The kernel tells the foreground of it. Docker's client also has the signal sent to PID 1, so
/// that the main child may see it more than once.
#[test]
fn a_new_size_of_the_window_reaches_the_main_child() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (story, pty) = (Story::new(), Pty::new());
    // The client may set its own first size at any moment: the shell waits for ours.
    let command = "/teller main until sized \
                   run /bin/sh -c [until test \"$(stty size)\" = \"50 132\"; do sleep 0.05; done]";
    let (container, mut client) = start(docker, &story, &pty, command);
    story.wait_for("main started");
    // The client sets the first size when the container is already there.
    until(|| container.state("Running") == "true", || "the container".into());
    let before = story.count("main got WINCH");
    pty.resize(50, 132);
    story.wait_for_count("main got WINCH", before + 1);
    story.release("sized");
    // On a busy machine the client may set the size that it read before ours after it: once more.
    let is_over = || {
        pty.resize(50, 133);
        pty.resize(50, 132);
        std::thread::sleep(std::time::Duration::from_millis(100));
        client.has_ended()
    };
    until(is_over, || "the shell that sees the size".into());
    assert_eq!(client.wait(), 0, "{}", pty.output());
}

/// Bash itself asks a job that it leaves stopped, and so does lastout; but stopped it could not
/// answer (K26).
#[test]
fn a_shell_has_job_control_and_a_job_that_it_leaves_stopped_finishes() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (story, pty) = (Story::new(), Pty::new());
    let command = "/bin/bash --norc --noprofile -i";
    let (container, mut client) = start(docker, &story, &pty, command);
    pty.types("/teller job default TSTP take TERM 100 finish exit 0\n");
    story.wait_for("job started");
    pty.types(CTRL_Z);
    pty.wait_for("Stopped");
    let job = container.process(&story, "job");
    assert_eq!(job.state, 'T');
    // Twice: the first time the shell only warns of the job.
    pty.types("exit 4\nexit 4\n");
    assert_eq!(client.wait(), 4, "{}", pty.output());
    assert_eq!(container.wait(), 4);
    assert_eq!(story.count("job finished"), 1, "{:?}", story.lines());
    let output = pty.output();
    assert!(!output.contains("no job control"), "{output}");
}

#[test]
fn when_the_clients_terminal_is_gone_the_main_child_is_hung_up_and_the_container_ends() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let (story, pty) = (Story::new(), Pty::new());
    let command = format!("/teller main {OTHERS} take HUP 0 exit 6");
    let (container, mut client) = start(docker, &story, &pty, &command);
    story.wait_for("main started");
    drop(pty);
    assert_eq!(container.wait(), 6);
    assert_eq!(story.count("main asked HUP"), 1, "{:?}", story.lines());
    story.asked_once_and_finished(&["g", "s", "d"]);
    client.wait();
}
