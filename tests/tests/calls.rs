//! What the real binary does is what was decided: the system calls of whole lives, as ptrace(2) tells
//! them, against the steps of their records (`lastout_tests::calls`). And the comparison finds
//! out whatever is not so.
//!
//! Long, because a life is a test of its own, and what finds faults needs the same lives.

use lastout_core::{Pid, Signal};
use lastout_tests::calls::{Given, compare};
use lastout_tests::container::{Container, Pty, available, until};
use lastout_tests::story::Story;
use lastout_tests::tools;
use lastout_tests::trace::{Trace, Traced};

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// Nothing was blocked when it was started.
const OPEN: &str = "0000000000000000";

/// A life that is over, and was what was decided.
struct Life {
    code: i32,
    trace: Trace,
    record: String,
    /// Who was sent what, one by one.
    signalled: Vec<(Pid, Signal)>,
}

impl Life {
    /// How often such a call was made.
    fn count(&self, begin: &str) -> usize {
        self.trace.calls.iter().filter(|call| call.starts_with(begin)).count()
    }
}

/// Waits for the end and compares. All of `tells` has to be in the record: a life in which it
/// does not happen proves nothing about it.
#[track_caller]
fn compared(traced: Traced, tells: &[&str]) -> Life {
    let file = traced.record().to_str().expect("a readable path").to_owned();
    let (code, trace, record) = traced.ends();
    let given = Given { record: &file, mask: OPEN };
    let signalled = compare(&record, &trace, given).unwrap_or_else(|why| {
        panic!("{why}\n\n{record}\n{}\n\n{}", trace.calls.join("\n"), trace.child.join("\n"))
    });
    for told in tells {
        assert!(record.contains(told), "no {told:?} in\n{record}");
    }
    Life { code, trace, record, signalled }
}

/// lastout with these options and a teller named `main`, as PID 1.
fn traced(story: &Story, options: &[&str], script: &[&str]) -> Traced {
    let traced =
        Container::lastout(story, &[options, &[teller(), "main"], script].concat()).traced();
    story.wait_for("main started");
    traced
}

const WORKER: &str = "worker take TERM 100 finish exit 0";
const DEAF: &str = "deaf ignore TERM forever";
const SHORT: [&str; 4] = ["--drain-grace", "150ms", "--last-call", "100ms"];

// --------------------------------------------------------------------------------------- as PID 1

#[test]
fn a_start_and_an_end() {
    if !available() {
        return;
    }
    let story = Story::new();
    let life = compared(Container::lastout(&story, &["true"]).traced(), &["-> exit 0"]);
    assert_eq!(life.code, 0);
    let everybody = ["TERM", "CONT", "0"].map(|s| life.count(&format!("kill(-1, {s})")));
    assert_eq!(everybody, [1, 0, 0], "who asks everybody and finds nobody is alone");
    let last = life.trace.child.last().expect("its exec");
    assert!(last.contains("/true\") = 0"), "{last}");
}

#[test]
fn a_main_child_that_cannot_be_started() {
    if !available() {
        return;
    }
    for (command, code) in [("/no/such", 127), ("no-such", 127), ("/usr", 126)] {
        let story = Story::new();
        let life = compared(Container::lastout(&story, &[command]).traced(), &["spawn-failed"]);
        assert_eq!(life.code, code);
        assert_eq!((life.count("vfork()"), life.count("wait4(")), (1, 1));
        assert_eq!(life.trace.child.last().map(String::as_str), Some("exit_group(127)"));
    }
}

#[test]
fn signals_sent_on_rewritten_and_dropped() {
    if !available() {
        return;
    }
    let story = Story::new();
    let options = ["--rewrite", "HUP:QUIT", "--rewrite", "USR2:0"];
    let mut traced = traced(&story, &options, &["take", "TERM", "0", "exit", "9"]);
    traced.signal(libc::SIGUSR1);
    story.wait_for("main got USR1");
    traced.signal(libc::SIGHUP);
    story.wait_for("main asked QUIT");
    traced.signal(libc::SIGUSR2);
    traced.queue(libc::SIGRTMIN() + 3, 77);
    traced.queue(libc::SIGRTMIN() + 3, 78);
    traced.signal(libc::SIGWINCH);
    story.wait_for("main got WINCH");
    traced.signal(libc::SIGTERM);
    let tells = ["value 77", "value 78", "kill 2 QUIT", "signal USR2            -> wait"];
    let life = compared(traced, &tells);
    assert_eq!(life.code, 9);
    assert_eq!(life.count("rt_sigqueueinfo(2, RTMIN+3, -1 value 7"), 2);
    assert_eq!(life.count("kill(2, "), 4, "USR1, QUIT, WINCH, TERM");
}

