//! The systems that the project exists for (P1 to P8, P11, P12, P15, P16, P18), on the real
//! kernel: *before*, with a bare init or a shell as PID 1, and *after*, with lastout.
//!
//! "Saw SIGKILL" is told by what is missing: a worker that handles TERM tells when it is asked
//! and when it has finished; one that told neither and is gone was killed.

use std::path::Path;

use lastout_tests::container::{Container, Running, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

const WORKER: &str = "worker take TERM 300 finish exit 0";

/// What became of the worker: was it asked, did it finish?
fn worker(story: &Story) -> (bool, bool) {
    story.wait_for("worker started");
    (story.count("worker asked TERM") > 0, story.count("worker finished") > 0)
}

const KILLED: (bool, bool) = (false, false);
const FINISHED: (bool, bool) = (true, true);

/// Starts it, sends TERM when the worker runs, waits for the end.
fn stopped(container: Container, story: &Story) -> (i32, Running) {
    let mut running = container.start();
    story.wait_for("worker started");
    story.wait_for("main started");
    running.signal(libc::SIGTERM);
    (running.wait(), running)
}

#[test]
fn p1_a_bare_init_that_exits_on_term_has_the_other_killed_and_lastout_has_it_finish() {
    if !available() {
        return;
    }
    let main = ["main", "spawn", "S", WORKER, "take", "TERM", "0", "exit", "0"];
    let before = Story::new();
    let (code, _) = stopped(Container::program(teller(), &before, &main), &before);
    assert_eq!((code, worker(&before)), (0, KILLED));
    let after = Story::new();
    let words = [&["--", teller()], &main[..]].concat();
    let (code, _) = stopped(Container::lastout(&after, &words), &after);
    assert_eq!((code, worker(&after)), (0, FINISHED));
}

#[test]
fn p2_a_handlerless_pid_1_takes_and_forwards_each_signal_once_and_has_the_main_childs_code() {
    if !available() {
        return;
    }
    let story = Story::new();
    let words = [teller(), "main", "take", "USR1", "0", "take", "TERM", "50", "exit", "9"];
    let mut container = Container::lastout(&story, &words).start();
    story.wait_for("main started");
    let status = std::fs::read_to_string(format!("/proc/{}/status", container.pid()));
    assert!(status.expect("its status").contains("SigCgt:\t0000000000000000"), "no handler");
    container.signal(libc::SIGUSR1);
    story.wait_for("main got USR1");
    container.signal(libc::SIGTERM);
    assert_eq!(container.wait(), 9);
    assert_eq!(story.lines()[1..], ["main got USR1", "main asked TERM"]);
}

/// P3, P4 and P5: which of G, S and D finish under which init. The main child ends when those
/// have finished that are reached by what reaches itself.
fn who_finishes(at_once: &[&str], container: impl FnOnce(&Story, &[&str]) -> Container) -> String {
    let story = Story::new();
    let others = ["g", "s", "d"].map(|n| format!("{n} take TERM 100 finish exit 0"));
    let main = [
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
        "take",
        "TERM",
        "0",
        "until",
        "go",
        "exit",
        "0",
    ];
    let mut running = container(&story, &main).start();
    story.wait_for("main started");
    running.signal(libc::SIGTERM);
    story.wait_for("main asked TERM");
    for name in at_once {
        story.wait_for(&format!("{name} finished"));
    }
    story.release("go");
    running.wait();
    let finished = ["g", "s", "d"].into_iter().filter(|name| {
        let count = story.count(&format!("{name} finished"));
        let asked = story.count(&format!("{name} asked TERM"));
        assert_eq!(asked, count, "{name}: {:?}", story.lines());
        count == 1
    });
    finished.collect::<Vec<_>>().join(" ")
}

#[test]
fn p3_grandchildren_are_killed_by_tini_and_finish_under_lastout() {
    let Some(tini) = tools::needed("tini-static") else {
        return;
    };
    if !available() {
        return;
    }
    let with_tini = |s: &Story, w: &[&str]| Container::program(&tini, s, w);
    assert_eq!(who_finishes(&[], with_tini), "");
    let off = |s: &Story, w: &[&str]| Container::lastout(s, &[&["--drain-grace", "0"], w].concat());
    assert_eq!(who_finishes(&[], off), "", "with the drain off");
    assert_eq!(who_finishes(&[], Container::lastout), "g s d");
}

#[test]
fn p4_a_group_signal_misses_the_daemons_and_the_drain_reaches_them() {
    let Some(tini) = tools::needed("tini-static") else {
        return;
    };
    if !available() {
        return;
    }
    let group = |s: &Story, w: &[&str]| Container::program(&tini, s, &[&["-g", "--"], w].concat());
    assert_eq!(who_finishes(&["g"], group), "g");
    let lastout = |s: &Story, w: &[&str]| {
        Container::lastout(s, &[&["--forward", "group", "--drain-grace", "0"], w].concat())
    };
    assert_eq!(who_finishes(&["g"], lastout), "g", "with the drain off");
    let lastout =
        |s: &Story, w: &[&str]| Container::lastout(s, &[&["--forward", "group"], w].concat());
    assert_eq!(who_finishes(&["g"], lastout), "g s d");
}

#[test]
fn p5_forwarded_to_all_everybody_gets_term_and_nobody_kill() {
    if !available() {
        return;
    }
    let lastout = |s: &Story, w: &[&str]| {
        Container::lastout(s, &[&["--forward", "all", "--drain-grace", "0"], w].concat())
    };
    assert_eq!(who_finishes(&["g", "s", "d"], lastout), "g s d");
}

#[test]
fn p6_orphans_stay_zombies_under_a_pid_1_that_does_not_reap_and_none_under_lastout() {
    if !available() {
        return;
    }
    let main = ["main", "orphans", "1000", "until", "go", "exit", "0"];
    let zombies = |running: &Running| running.processes().iter().filter(|p| p.2 == 'Z').count();
    let before = Story::new();
    let mut running = Container::program(teller(), &before, &main).start();
    before.wait_for("main made 1000");
    assert_eq!(zombies(&running), 1000);
    before.release("go");
    running.wait();
    let after = Story::new();
    let words = [&["--", teller()], &main[..]].concat();
    let mut running = Container::lastout(&after, &words).start();
    after.wait_for("main made 1000");
    until(|| zombies(&running) == 0, || "no zombies".into());
    after.release("go");
    assert_eq!(running.wait(), 0);
}

/// The shells, as they are called to run a script.
fn shells() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut shells = vec![("dash", vec!["/bin/dash", "-c"]), ("bash", vec!["/bin/bash", "-c"])];
    if tools::needed("busybox").is_some() {
        shells.push(("busybox", vec!["busybox", "sh", "-c"]));
    }
    shells
}

