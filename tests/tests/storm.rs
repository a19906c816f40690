//! Storms: very many orphans end, one after the other or all at once. lastout reaps them by their
//! pids, or lets the kernel reap; whoever looks from outside sees no zombies and the exact exit
//! code, whatever the kernel can do or a profile refuses.
//!
//! Where the kernel does not tell how a reaped process ended (K109, Linux before 6.15) lastout reaps,
//! and that must be in its record then.

use std::fs;
use std::time::{Duration, Instant};

use lastout_tests::container::{Container, Pty, Running, available, until};
use lastout_tests::seccomp::{Filter, Refusal};
use lastout_tests::story::Story;
use lastout_tests::tools;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn teller() -> &'static str {
    tools::teller().to_str().expect("a readable path")
}

/// Does this kernel tell how a process ended that it has reaped?
fn kernel_tells() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("its version");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().expect("two numbers").expect("a number");
    (next(), next()) >= (6, 15)
}

/// How lastout is started.
type Start = fn(&Story, &[&str]) -> Container;
const STARTS: [Start; 2] = [Container::lastout, Container::below_pid1];

/// With these options and a teller named `main`.
fn container(start: Start, story: &Story, options: &[&str], script: &[&str]) -> Container {
    start(story, &[options, &[teller(), "main"], script].concat())
}

/// Waits until the record has that.
#[track_caller]
fn until_recorded(container: &Running, text: &str) {
    until(|| container.record().contains(text), || format!("no {text:?}: {}", container.record()));
}

/// The number of the record's main child, in its own namespace.
fn main_child(record: &str) -> i32 {
    let spawned = record.lines().find_map(|line| line.strip_prefix("spawned "));
    let pid = spawned.and_then(|rest| rest.split(' ').next()).expect("a start");
    pid.parse().expect("a pid")
}

/// lastout's pid, as this test sees it: the parent of its main child.
fn lastout(container: &Running) -> i32 {
    let main = container.outside(main_child(&container.record()));
    let stat = fs::read_to_string(format!("/proc/{main}/stat")).expect("the main child");
    let (_, rest) = stat.rsplit_once(") ").expect("its name");
    rest.split(' ').nth(1).expect("its parent").parse().expect("a pid")
}

/// Sends lastout TERM. Its number is its own: its main child is there, and nobody reaps it before.
fn ask(container: &Running) {
    kill(Pid::from_raw(lastout(container)), Signal::SIGTERM).expect("TERM");
}

/// How many descriptors it has open. With stdin, stdout, stderr and the record it has 4.
fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count()
}

#[track_caller]
fn no_zombies(container: &Running) {
    let zombies = || container.processes().into_iter().filter(|process| process.2 == 'Z').count();
    until(|| zombies() == 0, || format!("{} zombies\n{}", zombies(), container.record()));
}

/// Waits until the storm is under way: the kernel reaps, or lastout does, as this kernel has it.
#[track_caller]
fn until_storm(container: &Running) {
    until_recorded(container, if kernel_tells() { "-> watch " } else { "-> settle" });
}

// ------------------------------------------------------------------------------ the kernel reaps

#[test]
fn five_hundred_orphans_leave_no_zombie_and_the_main_childs_end_is_told_exactly() {
    if !available() {
        return;
    }
    let ends = [
        (["exit", "0"], 0, "exit 0"),
        (["exit", "3"], 3, "exit 3"),
        (["exit", "255"], 255, "exit 255"),
        (["die", "TERM"], 143, "signal TERM"),
        (["die", "KILL"], 137, "signal KILL"),
        (["die", "SEGV"], 139, "signal SEGV"),
        (["die", "34"], 162, "signal RTMIN"),
    ];
    for start in STARTS {
        for (end, code, told) in ends {
            let story = Story::new();
            let script = [&["orphans", "500", "until", "go"][..], &end].concat();
            let mut container = container(start, &story, &[], &script).start();
            story.wait_for("main made 500");
            until_storm(&container);
            no_zombies(&container);
            story.release("go");
            assert_eq!(container.wait(), code, "{}", container.record());
            let record = container.record();
            let main = main_child(&record);
            assert!(record.contains(&format!("\nreaped {main} {told}")), "{record}");
            assert_eq!(record.contains("\nproven "), kernel_tells(), "{record}");
            assert_eq!(record.contains("-> kernel-reaps; reap"), kernel_tells(), "{record}");
            assert_eq!(record.contains("-> init-reaps, "), kernel_tells(), "{record}");
        }
    }
}