#[test]
fn signals_for_the_group_and_for_everybody() {
    if !available() {
        return;
    }
    for (forward, told, call) in [
        ("group", "kill group 2 USR1", "kill(-2, USR1)"),
        ("all", "kill all USR1", "kill(-1, USR1)"),
    ] {
        let story = Story::new();
        let script = ["spawn", "G", WORKER, "take", "TERM", "0", "exit", "0"];
        let mut traced = traced(&story, &["--forward", forward], &script);
        story.wait_for("worker started");
        traced.signal(libc::SIGUSR1);
        story.wait_for("main got USR1");
        story.wait_for("worker got USR1");
        traced.signal(libc::SIGTERM);
        let life = compared(traced, &[told]);
        assert_eq!((life.code, life.count(call)), (0, 1));
    }
}

#[test]
fn orphans_that_are_reaped() {
    if !available() {
        return;
    }
    let story = Story::new();
    let options = ["--kernel-reaping", "off"];
    let script = ["orphans", "50", "take", "TERM", "0", "exit", "0"];
    let mut traced = traced(&story, &options, &script);
    story.wait_for("main made 50");
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["none-ready"]);
    assert_eq!(life.record.matches("\nreaped ").count(), 51, "{}", life.record);
}

/// Orphans, and then that. Not all at once: lastout is slow under ptrace(2), and one look would find
/// them all; nor so slowly that it settles after each. Then it is quiet for so long that it does.
fn storm(then: &[&'static str]) -> Vec<&'static str> {
    [
        ["orphans", "1", "sleep", "1"].repeat(200),
        vec!["sleep", "300", "tell", "ready"],
        then.to_vec(),
    ]
    .concat()
}

#[test]
fn a_storm_in_which_who_is_named_is_reaped_by_its_pid() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = storm(&["take", "TERM", "0", "exit", "3"]);
    let mut traced = traced(&story, &["--kernel-reaping", "off"], &script);
    story.wait_for("main ready");
    traced.signal(libc::SIGUSR1);
    story.wait_for("main got USR1");
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["signal CHLD from ", "-> settle", "settled"]);
    assert_eq!(life.code, 3);
    assert_eq!(life.record.matches("\nreaped ").count(), 201, "{}", life.record);
    let by_pid = life.trace.calls.iter().filter(|call| is_of_one(call)).count();
    assert!(by_pid > 5, "only {by_pid} by their pids");
    assert_eq!((life.count("kill(2, USR1)"), life.count("signalfd(")), (1, 0));
}

/// waitid(2) of one pid.
fn is_of_one(call: &str) -> bool {
    call.strip_prefix("waitid(").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_storm_in_which_the_kernel_reaps_to_the_main_childs_end() {
    if !available() {
        return;
    }
    for end in [["exit", "3"], ["die", "KILL"]] {
        let story = Story::new();
        let script = storm(&[&["until", "go"], &end[..]].concat());
        let traced = traced(&story, &[], &script);
        story.wait_for("main ready");
        story.release("go");
        // Linux 6.15, as for all of this.
        let life = compared(traced, &["-> prove 2", "-> kernel-reaps; reap", "\nreaped 2 "]);
        assert_eq!(life.code, if end[0] == "exit" { 3 } else { 137 });
        assert_eq!((life.count("pidfd_info("), life.count("signalfd(")), (2, 1));
        assert_eq!(
            (life.count("rt_sigaction(CHLD, 1)"), life.count("rt_sigaction(CHLD, 0)")),
            (1, 2)
        );
    }
}

/// It is killed just when a stop signal lets init take over: the kernel has reaped it then, most often
/// between two of lastout's calls, which are slow here; and its end must be told all the same.
#[test]
fn a_storm_in_which_the_main_child_ends_as_init_takes_over() {
    if !available() {
        return;
    }
    let mut untold = 0;
    for _ in 0..100 {
        let story = Story::new();
        let mut traced = traced(&story, &[], &storm(&["forever"]));
        story.wait_for("main ready");
        let record = traced.record().to_owned();
        let is_over = || std::fs::read_to_string(&record).is_ok_and(|text| text.contains("watch"));
        until(is_over, || "the kernel's reaping".into());
        // lastout's eldest child; it does not end by itself, so the number is its own.
        let lastout = traced.pid();
        let children = std::fs::read_to_string(format!("/proc/{lastout}/task/{lastout}/children"));
        let children = children.expect("/proc");
        let main: i32 = children.split(' ').next().expect("a child").parse().expect("a pid");
        traced.signal(libc::SIGTERM);
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::kill(main, libc::SIGKILL) }, 0);
        let life = compared(traced, &["-> kernel-reaps; reap", "\nreaped 2 signal KILL"]);
        assert_eq!(life.code, 137);
        let taken_over = |call: &&String| call.contains(", look) = ECHILD");
        untold += life.trace.calls.iter().filter(taken_over).count();
        if untold == 3 {
            return;
        }
    }
    panic!("it never ended in time: {untold}");
}