#[test]
fn p7_a_shell_without_a_trap_ignores_term_as_pid_1_and_under_lastout_its_worker_finishes() {
    if !available() {
        return;
    }
    // The script ends with another command, so that the shell does not become the worker.
    let script = format!("$TELLER {WORKER}; exit 3");
    for (name, shell) in shells() {
        let words = [&shell[1..], &[&script]].concat();
        let before = Story::new();
        let mut running = Container::program(shell[0], &before, &words).start();
        before.wait_for("worker started");
        running.signal(libc::SIGTERM);
        // The engine's time-out; what is awaited is that nothing happens.
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!running.has_ended(), "{name} ignores TERM as PID 1");
        running.signal(libc::SIGKILL);
        assert_eq!(running.wait(), 137);
        assert_eq!(worker(&before), KILLED, "{name}");

        let after = Story::new();
        let words = [&["--", shell[0]], &words[..]].concat();
        let mut running = Container::lastout(&after, &words).start();
        after.wait_for("worker started");
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 143, "{name} dies of TERM");
        assert_eq!(worker(&after), FINISHED, "{name}");
    }
}

#[test]
fn p8_a_daemon_of_a_shell_completes_its_clean_up() {
    if !available() {
        return;
    }
    let script = format!("$TELLER starter spawn D '{WORKER}' exit 0; sleep 60; exit 3");
    for (name, shell) in shells() {
        let words = [&["--"], &shell[..], &[&script]].concat();
        let story = Story::new();
        let mut running = Container::lastout(&story, &words).start();
        story.wait_for("worker started");
        story.wait_for("starter started");
        running.signal(libc::SIGTERM);
        assert_eq!(running.wait(), 143, "{name}");
        assert_eq!(worker(&story), FINISHED, "{name}");
    }
}

#[test]
fn p11_a_pid_1_without_a_handler_gets_only_kill_and_under_lastout_term_works() {
    if !available() {
        return;
    }
    // As PID 1, with default actions.
    let script = "kill -TERM 1; kill -KILL 1; $TELLER main exit 0; sleep 600; exit 0";
    let before = Story::new();
    let mut running = Container::program("/bin/dash", &before, &["-c", script]).start();
    before.wait_for("main started");
    running.signal(libc::SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!running.has_ended(), "TERM from inside and outside, KILL from inside: dropped");
    running.signal(libc::SIGKILL);
    running.wait();
    assert_eq!(running.killed_by(), Some(libc::SIGKILL));
    let after = Story::new();
    let words = ["--", "/bin/dash", "-c", "$TELLER main exit 0; sleep 600; exit 0"];
    let mut running = Container::lastout(&after, &words).start();
    after.wait_for("main started");
    running.signal(libc::SIGTERM);
    assert_eq!(running.wait(), 143);
}

