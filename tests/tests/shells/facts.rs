//! What shells do that is in no row of the table: K83 to K90, shell by shell.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use lastout_tests::container::{Container, Pty, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::signal::Signal;

use crate::live::WORKER;
use crate::stage::{Stage, waits};
use crate::table::{ALL, End, Setting, Shell};

/// The shells that are there; none without containers.
fn shells() -> Vec<Shell> {
    if !available() {
        return Vec::new();
    }
    ALL.iter().copied().filter(|shell| tools::needed(shell.program()).is_some()).collect()
}

/// With a standard input that is not /dev/null, open as long as the container is.
fn with_stdin(container: Container) -> Container {
    container.with(|command| {
        command.stdin(Stdio::piped());
    })
}

/// What a shell writes to stdout as PID 1.
fn says(shell: Shell, script: &str, change: impl FnOnce(Container) -> Container) -> Vec<String> {
    let mut stage = Stage::with(Setting::Pid1, shell, script, &[], change);
    stage.running.wait();
    stage.running.stdout().lines().map(str::to_owned).collect()
}

#[test]
fn k083_what_runs_in_the_background_ignores_int_and_quit_and_has_no_input_and_the_same_group() {
    const INT_AND_QUIT: u64 = 1 << (libc::SIGINT - 1) | 1 << (libc::SIGQUIT - 1);
    let script = "$TELLER front report take USR1 0 exit 0; \
                  $TELLER worker as-found INT as-found QUIT report take USR1 0 exit 0 & wait $!";
    for shell in shells() {
        let stage = Stage::with(Setting::Ordinary, shell, script, &[], with_stdin);
        let look = |name: &str| {
            let line = stage.story.wait_for(&format!("{name} started"));
            stage.story.wait_for(&format!("{name} reported"));
            let mask = stage.story.wait_for(&format!("{name} SigIgn"));
            let mask = u64::from_str_radix(mask.rsplit(' ').next().unwrap(), 16).expect("a mask");
            let pid = Story::value(&line, "pid").parse().expect("a pid");
            let input = format!("/proc/{}/fd/0", stage.running.outside(pid));
            let input = fs::read_link(input).expect("an input").display().to_string();
            stage.send(pid, libc::SIGUSR1);
            (mask & INT_AND_QUIT, input == "/dev/null", Story::value(&line, "pgid").to_owned())
        };
        let (front, worker) = (look("front"), look("worker"));
        assert_eq!((front.0, front.1), (0, false), "{shell:?}");
        assert_eq!(worker, (INT_AND_QUIT, true, front.2), "{shell:?}");
    }
}

#[test]
fn k084_a_second_wait_tells_the_true_status_again_also_of_who_was_reaped_long_ago() {
    let script = "$TELLER a exit 5 & wait $!; echo $?; wait $!; echo $?
                  $TELLER b die KILL & wait $!; echo $?; wait $!; echo $?
                  $TELLER c exit 6 & P=$!; $TELLER d take USR1 0 exit 0; wait $P; echo $?";
    for shell in shells() {
        let mut stage = Stage::new(Setting::Pid1, shell, script, &[]);
        let (c, d) = (stage.started("c"), stage.started("d"));
        // The shell, which waits for the other one, has reaped it.
        let is_gone = || stage.running.processes().iter().all(|p| p.1 != c);
        until(is_gone, || "the first to be reaped".into());
        stage.send(d, libc::SIGUSR1);
        stage.running.wait();
        assert_eq!(stage.running.stdout(), "5\n5\n137\n137\n6\n", "{shell:?}");
    }
}

#[test]
fn k085_a_trap_for_chld_cuts_wait_short_in_dash_and_busybox_and_not_in_bash() {
    let script = format!(
        "trap : CHLD; {WORKER} & P=$!; $TELLER short take USR1 0 exit 0 & wait $P; exit $?"
    );
    for shell in shells() {
        let mut stage = Stage::new(Setting::Ordinary, shell, &script, &[]);
        let short = stage.started("short");
        stage.ready();
        stage.send(short, libc::SIGUSR1);
        if shell == Shell::Bash {
            let is_gone = || stage.running.processes().iter().all(|p| p.1 != short);
            until(is_gone, || "the short one to be reaped".into());
            assert_eq!(stage.settle(), None);
            let worker = stage.started("worker");
            stage.send(worker, libc::SIGTERM);
            stage.story.wait_for("worker asked");
            stage.settle();
            stage.send(worker, libc::SIGUSR1);
        }
        let end = if shell == Shell::Bash { 42 } else { 145 };
        until(|| stage.end().is_some(), || "the shell's end".into());
        assert_eq!(stage.end(), Some(End::Exits(end)), "{shell:?}");
    }
}