#[test]
fn a_storm_with_signals_while_the_kernel_reaps_to_the_first_stop_signal() {
    if !available() {
        return;
    }
    for (forward, usr1) in [("main", "USR1, 0, 0)"), ("group", "USR1, 0, 4)"), ("all", "")] {
        let story = Story::new();
        let script = storm(&["take", "TERM", "0", "exit", "5"]);
        let mut traced = traced(&story, &["--forward", forward], &script);
        story.wait_for("main ready");
        let record = traced.record().to_owned();
        let is_over = || std::fs::read_to_string(&record).is_ok_and(|text| text.contains("watch"));
        until(is_over, || "the kernel's reaping".into());
        traced.signal(libc::SIGUSR1);
        story.wait_for("main got USR1");
        traced.queue(libc::SIGRTMIN() + 3, 77);
        story.wait_for("main got 37");
        traced.signal(libc::SIGTERM);
        let life = compared(
            traced,
            &["signal USR1            -> kill ", "value 77", "-> init-reaps, kill "],
        );
        assert_eq!(life.code, 5);
        let sent = |what: &str| {
            life.trace
                .calls
                .iter()
                .filter(|c| c.starts_with("pidfd_send") && c.contains(what))
                .count()
        };
        // The proof sends nothing (signal 0), and kill(-1) needs no descriptor.
        assert_eq!(sent(usr1), 1);
        assert_eq!(sent("RTMIN+3, -1 value 77, 0)"), usize::from(forward == "main"));
        // Not by its number, until it is ours again.
        let by_number = |signal| {
            life.count(&format!("kill(2, {signal})")) + life.count(&format!("kill(-2, {signal})"))
        };
        assert_eq!([by_number("USR1"), by_number("RTMIN+3")], [0, 0]);
        assert_eq!(by_number("TERM"), usize::from(forward != "all"));
    }
}

#[test]
fn a_drain_with_one_who_is_asked_and_one_who_entered() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut traced = traced(&story, &[], &["spawn", "D", WORKER, "default", "TERM", "forever"]);
    story.wait_for("worker started");
    let script = ["entered", "take", "TERM", "300", "finish", "exit", "0"];
    let mut entered = traced.enter(&story, tools::teller(), &script);
    story.wait_for("entered started");
    traced.signal(libc::SIGTERM);
    assert_eq!(entered.wait(), 0);
    let life = compared(traced, &["kill all TERM, kill all CONT", "company", "alone"]);
    assert_eq!(
        (life.code, story.count("worker finished"), story.count("entered finished")),
        (143, 1, 1)
    );
    assert_eq!((life.count("kill(-1, TERM)"), life.count("kill(-1, CONT)")), (1, 1));
    // Somebody is there, and only /proc knows if that one is alive.
    assert!(life.count("openat(\"/proc\")") > 0);
}

#[test]
fn a_last_call_and_a_kill() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut traced =
        traced(&story, &SHORT, &["spawn", "D", DEAF, "take", "TERM", "0", "exit", "4"]);
    story.wait_for("deaf started");
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["say drain-grace-over", "say killing", "kill all KILL"]);
    assert_eq!(life.code, 4);
    assert_eq!(["TERM", "CONT", "KILL"].map(|s| life.count(&format!("kill(-1, {s})"))), [2, 2, 1]);
}

