//! How an init's work grows with the number of processes: reaping N orphans that are all there and
//! end together, and, lastout's own work, asking N that sleep, from TERM until it has left. In both
//! roles: as PID 1, where everybody is reached by one kill(2), and as a subreaper below another PID 1
//! (ours), where the descendants are looked for in /proc. What counts is the init's own processor
//! time for each process; it should not depend on N.
//!
//! The processes are as small as can be (`orphans.rs`), but 100,000 of them need as many pids: if
//! `kernel.pid_max` is too low, it is raised for as long as that takes. A process of ours, which ends
//! after us however we end, puts it back.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Setting;
use crate::contenders::{Contender, REFERENCE};
use crate::shared::{Memory, wait_for};
use crate::stage::{
    Launch, Pid, cpu_at_end, cpu_ns, end, ends_within, kill, now_ns, pause, proc_value, reap,
};
use crate::storm;
use crate::table::{Cell, Findings, Table};

const NUMBERS: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// Rounds for each of them; the medians count.
const ROUNDS: [usize; 4] = [5, 3, 3, 1];
/// Whatever took longer is not done with ten times as many.
const TOO_LONG: Duration = Duration::from_secs(15);
/// And so long it may take at most.
const PATIENCE: Duration = Duration::from_mins(1);
/// An upper bound for what the kernel holds for one of these processes.
const KIB_EACH: f64 = 48.0;
const PID_MAX: &str = "/proc/sys/kernel/pid_max";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Pid1,
    Subreaper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Reaping,
    Asking,
}

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let numbers = if setting.quick { &NUMBERS[..2] } else { &NUMBERS[..] };
    let _kept = numbers.last().and_then(|&most| PidMax::raise(most + 2_000));
    for work in [Work::Reaping, Work::Asking] {
        for role in [Role::Pid1, Role::Subreaper] {
            table(setting, findings, work, role, numbers);
        }
    }
}

fn table(setting: &Setting, findings: &mut Findings, work: Work, role: Role, numbers: &[usize]) {
    let whose = match role {
        Role::Pid1 => "as PID 1",
        Role::Subreaper => "as a subreaper",
    };
    let (title, about) = match work {
        Work::Reaping => (
            format!("Growth: reaping N orphans that end together, {whose}"),
            "µs of the init's processor time for each.",
        ),
        Work::Asking => (
            format!("Growth: asking N processes, {whose}"),
            "µs of the init's processor time for each, from TERM until it has left; and how long \
             that took.",
        ),
    };
    let mut columns: Vec<String> = numbers.iter().map(|n| format!("N = {n}, µs")).collect();
    if work == Work::Asking {
        columns.extend(numbers.iter().map(|n| format!("{n}: ms")));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&title, about, &columns);
    for init in setting.contenders.iter().filter(|init| takes_part(init, work, role)) {
        let mut micros = Vec::new();
        let mut millis = Vec::new();
        let mut too_long = None;
        for (&number, &rounds) in numbers.iter().zip(&ROUNDS) {
            // To make them takes many seconds; the shape of the others' growth is seen before.
            let is_ours_alone = !init.is_ours() && number > 10_000;
            if is_ours_alone {
                micros.push(Cell::Number(f64::NAN, 0));
                continue;
            }
            if let Some(why) = too_long.clone().or_else(|| lacks(number)) {
                println!("!! {title}: {} with {number} is LEFT OUT: {why}", init.name);
                micros.push(Cell::Number(f64::NAN, 0));
                millis.push(Cell::Number(f64::NAN, 0));
                continue;
            }
            let start = Instant::now();
            let rounds = if setting.quick { 1 } else { rounds };
            let all: Vec<(f64, f64)> =
                (0..rounds).map(|_| once(setting, init, work, role, number)).collect();
            let each: Vec<f64> = all.iter().map(|(cpu_us, _)| cpu_us / number as f64).collect();
            let took: Vec<f64> = all.iter().map(|(_, ms)| *ms).collect();
            micros.push(Cell::Number(crate::table::median(&each), 3));
            millis.push(Cell::Number(crate::table::median(&took), 1));
            let one = start.elapsed() / u32::try_from(rounds).expect("few");
            if one > TOO_LONG {
                too_long = Some(format!("{number} took {:.0} s", one.as_secs_f64()));
            }
        }
        if work == Work::Asking {
            micros.extend(millis);
        }
        table.row(init.name, micros);
    }
    findings.table(table);
}

/// The others reap alike and ask nobody; and not all of them can be subreapers.
fn takes_part(init: &Contender, work: Work, role: Role) -> bool {
    let reaps = work == Work::Reaping && init.name == REFERENCE;
    (init.is_ours() || reaps) && (role == Role::Pid1 || init.subreaper.is_some())
}