/// Found by a review: ppoll(2) refuses two descriptors where only one file may be open.
#[test]
fn whoever_lowers_the_limit_of_files_makes_lastout_neither_spin_nor_lose_an_end() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = ["orphans", "500", "until", "go", "exit", "3"];
    let mut container = container(Container::lastout, &story, &[], &script).start();
    story.wait_for("main made 500");
    until_storm(&container);
    let init = lastout(&container);
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &init.to_string(), "--nofile=1:1"])
        .status();
    assert!(limited.expect("util-linux is installed").success());
    // It waits anew, and may not.
    kill(Pid::from_raw(init), Signal::SIGWINCH).expect("WINCH");
    until_recorded(&container, "signal WINCH");
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{init}/stat")).expect("it runs");
        let (_, rest) = stat.rsplit_once(") ").expect("its name");
        rest.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    };
    let before: u64 = used();
    std::thread::sleep(Duration::from_secs(1));
    let used = used() - before;
    // Of a hundred ticks.
    assert!(used < 20, "{used} ticks in a second");
    story.release("go");
    assert_eq!(container.wait(), 3, "{}", container.record());
}

#[test]
fn a_stopped_main_child_is_woken_by_term_also_if_its_stop_was_not_announced() {
    if !available() {
        return;
    }
    for start in STARTS {
        let story = Story::new();
        let script =
            ["orphans", "500", "until", "go", "stop", "STOP", "take", "TERM", "0", "exit", "6"];
        let mut container = container(start, &story, &[], &script).start();
        story.wait_for("main made 500");
        until_storm(&container);
        story.release("go");
        let main = main_child(&container.record());
        let stands_still = || container.processes().iter().any(|p| (p.1, p.2) == (main, 'T'));
        until(stands_still, || format!("{:?}", container.processes()));
        if !kernel_tells() {
            until_recorded(&container, &format!("stopped {main} STOP"));
        }
        ask(&container);
        assert_eq!(container.wait(), 6, "{}", container.record());
        assert_eq!(story.count("main resumed"), 1);
        let record = container.record();
        let told = format!("-> init-reaps, kill {main} TERM; reap\nstopped {main} STOP");
        assert_eq!(record.contains(&told), kernel_tells(), "{record}");
    }
}

#[test]
fn signals_arrive_while_the_kernel_reaps_with_their_values_and_at_the_group() {
    if !available() {
        return;
    }
    for group in [false, true] {
        let story = Story::new();
        let options: &[&str] = if group { &["--forward", "group"] } else { &[] };
        let script = [
            "spawn",
            "G",
            "worker take TERM 0 exit 0",
            "orphans",
            "500",
            "take",
            "TERM",
            "0",
            "exit",
            "5",
        ];
        let mut container = container(Container::lastout, &story, options, &script).start();
        story.wait_for("main made 500");
        until_storm(&container);
        container.signal(libc::SIGUSR1);
        story.wait_for("main got USR1");
        // Sent to a group a signal has no value, as ever.
        for value in [7, 8] {
            container.queue(libc::SIGRTMIN(), value);
            let (all, one) = ("main got 34".to_owned(), format!("main got 34 value={value}"));
            if group {
                story.wait_for_count(&all, value - 6)
            } else {
                vec![story.wait_for(&one)]
            };
        }
        if group {
            story.wait_for("worker got USR1");
            story.wait_for_count("worker got 34", 2);
        }
        assert!(!container.record().contains("init-reaps"), "no stop signal has come");
        container.signal(libc::SIGTERM);
        assert_eq!(container.wait(), 5);
        assert_eq!(story.count("main asked TERM"), 1);
        assert_eq!(story.count("worker got USR1"), usize::from(group));
        assert_eq!(story.count("worker asked TERM"), 1);
    }
}