#[test]
fn a_main_child_that_oversleeps_the_share_of_a_stop_timeout() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut traced = traced(&story, &["--stop-timeout", "1s"], &["ignore", "TERM", "forever"]);
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["say stop-grace-over", "say killing"]);
    assert_eq!((life.code, life.count("kill(2, TERM)"), life.count("kill(-1, KILL)")), (137, 1, 1));
    // Every tick, one by one, and none when it is over.
    let ticks = life.record.matches("\nalarm").count();
    assert!((10..=24).contains(&ticks), "{ticks} ticks of 50 ms in a second\n{}", life.record);
}

#[test]
fn a_main_child_that_is_stopped_and_told_to_end() {
    if !available() {
        return;
    }
    let story = Story::new();
    let mut traced = traced(&story, &[], &["stop", "STOP", "take", "TERM", "0", "exit", "6"]);
    story.wait_for("main stopping");
    let record = traced.record().to_owned();
    let is_told = || std::fs::read_to_string(&record).is_ok_and(|text| text.contains("stopped 2"));
    until(is_told, || "the report of its stop".into());
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["stopped 2 STOP", "kill 2 TERM, kill 2 CONT"]);
    assert_eq!((life.code, life.count("kill(2, CONT)")), (6, 1));
}

#[test]
fn a_main_child_that_makes_lastout_its_tracer() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = ["traceme", "default", "USR1", "raise", "USR1", "forever"];
    let life = compared(traced(&story, &[], &script), &["trapped 2 USR1", "detach 2 USR1"]);
    assert_eq!((life.code, life.count("ptrace(detach, 2, USR1)")), (138, 1));
}

#[test]
fn job_control_on_a_terminal() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let words = [teller(), "main", "default", "TSTP", "take", "INT", "0", "exit", "8"];
    let traced = pty.given_to(Container::lastout(&story, &words)).traced();
    story.wait_for("main started");
    pty.types("\u{1a}");
    story.wait_for("main continued");
    pty.types("\u{3}");
    story.wait_for("main asked INT");
    let life =
        compared(traced, &[" terminal", "stopped 2 TSTP", "foreground 2, kill group 2 CONT"]);
    assert_eq!((life.code, life.count("kill(-2, CONT)")), (8, 1));
    assert!(life.trace.child.iter().any(|call| call == "tcsetpgrp(0, 2) = 0"));
    // At the end it has its terminal back.
    assert_eq!(life.count("tcsetpgrp(0, 1)"), 1);
}

// ------------------------------------------------------------------------------------- not as PID 1

#[test]
fn a_subreaper_that_sends_to_its_descendants_one_by_one() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = ["spawn", "D", WORKER, "spawn", "S", DEAF, "take", "TERM", "0", "exit", "5"];
    let words = [&SHORT[..], &[teller(), "main"], &script].concat();
    let mut traced = Container::below_pid1(&story, &words).traced();
    for name in ["main", "worker", "deaf"] {
        story.wait_for(&format!("{name} started"));
    }
    traced.signal(libc::SIGTERM);
    let life =
        compared(traced, &["role=subreaper", "kill descendants TERM", "kill descendants KILL"]);
    assert_eq!(life.code, 5);
    assert_eq!(life.count("kill(-"), 0, "S9");
    let pid = |name: &str| -> u32 {
        let told = story.wait_for(&format!("{name} started"));
        Story::value(&told, "pid").parse().expect("a pid")
    };
    let sent = |name: &str| -> Vec<Signal> {
        let to = pid(name);
        life.signalled.iter().filter(|(pid, _)| pid.number() == to).map(|sent| sent.1).collect()
    };
    let ask = [Signal::TERM, Signal::CONT];
    let (worker, deaf) = (sent("worker"), sent("deaf"));
    assert_eq!(deaf, [&ask[..], &ask, &[Signal::KILL]].concat());
    assert!(worker.starts_with(&ask), "{worker:?}");
    assert_eq!(worker.len() + deaf.len(), life.signalled.len(), "and nobody else, no bystander");
}