/// In real life the trap needs no command of its own for that: a worker that ends at once on TERM
/// was quicker than `kill -0` in 8 to 10 of 60 runs, with each of the shells.
#[test]
fn a_loop_of_waits_loses_the_code_of_a_worker_that_is_gone_before_it_looks_and_one_more_wait_does_not()
 {
    for (last, code) in [("rc=$?; done", 143), ("rc=$?; done; wait $P; rc=$?", 42)] {
        let script = format!(
            "trap 'kill $P; $TELLER slow take USR1 0 exit 0' TERM; {WORKER} & P=$!\n\
             while kill -0 $P 2>/dev/null; do wait $P; {last}; exit $rc"
        );
        for shell in shells() {
            let mut stage = Stage::new(Setting::Pid1, shell, &script, &[]);
            stage.ready();
            stage.stop(libc::SIGTERM);
            let (worker, slow) = (stage.started("worker"), stage.started("slow"));
            assert_eq!(stage.settle(), None);
            stage.send(worker, libc::SIGUSR1);
            let is_gone = || stage.running.processes().iter().all(|p| p.1 != worker);
            until(is_gone, || "the worker to be reaped".into());
            stage.send(slow, libc::SIGUSR1);
            until(|| stage.end().is_some(), || "the shell's end".into());
            assert_eq!(stage.end(), Some(End::Exits(code)), "{shell:?}, {last}");
            assert_eq!(stage.story.count("worker finished"), 1);
        }
    }
}

#[test]
fn k085_set_e_leaves_at_an_interrupted_wait_and_not_at_one_whose_failure_is_looked_at() {
    let script = format!(
        "set -e; trap 'kill $P' TERM; {WORKER} & P=$!; wait $P || true; wait $P; echo not here"
    );
    for shell in shells() {
        let mut stage = Stage::new(Setting::Pid1, shell, &script, &[]);
        assert_eq!(finishes(&mut stage, 1), 42, "{shell:?}");
        assert_eq!(stage.running.stdout(), "");
    }
}

/// Stops a script so often, and lets its worker finish.
fn stops_and_is_let_finish(stage: &mut Stage, stops: u32) {
    stage.ready();
    for _ in 0..stops {
        stage.stop(libc::SIGTERM);
        assert_eq!(stage.settle(), None);
    }
    stage.send(stage.started("worker"), libc::SIGUSR1);
}

/// As above, and tells the shell's exit code.
fn finishes(stage: &mut Stage, stops: u32) -> u8 {
    stops_and_is_let_finish(stage, stops);
    until(|| stage.end().is_some(), || "the shell's end".into());
    assert_eq!(stage.story.count("worker finished"), 1);
    match stage.end() {
        Some(End::Exits(code)) => code,
        other => panic!("{other:?}"),
    }
}