#[test]
fn two_descriptors_are_open_while_the_kernel_reaps_and_none_of_them_afterwards() {
    if !available() {
        return;
    }
    for start in STARTS {
        let story = Story::new();
        let script = ["orphans", "500", "take", "TERM", "0", "until", "go", "exit", "4"];
        let mut container = container(start, &story, &[], &script).start();
        story.wait_for("main made 500");
        until_storm(&container);
        let lastout = lastout(&container);
        assert_eq!(descriptors(lastout), if kernel_tells() { 6 } else { 4 });
        ask(&container);
        story.wait_for("main asked TERM");
        until(|| descriptors(lastout) == 4, || format!("{} are open", descriptors(lastout)));
        story.release("go");
        assert_eq!(container.wait(), 4);
    }
}

// -------------------------------------------------------------------------------- lastout reaps

/// Nobody proves anything, who is named is reaped by its pid, and nothing is lost.
#[track_caller]
fn init_reaps(container: &mut Running, story: &Story, code: i32) {
    story.wait_for("main made 500");
    no_zombies(container);
    until_recorded(container, "\nsettled");
    story.release("go");
    assert_eq!(container.wait(), code, "{}", container.record());
    let record = container.record();
    assert!(!record.contains("kernel-reaps") && !record.contains("watch"), "{record}");
    assert!(record.contains("\nsignal CHLD from "), "{record}");
    assert!(record.lines().any(|line| line.contains("-> reap ")), "nobody by its pid\n{record}");
    let reaped = record.matches("\nreaped ").count();
    assert_eq!(reaped, 501, "{record}");
}

#[test]
fn with_kernel_reaping_off_who_is_named_is_reaped_by_its_pid_and_nobody_is_left() {
    if !available() {
        return;
    }
    for start in STARTS {
        let story = Story::new();
        let script = ["orphans", "500", "until", "go", "exit", "3"];
        let mut container = container(start, &story, &["--kernel-reaping", "off"], &script).start();
        init_reaps(&mut container, &story, 3);
        assert!(!container.record().contains("prove"), "{}", container.record());
    }
}

#[test]
fn the_variable_turns_it_off_too() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = ["orphans", "500", "until", "go", "exit", "3"];
    let container = container(Container::lastout, &story, &[], &script);
    let mut container = container
        .with(|command| {
            command.env("LASTOUT_KERNEL_REAPING", "off");
        })
        .start();
    init_reaps(&mut container, &story, 3);
}

#[test]
fn the_kernel_never_reaps_with_a_terminal() {
    if !available() {
        return;
    }
    let story = Story::new();
    let pty = Pty::new();
    let script = ["orphans", "500", "until", "go", "exit", "3"];
    let container = container(Container::lastout, &story, &[], &script);
    let mut container = pty.given_to(container).start();
    init_reaps(&mut container, &story, 3);
    assert!(!container.record().contains("prove"), "{}", container.record());
}