#[test]
fn a_subreaper_that_may_not_signal_a_descendant_does_not_send_to_its_number_either() {
    if !available() {
        return;
    }
    let story = Story::new();
    // Without CAP_KILL root may not signal another user's process (K66).
    let script = ["spawn", "D", "stranger user 1000 forever", "spawn", "D", WORKER];
    let end = ["take", "TERM", "0", "exit", "5"];
    let words = [&SHORT[..], &["--kill-grace", "100ms", teller(), "main"], &script, &end].concat();
    let mut traced = Container::below_pid1(&story, &words)
        .prepared(|| {
            // SAFETY: numbers only.
            let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, 5, 0, 0, 0) };
            if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        })
        .traced();
    for name in ["main", "worker", "stranger"] {
        story.wait_for(&format!("{name} started"));
    }
    traced.signal(libc::SIGTERM);
    let life = compared(traced, &["kill descendants TERM", "kill descendants KILL"]);
    assert_eq!((life.code, story.count("worker finished")), (5, 1));
    let stranger = story.wait_for("stranger started");
    let stranger = Story::value(&stranger, "pid");
    let is_refused =
        |call: &&String| call.starts_with("pidfd_send_signal(") && call.ends_with("= EPERM");
    let refused = life.trace.calls.iter().filter(is_refused).count();
    assert_eq!(refused, 5, "TERM and CONT, twice, and KILL");
    assert_eq!(life.count(&format!("kill({stranger}, ")), 0, "by number");
}

#[test]
fn job_control_where_somebody_could_have_continued_us() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let words = [teller(), "main", "default", "TSTP", "take", "INT", "0", "exit", "8"];
    let traced = pty.given_to(Container::below_pid1(&story, &words)).traced();
    story.wait_for("main started");
    pty.types("\u{1a}");
    story.wait_for("main continued");
    pty.types("\u{3}");
    story.wait_for("main asked INT");
    let life = compared(traced, &["role=subreaper", " terminal", "stop-self, foreground 4"]);
    assert_eq!((life.code, life.count("kill(0, TSTP)")), (8, 1));
}

#[test]
fn no_process_to_be_had() {
    if !available() {
        return;
    }
    let story = Story::new();
    // The limit of processes counts only for others than root.
    let container = Container::lastout(&story, &["true"]).with(|command| {
        std::os::unix::process::CommandExt::uid(command, 64_322);
    });
    let limited = container.without_mounts().prepared(|| {
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        // SAFETY: the structure is ours.
        let result = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    });
    let life = compared(limited.traced(), &["spawn-failed"]);
    assert_eq!((life.code, life.trace.child.len()), (125, 0));
}

// --------------------------------------------------------------------------- it finds out what is not so

/// A life with a signal, a drain, a last call, a kill: what it was decided to be, and what it did.
fn a_life() -> Option<(String, Trace, String)> {
    if !available() {
        return None;
    }
    let story = Story::new();
    let mut traced =
        traced(&story, &SHORT, &["spawn", "D", DEAF, "take", "TERM", "0", "exit", "4"]);
    story.wait_for("deaf started");
    traced.queue(libc::SIGRTMIN(), 7);
    story.wait_for("main got 34");
    traced.signal(libc::SIGTERM);
    let file = traced.record().to_str().expect("a readable path").to_owned();
    let (_, trace, record) = traced.ends();
    Some((record, trace, file))
}

/// The line that says what was found.
fn found(record: &str, calls: &[String], child: &[String], file: &str) -> Option<String> {
    let trace = Trace { calls: calls.to_vec(), child: child.to_vec() };
    let why = compare(record, &trace, Given { record: file, mask: OPEN }).err()?;
    Some(why.lines().next().unwrap_or_default().to_owned())
}

/// Going through /proc may take one reading more or less: files are read, and nobody notices.
fn is_prescribed(calls: &[String], at: usize) -> bool {
    let begins = |call: &str, begin: &str| call.starts_with(begin);
    let list = |call: &String| begins(call, "readlinkat(\"/proc/self\")");
    let Some(from) = calls[..=at].iter().rposition(list) else {
        return true;
    };
    // The descriptor of /proc is the third's answer.
    let directory = calls[from + 2].rsplit_once(" = ").expect("an answer").1;
    let end = format!("close({directory}) = 0");
    let until = from + calls[from..].iter().position(|call| *call == end).expect("its end");
    at <= from + 2 || at >= until
}