/// The two scripts that docs/graceful.md tells its readers to write.
#[test]
fn what_the_page_for_users_tells_to_write_is_graceful() {
    const CLEANER: &str = "$TELLER cleaner as-found TERM take USR1 0 finish exit 0";
    let page = fs::read_to_string(tools::workspace().join("docs/graceful.md")).expect("the page");
    let scripts = page.split("    #!/bin/sh\n").skip(1).map(|text| {
        let lines = text.lines().map_while(|line| line.strip_prefix("    "));
        let script = lines.collect::<Vec<_>>().join("\n");
        script.replace("worker", WORKER).replace("prepare", ":").replace("clean-up", CLEANER)
    });
    let scripts: Vec<_> = scripts.collect();
    let [exec, trap] = &scripts[..] else { panic!("{scripts:?}") };
    assert!(exec.contains("exec $") && trap.contains(CLEANER), "{scripts:?}");
    for shell in shells() {
        for setting in [Setting::Pid1, Setting::Lastout] {
            let start = |script| Stage::new(setting, shell, script, &["--drain-grace", "2m"]);
            assert_eq!(finishes(&mut start(exec), 1), 42, "{shell:?}, {setting:?}");
            for stops in [1, 2] {
                let mut stage = start(trap);
                stops_and_is_let_finish(&mut stage, stops);
                let cleaner = stage.started("cleaner");
                assert_eq!(stage.settle(), None);
                stage.stop(libc::SIGTERM);
                assert_eq!(stage.settle(), None, "{shell:?}, {setting:?}");
                stage.send(cleaner, libc::SIGUSR1);
                until(|| stage.end().is_some(), || "the shell's end".into());
                assert_eq!(stage.end(), Some(End::Exits(42)), "{shell:?}, {setting:?}");
                for name in ["worker", "cleaner"] {
                    assert_eq!(stage.story.count(&format!("{name} finished")), 1, "{name}");
                }
            }
        }
    }
}

#[test]
fn k086_what_is_ignored_when_a_shell_starts_cannot_be_trapped() {
    let script = "trap 'echo trap' INT; kill -INT $$; echo after";
    for shell in shells() {
        let ignored = |container: Container| container.with_ignored(&[Signal::SIGINT]);
        assert_eq!(says(shell, script, ignored), ["after"], "{shell:?}");
        assert_eq!(says(shell, script, |container| container), ["trap", "after"], "{shell:?}");
    }
}

/// How many zombies a shell as PID 1 leaves of two daemons that ended while it did this.
fn zombies(shell: Shell, last: &str) -> usize {
    let script = format!(
        "$TELLER maker spawn D 'one take USR1 0 exit 0' spawn D 'two take USR1 0 exit 0' exit 0; {last}"
    );
    let stage = Stage::with(Setting::Pid1, shell, &script, &[], with_stdin);
    let [maker, one, two] = ["maker", "one", "two"].map(|name| stage.started(name));
    let is_gone = |pid| stage.running.processes().iter().all(|p| p.1 != pid);
    until(|| is_gone(maker), || "the maker's end".into());
    until(|| stage.is_quiet(), || "quiet".into());
    let alive = stage.alive();
    assert!(alive.contains(&one) && alive.contains(&two), "{alive:?}");
    for daemon in [one, two] {
        stage.send(daemon, libc::SIGUSR1);
    }
    let are_dead = || stage.alive().iter().all(|pid| ![one, two].contains(pid));
    until(are_dead, || "the daemons' end".into());
    until(|| stage.is_quiet(), || "quiet".into());
    stage.zombies()
}

#[test]
fn k087_bash_reaps_orphans_always_dash_and_busybox_while_they_wait_and_sleep_never() {
    for shell in shells() {
        let waits = zombies(shell, "$TELLER job take USR1 0 & wait $!; exit 7");
        assert_eq!(waits, 0, "{shell:?} in wait");
        let front = zombies(shell, "$TELLER job take USR1 0; exit 7");
        assert_eq!(front, 0, "{shell:?} with a command in the foreground");
        let reads = zombies(shell, "read x; exit 7");
        assert_eq!(reads, if shell == Shell::Bash { 0 } else { 2 }, "{shell:?} in read");
        assert_eq!(zombies(shell, "exec sleep 600"), 2, "sleep");
    }
}

#[test]
fn k087_a_shell_without_a_trap_survives_term_and_kill_from_inside_and_term_from_outside_as_pid_1() {
    let script = format!("kill -TERM $$; kill -KILL $$; {WORKER}; exit 3");
    for shell in shells() {
        let mut stage = Stage::new(Setting::Pid1, shell, &script, &[]);
        stage.ready();
        stage.stop(libc::SIGTERM);
        assert_eq!(stage.settle(), None, "{shell:?}");
        let worker = stage.started("worker");
        stage.send(worker, libc::SIGTERM);
        assert_eq!(stage.settle(), None, "{shell:?}");
        stage.send(worker, libc::SIGUSR1);
        assert_eq!(stage.settle(), Some(End::Exits(3)), "{shell:?}");
    }
}