#[test]
fn p12_the_engines_time_out_kills_and_with_it_told_everybody_was_asked_before() {
    if !available() {
        return;
    }
    let main = ["main", "spawn", "S", WORKER, "ignore", "TERM", "forever"];
    // The engine waits two seconds, then kills.
    let engine = |running: &mut Running| {
        let start = std::time::Instant::now();
        running.signal(libc::SIGTERM);
        while !running.has_ended() && start.elapsed() < std::time::Duration::from_secs(2) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let in_time = running.has_ended();
        if !in_time {
            running.signal(libc::SIGKILL);
        }
        (in_time, running.wait())
    };
    for (told, outcome) in [(false, (false, KILLED)), (true, (true, FINISHED))] {
        let story = Story::new();
        let option: &[&str] = if told { &["--stop-timeout", "2s"] } else { &[] };
        let words = [option, &["--", teller()], &main[..]].concat();
        let mut running = Container::lastout(&story, &words).start();
        story.wait_for("main started");
        let (in_time, code) = engine(&mut running);
        assert_eq!((in_time, worker(&story)), outcome, "{}", running.stderr());
        assert_eq!(code, 137);
    }
}

/// P15: what becomes of the worker and which exit code follows, for each habit of scripts.
#[test]
fn p15_a_script_that_traps_badly_loses_its_worker_before_and_not_after() {
    if !available() {
        return;
    }
    let worker_42 = "$TELLER worker take TERM 300 finish exit 42";
    for (variant, script, before, after) in [
        // (script, exit code and worker without lastout, the same with it)
        (
            "trap and one wait",
            "trap 'kill $P' TERM; {W} & P=$!; echo script waits >>$STORY; wait $P; exit $?",
            (143, (true, false)),
            (143, FINISHED),
        ),
        ("exec", "exec {W}", (42, FINISHED), (42, FINISHED)),
        (
            "wait twice",
            "trap 'kill $P' TERM; {W} & P=$!; echo script waits >>$STORY; wait $P; wait $P; exit $?",
            (42, FINISHED),
            (42, FINISHED),
        ),
    ] {
        let script = script.replace("{W}", worker_42);
        for (name, shell) in shells() {
            for (lastout, expected) in [(false, before), (true, after)] {
                let words = [&shell[1..], &[&script]].concat();
                let story = Story::new();
                let container = if lastout {
                    Container::lastout(&story, &[&["--", shell[0]], &words[..]].concat())
                } else {
                    Container::program(shell[0], &story, &words)
                };
                let mut running = container.start();
                story.wait_for("worker started");
                // A trap that runs before `P=$!` has nobody to kill, and one that runs before
                // `wait` does not interrupt it.
                if script.contains("waits") {
                    story.wait_for("script waits");
                    let shell = if lastout { 2 } else { 1 };
                    let sleeps = || {
                        let all = running.processes();
                        all.iter().any(|p| p.1 == shell && p.2 == 'S')
                    };
                    until(sleeps, || "the shell's wait".into());
                }
                running.signal(libc::SIGTERM);
                let code = running.wait();
                let became = (code, worker(&story));
                // Killed in the middle of its clean-up: whether it was asked in time is a race.
                let became =
                    if expected.1 == (true, false) { (code, (true, became.1.1)) } else { became };
                assert_eq!(became, expected, "{variant}, {name}, lastout: {lastout}");
            }
        }
    }
}

#[test]
fn p16_a_background_job_ignores_int_and_is_asked_with_term() {
    if !available() {
        return;
    }
    // A shell without job control starts `&` with INT ignored; the worker takes no signals
    // by waiting here, so that being ignored shows.
    let script = "(trap 'echo worker finished >>$STORY; exit 0' TERM; echo worker started >>$STORY; sleep 60 & wait) & \
                  sleep 60";
    let story = Story::new();
    // As Ctrl-C does: to the script and to what it runs in the foreground.
    let words = ["--forward", "group", "/bin/dash", "-c", script];
    let mut running = Container::lastout(&story, &words).start();
    story.wait_for("worker started");
    // A shell that has just forked takes a signal that its child should have had.
    let sleepers = || {
        let all = running.processes();
        let asleep = all.iter().filter(|p| p.2 == 'S').map(|p| p.0);
        let name = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        asleep.filter(|&pid| name(pid) == "sleep\n").count()
    };
    until(|| sleepers() == 2, || "both of the sleeps".into());
    running.signal(libc::SIGINT);
    assert_eq!(running.wait(), 130, "the script dies of INT");
    assert_eq!(story.count("worker finished"), 1, "and its background job is asked: TERM");
}

#[test]
fn p18_a_death_by_signal_is_128_and_the_signal_and_never_confused_inside() {
    if !available() {
        return;
    }
    for (how, value, code, told) in
        [("die", "TERM", 143, "reaped 2 signal TERM"), ("exit", "143", 143, "reaped 2 exit 143")]
    {
        let story = Story::new();
        let words = ["-v", teller(), "main", how, value];
        let mut running = Container::lastout(&story, &words).start();
        assert_eq!(running.wait(), code);
        assert!(running.stderr().contains(told), "{}", running.stderr());
    }
}

#[test]
fn the_shells_are_there() {
    for shell in ["/bin/dash", "/bin/bash"] {
        assert!(Path::new(shell).exists(), "{shell}");
    }
}