#[test]
fn a_life_that_lacks_a_call_or_has_it_twice_is_found_out() {
    let Some((record, trace, file)) = a_life() else {
        return;
    };
    assert_eq!(found(&record, &trace.calls, &trace.child, &file), None);
    let mut tried = 0;
    for at in 0..trace.calls.len() {
        if !is_prescribed(&trace.calls, at) {
            continue;
        }
        tried += 1;
        let (mut less, mut more) = (trace.calls.clone(), trace.calls.clone());
        let call = less.remove(at);
        more.insert(at, call.clone());
        assert!(found(&record, &less, &trace.child, &file).is_some(), "without call {at}: {call}");
        assert!(found(&record, &more, &trace.child, &file).is_some(), "twice call {at}: {call}");
    }
    for at in 0..trace.child.len() {
        let (mut less, mut more) = (trace.child.clone(), trace.child.clone());
        let call = less.remove(at);
        more.insert(at, call.clone());
        assert!(found(&record, &trace.calls, &less, &file).is_some(), "the child without {call}");
        assert!(found(&record, &trace.calls, &more, &file).is_some(), "the child twice {call}");
    }
    assert!(tried > 50, "only {tried}");
}

/// A life in which the kernel reaps, a signal is sent on, and it is taken back.
fn a_storm() -> Option<(String, Trace, String)> {
    if !available() {
        return None;
    }
    let story = Story::new();
    let script = storm(&["take", "TERM", "0", "exit", "4"]);
    let mut traced = traced(&story, &[], &script);
    story.wait_for("main ready");
    let file = traced.record().to_str().expect("a readable path").to_owned();
    let is_over = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("watch"));
    until(is_over, || "the kernel's reaping".into());
    traced.queue(libc::SIGRTMIN(), 7);
    story.wait_for("main got 34");
    traced.signal(libc::SIGTERM);
    let (_, trace, record) = traced.ends();
    Some((record, trace, file))
}

#[test]
fn a_storm_that_lacks_a_call_or_has_it_twice_or_another_is_found_out() {
    let Some((record, trace, file)) = a_storm() else {
        return;
    };
    assert_eq!(found(&record, &trace.calls, &trace.child, &file), None);
    for at in 0..trace.calls.len() {
        let (mut less, mut more) = (trace.calls.clone(), trace.calls.clone());
        let call = less.remove(at);
        more.insert(at, call.clone());
        assert!(found(&record, &less, &trace.child, &file).is_some(), "without call {at}: {call}");
        // To watch once more is to have been woken by nothing.
        let again = ["ppoll(", "rt_sigtimedwait("].iter().any(|begin| call.starts_with(begin));
        let why = found(&record, &more, &trace.child, &file);
        assert!(why.is_some() || again, "twice call {at}: {call}");
    }
    for (from, to) in [
        ("rt_sigaction(CHLD, 1)", "rt_sigaction(CHLD, 0)"),
        ("pidfd_open(2)", "pidfd_open(3)"),
        ("signalfd(all)", "signalfd(0000000000004000)"),
        (", 0, 0, 0) = 0", ", TERM, 0, 0) = 0"),
        (" for 0, -1 for 1, 0) = reaped", " for 0, -1 for 1, forever) = reaped"),
        (", exit) = exit 0", ", exit) = exit 1"),
        (", exit) = exit 0", ", exit) = nothing"),
        ("RTMIN, -1 value 7, 0)", "RTMIN, -1 value 8, 0)"),
        ("RTMIN, -1 value 7, 0)", "RTMIN, -1 value 7, 4)"),
        (", end) = reaped", ", end) = stopped"),
        (", look) = nothing", ", look) = ECHILD"),
        ("waitid(look) = reaped ", "waitid(look) = reaped 1"),
        (" for 1, forever) = signal", " for 1, 0) = signal"),
        (" for 1, forever) = signal", " for 1, forever) = reaped"),
        ("rt_sigtimedwait(all, 0)", "rt_sigtimedwait(all, forever)"),
        ("rt_sigtimedwait(all, 20000000)", "rt_sigtimedwait(all, 20000001)"),
        ("signal CHLD from ", "signal CHLD from 1"),
    ] {
        let mut calls = trace.calls.clone();
        // The last one: before the storm nobody is asked whom a CHLD names.
        let call = calls.iter_mut().rfind(|call| call.contains(from));
        let call = call.unwrap_or_else(|| panic!("no {from} in\n{}", trace.calls.join("\n")));
        *call = call.replacen(from, to, 1);
        assert!(found(&record, &calls, &trace.child, &file).is_some(), "{from} as {to}");
    }
}