#[test]
fn a_main_child_that_ends_in_the_midst_of_a_storm_is_noticed_at_once() {
    if !available() {
        return;
    }
    for options in [&["--kernel-reaping", "off"][..], &[]] {
        let story = Story::new();
        let maker = "maker orphans 1000000 exit 0";
        let script = ["spawn", "S", maker, "until", "go", "exit", "9"];
        let options = [options, &["--drain-grace", "0"]].concat();
        let mut container = container(Container::lastout, &story, &options, &script).start();
        until_recorded(&container, "-> settle");
        let start = Instant::now();
        story.release("go");
        assert_eq!(container.wait(), 9);
        // A hundred times of what it takes, and much less than the storm does.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn a_storm_while_draining_is_waited_for_and_its_maker_asked() {
    if !available() {
        return;
    }
    for options in [&["--kernel-reaping", "off"][..], &[]] {
        let story = Story::new();
        let maker = "maker orphans 3000 take TERM 0 finish exit 0";
        let script = ["spawn", "S", maker, "orphans", "100", "exit", "9"];
        let options = [options, &["--drain-grace", "100s"]].concat();
        let mut container = container(Container::lastout, &story, &options, &script).start();
        assert_eq!(container.wait(), 9, "{}", container.record());
        assert_eq!(story.count("maker asked TERM"), 1);
        assert_eq!(story.count("maker finished"), 1);
        assert!(!container.record().contains("say "), "{}", container.record());
    }
}

// ------------------------------------------------------------------------------------- refused

#[test]
fn where_any_part_of_the_proof_is_refused_lastout_reaps_and_keeps_nothing_open() {
    if !available() {
        return;
    }
    let calls = [
        // PIDFD_GET_INFO has this bit, and no request of a terminal.
        (libc::SYS_ioctl, Some((1, 1 << 31))),
        (libc::SYS_pidfd_open, None),
        (libc::SYS_pidfd_send_signal, None),
        (libc::SYS_signalfd4, None),
        (libc::SYS_ppoll, None),
        // P_PIDFD, not P_ALL and not P_PID.
        (libc::SYS_waitid, Some((0, 2))),
    ];
    for (call, only_with) in calls {
        for errno in [libc::ENOSYS, libc::EPERM, libc::EINVAL] {
            let story = Story::new();
            let script = ["orphans", "500", "until", "go", "exit", "3"];
            let mut filter = Filter::new(&[Refusal { call, only_with, errno }]);
            let container = container(Container::lastout, &story, &[], &script);
            let mut container = container.prepared(move || filter.install()).start();
            story.wait_for("main made 500");
            until_recorded(&container, "prove 2");
            no_zombies(&container);
            let open = descriptors(lastout(&container));
            assert_eq!(open, 4, "without {call}: {}", container.record());
            init_reaps(&mut container, &story, 3);
            // Once is enough; where nobody was dead that was no try.
            let record = container.record();
            let tried = record.matches("-> prove 2\nreaped ").count();
            assert_eq!(tried, 1, "without {call}: {record}");
        }
    }
}

#[test]
fn who_is_named_is_reaped_also_where_waitid_does_not_know_wall() {
    if !available() {
        return;
    }
    let story = Story::new();
    let script = ["orphans", "500", "until", "go", "exit", "3"];
    let options = ["--kernel-reaping", "off"];
    let wall = Refusal {
        call: libc::SYS_waitid,
        only_with: Some((3, libc::__WALL.cast_unsigned())),
        errno: libc::EINVAL,
    };
    let mut filter = Filter::new(&[wall]);
    let container = container(Container::lastout, &story, &options, &script);
    let mut container = container.prepared(move || filter.install()).start();
    init_reaps(&mut container, &story, 3);
}

// --------------------------------------------------------------------------------------- races

/// Why the lives of races are not recorded.
const RACE: &str = "hundreds of orphans, of which a record would have each";

#[test]
fn no_exit_code_is_lost_when_the_main_child_ends_among_orphans_that_do() {
    if !available() {
        return;
    }
    for life in 0..200 {
        let story = Story::new();
        let (count, code) = ((life % 50).to_string(), (life % 256).to_string());
        // With a drain the storm ends, and the kernel gives back what it reaps; without one all end.
        let drains = life % 4 < 2;
        let made = if drains { "maker orphans 200 exit 0" } else { "maker orphans 1000000 exit 0" };
        let script = ["spawn", "S", made, "orphans", &count, "exit", &code];
        let reaping: &[&str] = if life % 2 == 0 { &[] } else { &["--kernel-reaping", "off"] };
        let grace: &[&str] = if drains { &[] } else { &["--drain-grace", "0"] };
        let options = [reaping, grace].concat();
        let container = container(Container::lastout, &story, &options, &script);
        let mut container = container.unrecorded(RACE).start();
        assert_eq!(container.wait().to_string(), code, "life {life}: {}", container.stderr());
    }
}

#[test]
fn no_exit_code_is_lost_when_a_stop_signal_comes_as_the_main_child_ends() {
    if !available() {
        return;
    }
    for life in 0..200_u32 {
        let story = Story::new();
        let code = (life % 256).to_string();
        let script = ["orphans", "40", "tell", "ready", "until", "go", "exit", &code];
        let container = container(Container::lastout, &story, &[], &script);
        let mut container = container.unrecorded(RACE).start();
        story.wait_for("main ready");
        // It looks for that every 5 ms.
        story.release("go");
        std::thread::sleep(Duration::from_micros(u64::from(life) * 25));
        if !container.has_ended() {
            container.signal(libc::SIGTERM);
        }
        assert_eq!(container.wait().to_string(), code, "life {life}: {}", container.stderr());
    }
}