#[test]
fn k088_after_ctrl_c_and_a_command_that_handled_it_bash_goes_on_and_dash_and_busybox_end() {
    for shell in shells() {
        let (story, pty) = (Story::new(), Pty::new());
        let script = "$TELLER front take INT 0 exit 0; exit 9";
        let words = [shell.command(), &[script]].concat();
        let container = Container::program(words[0], &story, &words[1..]);
        let mut running = pty.given_to(container).start();
        story.wait_for("front started");
        let pid = running.pid().as_raw();
        until(|| waits(pid), || "the shell's wait".into());
        pty.types("\x03");
        let end = if shell == Shell::Bash { 9 } else { 130 };
        assert_eq!((running.wait(), running.killed_by()), (end, None), "{shell:?}");
        assert_eq!(story.count("front asked INT"), 1, "{shell:?}");
    }
}

#[test]
fn k089_the_pid_of_a_pipeline_is_its_last_members() {
    let script = format!(
        "trap 'kill $P' TERM; {WORKER} | $TELLER last take TERM 0 exit 4 & P=$!; wait $P; wait $P"
    );
    for shell in shells() {
        let mut stage = Stage::new(Setting::Ordinary, shell, &script, &[]);
        stage.started("last");
        stage.ready();
        stage.stop(libc::SIGTERM);
        // And a wait for it is one for all of them, here for ever.
        assert_eq!(stage.settle(), None, "{shell:?}");
        until(|| stage.is_quiet(), || "quiet".into());
        let asked = ["last", "worker"].map(|name| stage.story.count(&format!("{name} asked TERM")));
        assert_eq!(asked, [1, 0], "{shell:?}");
    }
    // What docs/graceful.md tells to write instead.
    let script = format!(
        "trap 'kill $P' TERM; {WORKER} > >(exec $TELLER last take TERM 0) & P=$!\n\
         wait $P; wait $P; exit $?"
    );
    for shell in shells().into_iter().filter(|&shell| shell == Shell::Bash) {
        let mut stage = Stage::new(Setting::Ordinary, shell, &script, &[]);
        stage.started("last");
        assert_eq!(finishes(&mut stage, 1), 42);
        assert_eq!(stage.story.count("last asked"), 0);
    }
}

#[test]
fn k090_the_codes_of_what_cannot_be_run_and_of_deaths_by_signals() {
    for shell in shells() {
        let files = Story::new();
        let directory = files.directory();
        let file = |name: &str, bytes: &[u8], mode| {
            fs::write(directory.join(name), bytes).expect("a file");
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(mode))
                .expect("chmod");
        };
        file("not-executable", b"#!/bin/sh\n", 0o644);
        file("bad-elf", b"\x7fELF\x02\x01\x01\0 and no more", 0o755);
        file("no-interpreter", b"#!/nonexistent\n", 0o755);
        file("crlf", b"#!/bin/sh\r\nexit 0\r\n", 0o755);
        file("no-shebang", b"exit 33\n", 0o755);
        symlink("loop", directory.join("loop")).expect("a link");
        let bash = shell == Shell::Bash;
        for (command, code) in [
            ("nonexistent-command", 127),
            ("./nonexistent", 127),
            ("./no-interpreter", 127),
            ("./crlf", 127),
            ("./not-executable", 126),
            ("/", 126),
            ("./loop", if bash { 126 } else { 127 }),
            ("./bad-elf", if shell == Shell::Busybox { 127 } else { 126 }),
            ("./no-shebang", 33),
            ("$TELLER x die TERM", 143),
            ("$TELLER x die KILL", 137),
            ("$TELLER x die 34", 162),
            ("$TELLER x exit 143", 143),
        ] {
            let script = format!("{command}; echo $?");
            let told = says(shell, &script, |container| {
                container.with(|command| {
                    command.current_dir(directory);
                })
            });
            assert_eq!(
                told.last().map(String::as_str),
                Some(code.to_string().as_str()),
                "{shell:?}: {command}"
            );
        }
    }
}