#[test]
fn a_life_with_a_call_that_nobody_decided_is_found_out_wherever_it_is() {
    let Some((record, trace, file)) = a_life() else {
        return;
    };
    for strange in ["kill(3, TERM) = 0", "getppid() = 0", "syscall 39(0, 0, 0, 0, 0, 0) = 1"] {
        for at in 0..=trace.calls.len() {
            let mut more = trace.calls.clone();
            more.insert(at, strange.to_owned());
            let why = found(&record, &more, &trace.child, &file);
            assert!(why.is_some(), "{strange} as call {at}");
        }
    }
}

/// What is changed in one call, and what has to be found.
#[test]
fn a_life_with_another_pid_signal_value_time_or_code_is_found_out_and_named() {
    let Some((record, trace, file)) = a_life() else {
        return;
    };
    for (from, to) in [
        ("kill(2, TERM)", "kill(3, TERM)"),
        ("kill(2, TERM)", "kill(2, INT)"),
        ("kill(2, TERM)", "kill(-2, TERM)"),
        ("kill(-1, CONT)", "kill(-1, TERM)"),
        ("kill(-1, KILL)", "kill(-2, KILL)"),
        ("kill(-1, 0)", "kill(-1, CONT)"),
        ("-1 value 7)", "-1 value 8)"),
        ("rt_sigqueueinfo(2,", "rt_sigqueueinfo(3,"),
        ("exit_group(4)", "exit_group(5)"),
        ("rt_sigtimedwait(all, forever)", "rt_sigtimedwait(all, 50000000)"),
        ("rt_sigtimedwait(all, forever)", "rt_sigtimedwait(0000000000004000, forever)"),
        ("= signal TERM", "= signal INT"),
        ("= reaped 2 exit 4", "= reaped 2 exit 5"),
        ("= reaped 2 exit 4", "= reaped 3 exit 4"),
        ("= nothing", "= ECHILD"),
        ("rt_sigaction(CHLD, 0)", "rt_sigaction(CHLD, 1)"),
        ("rt_sigprocmask(all)", "rt_sigprocmask(0000000000004000)"),
        ("getpid() = 1", "getpid() = 7"),
        ("vfork() = 2", "vfork() = 3"),
        ("chdir(\"/\")", "chdir(\"/tmp\")"),
        ("-> exit 4\\n", "-> exit 5\\n"),
        ("\"lastout: the drain grace", "\"lastout: the rain grace"),
    ] {
        let mut calls = trace.calls.clone();
        let call = calls.iter_mut().find(|call| call.contains(from));
        let call = call.unwrap_or_else(|| panic!("no {from} in\n{}", trace.calls.join("\n")));
        *call = call.replacen(from, to, 1);
        assert!(found(&record, &calls, &trace.child, &file).is_some(), "{from} as {to}");
    }
    // The clock: an alarm that is waited for too long, by a nanosecond, and one too early.
    let waits =
        |call: &&mut String| call.starts_with("rt_sigtimedwait(all, ") && !call.contains("forever");
    for by in [1, -1] {
        let mut calls = trace.calls.clone();
        let call = calls.iter_mut().find(waits).expect("an alarm that is waited for");
        let rest = call.strip_prefix("rt_sigtimedwait(all, ").expect("its limit");
        let (limit, answer) = rest.split_once(')').expect("a bracket");
        let limit = limit.parse::<i64>().expect("ns") + by;
        *call = format!("rt_sigtimedwait(all, {limit}){answer}");
        assert!(found(&record, &calls, &trace.child, &file).is_some(), "by {by} ns");
    }
    for (from, to) in [
        ("setpgid(0, 0)", "setpgid(0, 1)"),
        ("rt_sigprocmask(0000000000000000)", "rt_sigprocmask(all)"),
    ] {
        let child: Vec<_> = trace.child.iter().map(|call| call.replace(from, to)).collect();
        assert_ne!(child, trace.child);
        assert!(found(&record, &trace.calls, &child, &file).is_some(), "{from} as {to}");
    }
}
