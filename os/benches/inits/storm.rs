//! Storms of orphans: a command makes orphans that end, and the init has to reap them. What counts
//! is the init's own processor time per orphan, read from its clock before and after; the wall time
//! is that of making the orphans. The peak of zombies is seen by the command, which looks after every
//! 64 orphans who is left. With sleepers: as many other orphans live all the while, and a wait for
//! anybody has to look at each of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::contenders::{Contender, LIMIT, REFERENCE};
use crate::shared::{Memory, post, wait_for};
use crate::stage::{Launch, cpu_ns, pause, reap, switches};
use crate::table::{Cell, Findings, Series, Table, median, ratio_to};
use crate::{Random, Setting};

/// One kind of storm.
#[derive(Clone, Copy)]
struct Storm {
    title: &'static str,
    orphans: usize,
    sleepers: usize,
    /// All are there before the first ends.
    together: bool,
    rounds: usize,
    /// Its line in the summary.
    summary: Option<&'static str>,
}

const STORMS: [Storm; 5] = [
    Storm {
        title: "10,000 orphans, ending as they are made",
        orphans: 10_000,
        sleepers: 0,
        together: false,
        rounds: 5,
        summary: Some("reaping 10,000 orphans, µs of processor time each"),
    },
    Storm {
        title: "10,000 orphans, all alive, ending together",
        orphans: 10_000,
        sleepers: 0,
        together: true,
        rounds: 5,
        summary: None,
    },
    Storm {
        title: "100,000 orphans, ending as they are made",
        orphans: 100_000,
        sleepers: 0,
        together: false,
        rounds: 1,
        summary: None,
    },
    Storm {
        title: "3,000 orphans, ending as they are made, among 1,000 that sleep",
        orphans: 3_000,
        sleepers: 1_000,
        together: false,
        rounds: 5,
        summary: None,
    },
    Storm {
        title: "3,000 orphans, ending as they are made, among 5,000 that sleep",
        orphans: 3_000,
        sleepers: 5_000,
        together: false,
        rounds: 5,
        summary: Some("the same for 3,000 among 5,000 that sleep"),
    },
];

/// What one storm showed of one init.
pub(crate) struct Shown {
    pub(crate) wall_ms: f64,
    pub(crate) cpu_us: f64,
    pub(crate) peak: f64,
    pub(crate) wake_ups: f64,
    pub(crate) preempted: f64,
}

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    for storm in STORMS {
        if setting.quick && storm.orphans > 10_000 {
            continue;
        }
        one(setting, findings, storm);
    }
}

/// Where that init's own clock is read: of a holder, the init below.
pub(crate) fn blow(
    setting: &Setting,
    init: &Contender,
    (orphans, sleepers): (usize, usize),
    together: bool,
) -> Shown {
    let memory = Memory::new();
    let role = if together { "burst" } else { "storm" };
    let mut command = setting.role(role, memory.fd(), orphans, sleepers);
    command.push(setting.tiny.sleeps.clone());
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let pid = Launch::new(init, &command).bound().with_proc().start();
    let shown = watch(&memory, pid, init.name);
    reap(pid);
    shown
}

/// Lets the storm begin, and watches that init until it is over.
pub(crate) fn watch(memory: &Memory, init: i32, name: &str) -> Shown {
    let ready = wait_for(&memory.ready, 0, Duration::from_mins(5));
    assert!(ready, "{name}: the storm does not get ready");
    pause(20);
    let (cpu, (voluntary, involuntary)) = (cpu_ns(init), switches(init));
    post(&memory.go);
    let done = wait_for(&memory.done, 0, Duration::from_mins(10));
    assert!(done, "{name}: zombies are left");
    // It may still be in the call that looks whether there is another one.
    pause(5);
    let cpu_us = (cpu_ns(init) - cpu) as f64 / 1e3;
    let after = switches(init);
    post(&memory.quit);
    Shown {
        wall_ms: memory.took_ns.load(Ordering::SeqCst) as f64 / 1e6,
        cpu_us,
        peak: f64::from(memory.peak.load(Ordering::SeqCst)),
        wake_ups: after.0 - voluntary,
        preempted: after.1 - involuntary,
    }
}

/// There is nobody in `bare` who reaps, and the largest takes ten seconds for each.
fn takes_part(init: &Contender, storm: Storm) -> bool {
    let is_large = storm.orphans > 10_000;
    !init.is_bare() && (!is_large || init.is_ours() || init.name == REFERENCE || init.name == LIMIT)
}

fn one(setting: &Setting, findings: &mut Findings, storm: Storm) {
    let all = &setting.contenders;
    let rounds = setting.rounds(storm.rounds, 1);
    let empty: Vec<Series> = vec![Vec::new(); all.len()];
    let (mut wall, mut cpu, mut peak) = (empty.clone(), empty.clone(), empty.clone());
    let (mut wake_ups, mut preempted) = (empty.clone(), empty);
    let mut random = Random::new();
    let count = storm.orphans as f64;
    for _ in 0..rounds {
        for at in setting.shuffled(&mut random) {
            if !takes_part(&all[at], storm) {
                continue;
            }
            let shown = blow(setting, &all[at], (storm.orphans, storm.sleepers), storm.together);
            wall[at].push(shown.wall_ms);
            cpu[at].push(shown.cpu_us / count);
            peak[at].push(shown.peak);
            wake_ups[at].push(shown.wake_ups / count);
            preempted[at].push(shown.preempted / count);
        }
    }
    let title = format!("Storm: {}", storm.title);
    let about = match rounds {
        1 => "One round.".to_owned(),
        _ => format!("Medians of {rounds} rounds."),
    };
    let columns = [
        "init's CPU, µs per orphan",
        "least",
        "most",
        "to tini-static",
        "to mininit",
        "peak zombies",
        "wake-ups per orphan",
        "preempted per orphan",
        "all, ms",
    ];
    let mut table = Table::new(&title, &about, &columns);
    for (at, init) in all.iter().enumerate().filter(|(_, init)| takes_part(init, storm)) {
        table.row(
            init.name,
            vec![
                Cell::Number(median(&cpu[at]), 3),
                Cell::Number(cpu[at].iter().copied().fold(f64::INFINITY, f64::min), 3),
                Cell::Number(cpu[at].iter().copied().fold(0.0, f64::max), 3),
                ratio_to(all, REFERENCE, &cpu, at),
                ratio_to(all, LIMIT, &cpu, at),
                Cell::Number(median(&peak[at]), 0),
                Cell::Number(median(&wake_ups[at]), 3),
                Cell::Number(median(&preempted[at]), 3),
                Cell::Number(median(&wall[at]), 1),
            ],
        );
    }
    findings.table(table);
    if let Some(line) = storm.summary {
        let figures: Vec<f64> = cpu.iter().map(|series| median(series)).collect();
        findings.sum_up(line, 2, all, &figures);
    }
}
