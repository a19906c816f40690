//! What an idle init takes of memory: its own, by `/proc/PID/smaps_rollup`, and all that the kernel
//! holds for it, by what a memory cgroup charges for many instances (v2 or v1) less what it charges
//! for the bare commands. Where no cgroup can be made, the machine's `MemAvailable` takes its place, in
//! which everybody else's memory is, too.
//!
//! The instances belong to a process of ours that enters the cgroup before it makes them, and are
//! killed with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Setting;
use crate::contenders::{BARE, Contender, LIMIT, REFERENCE};
use crate::shared::{Memory, Shared, post, wait_for};
use crate::stage::{Launch, Pid, end, pause, proc_value};
use crate::table::{Cell, Findings, Table, place};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_mins(2);

/// What was seen of one init, in KiB each, but for the mappings.
#[derive(Default)]
struct Seen {
    rss: f64,
    pss: f64,
    private: f64,
    dirty: f64,
    page_tables: f64,
    stack: f64,
    mappings: f64,
    charged: f64,
}

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let instances = setting.rounds(1_000, 100);
    let has_group = Group::new().is_some();
    let seen: Vec<Seen> = all.iter().map(|init| look(setting, init, instances)).collect();
    let title = format!("Memory of an idle init, {instances} instances");
    let about = "KiB, means over the instances, each with a command that sleeps. Private: \
                 Private_Clean and Private_Dirty. Page tables, stack and mappings are one \
                 instance's. Charged: by a memory cgroup per instance, with the command and all \
                 that the kernel holds.";
    let columns = [
        "RSS",
        "PSS",
        "private",
        "of it dirty",
        "page tables",
        "stack, resident",
        "mappings",
        "charged",
        "over bare",
        "that to tini-static",
        "that to mininit",
    ];
    let mut table = Table::new(&title, about, &columns);
    if !has_group {
        table.say("No memory cgroup here: charged is the change of MemAvailable instead.");
    }
    let bare = place(all, BARE).map_or(f64::NAN, |at| seen[at].charged);
    let over: Vec<f64> = seen.iter().map(|seen| seen.charged - bare).collect();
    let over_of = |name| place(all, name).map_or(f64::NAN, |at| over[at]);
    for (at, init) in all.iter().enumerate() {
        let Seen { rss, pss, private, dirty, page_tables, stack, mappings, charged } = seen[at];
        table.row(
            init.name,
            vec![
                Cell::Number(rss, 1),
                Cell::Number(pss, 1),
                Cell::Number(private, 1),
                Cell::Number(dirty, 1),
                Cell::Number(page_tables, 0),
                Cell::Number(stack, 0),
                Cell::Number(mappings, 0),
                Cell::Number(charged, 1),
                Cell::Number(over[at], 1),
                Cell::Number(over[at] / over_of(REFERENCE), 3),
                Cell::Number(over[at] / over_of(LIMIT), 3),
            ],
        );
    }
    findings.table(table);
    let private: Vec<f64> = seen.iter().map(|seen| seen.private).collect();
    findings.sum_up("private memory, idle, KiB", 1, all, &private);
    findings.sum_up("all memory charged, over the bare command, KiB", 1, all, &over);
}

/// So many of them at once.
fn look(setting: &Setting, init: &Contender, instances: usize) -> Seen {
    // A new one each time: what the kernel keeps for a group when its processes are gone, the next
    // ones would have for nothing.
    let group = Group::new();
    let group = group.as_ref();
    let memory = Memory::new();
    let procs = group.map_or_else(String::new, Group::procs);
    let mut words = setting.role("instances", memory.fd(), instances, 0);
    words.push(procs);
    words.extend(init.words.iter().cloned());
    words.push(setting.tiny.sleeps.clone());
    let maker = Launch::of(words.iter().map(String::as_str), false).bound().start();
    assert!(wait_for(&memory.ready, 0, PATIENCE), "{}: nobody makes it", init.name);
    let before = held(group);
    post(&memory.go);
    assert!(wait_for(&memory.done, 0, PATIENCE), "{}: the instances are not made", init.name);
    pause(300 + instances as u64);
    let children = fs::read_to_string(format!("/proc/{maker}/task/{maker}/children"));
    let children = children.expect("CONFIG_PROC_CHILDREN");
    let pids: Vec<Pid> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    assert_eq!(pids.len(), instances, "{}: some have ended", init.name);
    let mean = |key: &str| {
        let value = |pid: &Pid| proc_value(format!("/proc/{pid}/smaps_rollup"), key);
        pids.iter().map(value).sum::<f64>() / instances as f64
    };
    let last = pids[instances - 1];
    let seen = Seen {
        charged: (held(group) - before) / instances as f64,
        rss: mean("Rss:"),
        pss: mean("Pss:"),
        private: mean("Private_Clean:") + mean("Private_Dirty:"),
        dirty: mean("Private_Dirty:"),
        page_tables: proc_value(format!("/proc/{last}/status"), "VmPTE:"),
        stack: stack(last),
        mappings: fs::read_to_string(format!("/proc/{last}/maps"))
            .map_or(f64::NAN, |maps| maps.lines().count() as f64),
    };
    end(maker);
    // What ends in the kernel, ends a little later.
    pause(200 + instances as u64);
    seen
}

/// The resident part of its stack, KiB.
fn stack(pid: Pid) -> f64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let stack = maps.split_once("[stack]").map_or("", |(_, rest)| rest);
    let line = stack.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// What a child of the harness does: makes instances, where it is told, and keeps them.
pub(crate) fn make(shared: &Shared, instances: usize, words: &[String]) {
    let procs = &words[0];
    if !procs.is_empty() {
        fs::write(procs, "0").expect("a cgroup that can be entered");
    }
    let launch = Launch::of(words[1..].iter().map(String::as_str), true).bound();
    post(&shared.ready);
    wait_for(&shared.go, 0, PATIENCE);
    for _ in 0..instances {
        launch.start();
    }
    post(&shared.done);
    while shared.quit.load(Ordering::SeqCst) == 0 {
        wait_for(&shared.quit, 0, PATIENCE);
    }
}

/// A memory cgroup of ours, in whichever hierarchy has one; removed with this.
struct Group {
    directory: PathBuf,
    /// The file in it that has the bytes charged.
    usage: &'static str,
}

impl Group {
    fn new() -> Option<Self> {
        let hierarchies = [
            ("/sys/fs/cgroup", "memory.current"),
            ("/sys/fs/cgroup/memory", "memory.usage_in_bytes"),
        ];
        hierarchies.into_iter().find_map(|(root, usage)| {
            let directory = Path::new(root).join(format!("lastout-bench.{}", std::process::id()));
            // On a plain tmpfs a directory can be made, too; it has no such file.
            fs::create_dir(&directory).ok()?;
            let group = Self { directory, usage };
            group.bytes().is_some().then_some(group)
        })
    }

    fn procs(&self) -> String {
        self.directory.join("cgroup.procs").display().to_string()
    }

    fn bytes(&self) -> Option<f64> {
        fs::read_to_string(self.directory.join(self.usage)).ok()?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Who has been killed leaves it a little later.
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            pause(20);
        }
    }
}

/// KiB that are in use.
fn held(group: Option<&Group>) -> f64 {
    match group {
        Some(group) => group.bytes().unwrap_or(f64::NAN) / 1024.0,
        None => -proc_value("/proc/meminfo", "MemAvailable:"),
    }
}