/// Why so many cannot be made here.
fn lacks(number: usize) -> Option<String> {
    let needed = number as f64 * KIB_EACH;
    let there = proc_value("/proc/meminfo", "MemAvailable:");
    let limit = |file: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.trim().parse::<usize>().unwrap_or(0)
    };
    let at_most = limit(PID_MAX).min(limit("/proc/sys/kernel/threads-max"));
    if there < needed {
        Some(format!("it may need {:.0} MiB of memory", needed / 1024.0))
    } else if at_most < number + 1_000 {
        Some(format!("pid_max or threads-max is {at_most}"))
    } else {
        None
    }
}

/// µs of the init's processor time, and ms of everybody's.
fn once(setting: &Setting, init: &Contender, work: Work, role: Role, number: usize) -> (f64, f64) {
    if work == Work::Reaping && role == Role::Pid1 {
        let shown = storm::blow(setting, init, (number, 0), true);
        return (shown.cpu_us, shown.wall_ms);
    }
    let memory = Memory::new();
    let command = match work {
        Work::Reaping => setting.role("burst", memory.fd(), number, 0),
        Work::Asking => setting.role("sleepers", memory.fd(), number, 0),
    };
    let first = start(setting, init, role, &memory, &command);
    let ready = wait_for(&memory.ready, 0, Duration::from_mins(5));
    assert!(ready, "{}: {number} processes are not made", init.name);
    let pid = match role {
        Role::Pid1 => first,
        Role::Subreaper => only_child(first),
    };
    if work == Work::Reaping {
        let shown = storm::watch(&memory, pid, init.name);
        reap(first);
        return (shown.cpu_us, shown.wall_ms);
    }
    pause(50);
    let before = cpu_ns(pid);
    let since = now_ns();
    kill(pid, libc::SIGTERM);
    let ended = ends_within(first, PATIENCE);
    let (after, left_at) = match role {
        Role::Pid1 => (cpu_at_end(first), now_ns()),
        // Its parent has looked; what the kernel does when that ends is not the init's.
        Role::Subreaper => {
            (memory.took_ns.load(Ordering::SeqCst), memory.handled_at.load(Ordering::SeqCst))
        }
    };
    let took = (left_at - since) as f64 / 1e6;
    if !ended {
        println!("!! {}: asking {number} has no end within {} s", init.name, PATIENCE.as_secs());
        end(first);
        return (f64::NAN, f64::NAN);
    }
    reap(first);
    ((after - before) as f64 / 1e3, took)
}

/// The init with that command: it, or the PID 1 that it is below.
fn start(
    setting: &Setting,
    init: &Contender,
    role: Role,
    memory: &Memory,
    command: &[String],
) -> Pid {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    if role == Role::Pid1 {
        return Launch::new(init, &command).bound().with_proc().start();
    }
    let holder = setting.role("hold", memory.fd(), 0, 0);
    let (dashes, program) = init.words.split_last().expect("no init is none");
    let options = init.subreaper.unwrap_or_default().iter().copied();
    let words = holder.iter().chain(program).map(String::as_str);
    let words = words.chain(options).chain([dashes.as_str()]).chain(command.iter().copied());
    Launch::of(words, true).bound().with_proc().start()
}

/// Who is below a PID 1 that has but one child. Signals go to that number while its parent, ours to
/// wait for, has not ended.
fn only_child(of: Pid) -> Pid {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    let children = children.expect("CONFIG_PROC_CHILDREN");
    let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.next().expect("the holder has a child")
}

/// Keeps `kernel.pid_max` raised; what put it back is waited for.
struct PidMax(Child);

impl PidMax {
    /// None if it is high enough, or cannot be raised.
    fn raise(to: usize) -> Option<Self> {
        let before = fs::read_to_string(PID_MAX).ok()?;
        if before.trim().parse::<usize>().ok()? >= to {
            return None;
        }
        let own = std::env::current_exe().ok()?;
        let mut keeper = Command::new(own);
        keeper.args(["--child", "keep", before.trim()]).stdin(Stdio::piped());
        // Not in our group: a Ctrl-C is for us alone.
        let mut keeper = keeper.process_group(0).spawn().ok()?;
        if let Err(why) = fs::write(PID_MAX, to.to_string()) {
            println!("!! kernel.pid_max cannot be raised: {why}");
            drop(keeper.stdin.take());
            let _ = keeper.wait();
            return None;
        }
        println!("\n  kernel.pid_max: {to} instead of {} while this lasts", before.trim());
        Some(Self(keeper))
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What a child of the harness does: puts the value back when whoever started it is gone.
pub(crate) fn keep(value: &str) {
    let mut nothing = Vec::new();
    let _ = io::stdin().read_to_end(&mut nothing);
    fs::write(PID_MAX, value).expect("root may");
}
