//! Shell scripts in front of the program that matters.

use lastout_tests::container::Pty;
use lastout_tests::engine::docker::{Docker, KILL, Pid1, TERM};
use lastout_tests::engine::{Asked, SHELLS};
use lastout_tests::story::Story;

use crate::PATIENT;

/// P7: as PID 1 the shell is deaf, and Docker kills it together with the program. Behind lastout
/// it dies of the signal, then the program is asked.
#[test]
fn a_shell_without_a_trap_keeps_its_program_from_being_asked_unless_lastout_is_in_front() {
    let Some(docker) = Docker::available() else {
        return;
    };
    // The second command keeps the shell from becoming the first.
    let script = "[/teller server take TERM 300 finish exit 0; true]";
    for shell in SHELLS {
        // One program that is many must be told which.
        let which = if shell == "/bin/busybox" { "sh" } else { "" };
        let command = format!("{shell} {which} -c {script}");
        for pid1 in [Pid1::Command, Pid1::Init] {
            let story = Story::new();
            let container = docker.container(&story).pid1(pid1).start(&command);
            story.wait_for("server started");
            if pid1 == Pid1::Command {
                container.stop(1);
                assert_eq!(container.wait(), 137, "{shell}");
                assert_eq!(container.signals(), [TERM, KILL], "{shell}");
                story.unasked(&["server"]);
            } else {
                container.stop(PATIENT);
                assert_eq!(container.wait(), 143, "{shell}");
                assert_eq!(container.signals(), [TERM], "{shell}");
                story.asked_once_and_finished(&["server"]);
            }
        }
    }
}

/// P8: double fork, own session, no descriptor in common with anybody.
#[test]
fn a_daemon_that_a_script_has_started_completes_its_clean_up() {
    let Some(docker) = Docker::available() else {
        return;
    };
    let script = "/teller starter spawn D \"database take TERM 1000 finish exit 0\" exit 0; \
                  sleep 1000; true";
    for pid1 in [Pid1::Tini, Pid1::Entrypoint] {
        let story = Story::new();
        let container = docker.container(&story).pid1(pid1);
        let container = container.start(&format!("-- /bin/sh -c [{script}]"));
        let daemon = story.wait_for("database started");
        assert_eq!(Story::value(&daemon, "ppid"), "1");
        // Only then is the shell at its last command.
        let starter = story.wait_for("starter started");
        let starter: i32 = Story::value(&starter, "pid").parse().expect("a pid");
        let gone = || container.processes().iter().all(|p| p.inside != starter);
        lastout_tests::container::until(gone, || "the end of the starter".into());
        container.stop(PATIENT);
        assert_eq!(container.wait(), 143);
        match pid1 {
            Pid1::Tini => story.unasked(&["database"]),
            _ => story.asked_once_and_finished(&["database"]),
        }
    }
}

/// P16: a shell without job control starts its background jobs with SIGINT and SIGQUIT ignored
/// (K83). So Ctrl-C ends the script but not the job, which is then asked with TERM.
#[test]
fn ctrl_c_ends_a_script_and_the_background_job_that_ignores_it_is_asked_afterwards() {
    const INT_AND_QUIT: u64 = 1 << (libc::SIGINT - 1) | 1 << (libc::SIGQUIT - 1);
    let Some(docker) = Docker::available() else {
        return;
    };
    for shell in ["/bin/bash", "/bin/dash"] {
        let story = Story::new();
        let pty = Pty::new();
        // What is ignored while it is blocked would wait: "ignore" is also to unblock it.
        let script = "/teller job report ignore INT take TERM 300 finish & \
                      /teller front take INT 0 die INT; true";
        let container = docker.container(&story).pid1(Pid1::Init);
        let (container, mut client) = container.run_on(&pty, &format!("{shell} -c [{script}]"));
        story.wait_for("job reported");
        story.wait_for("front started");
        let inherited = story.wait_for("job SigIgn");
        let ignored = inherited.rsplit(' ').next().expect("a mask");
        let ignored = u64::from_str_radix(ignored, 16).expect("a mask");
        assert_eq!(ignored & INT_AND_QUIT, INT_AND_QUIT, "{inherited}");
        pty.types("\x03");
        assert_eq!(client.wait(), 130, "{}", pty.output());
        assert_eq!(container.wait(), 130);
        assert_eq!(story.count("front asked INT"), 1, "{:?}", story.lines());
        story.asked_once_and_finished(&["job"]);
    }
}
