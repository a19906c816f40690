//! The processes of one moment, as ps(1) would show them.

use std::fmt::Write;

use lastout_core::{Millis, Pid, Signal, SignalSet};

use crate::kernel::{Process, State};
use crate::setting::Setting;
use crate::world::World;

const HEADINGS: [&str; 11] = [
    "PID", "PPID", "PGID", "SID", "UID", "STAT", "NAME", "PENDING", "BLOCKED", "IGNORED", "CAUGHT",
];

/// The columns that hold numbers, which end where their heading ends.
const NUMBERS: usize = 5;

/// The processes, with their signals and with what the laws know of them: `main` is the main
/// child, `init` the init under test; `asked` was sent the drain signal by init, `woken` CONT.
/// The last line is about the container as a whole.
pub fn ps(world: &World, setting: &Setting) -> String {
    let mut table = vec![HEADINGS.map(String::from).to_vec()];
    table[0].push(String::new());
    table.extend(world.kernel.processes.iter().map(|process| row(world, setting, process)));
    let mut text = columns(&table, NUMBERS);
    let _ = writeln!(text, "{}", container(world, setting));
    text
}

/// A table as text: cells under each other, the first `numbers` of a row ending in line.
pub(super) fn columns(table: &[Vec<String>], numbers: usize) -> String {
    let count = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        table.iter().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if at < numbers {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(world: &World, setting: &Setting, process: &Process) -> Vec<String> {
    let number = |number: u32| if number == 0 { "-".into() } else { number.to_string() };
    vec![
        process.pid.to_string(),
        number(process.parent.map_or(0, Pid::number)),
        number(process.group),
        number(process.session),
        process.uid.to_string(),
        stat(world, process),
        world.program_of(setting, process).into(),
        signals(process.pending),
        signals(process.blocked),
        signals(process.ignored),
        signals(process.handlers.signals()),
        marks(world, process),
    ]
}

fn stat(world: &World, process: &Process) -> String {
    let mut stat = match process.state {
        State::Running if process.uninterruptible => "D".into(),
        state => state.to_string(),
    };
    if process.session == process.pid.number() {
        stat.push('s');
    }
    if process.group != 0 && process.group == world.kernel.foreground {
        stat.push('+');
    }
    stat
}

/// Signals by name; from half of them on by those that are missing, KILL and STOP apart, which
/// nobody can block.
fn signals(set: SignalSet) -> String {
    const HALF: usize = 32;
    if set.is_empty() {
        return "-".into();
    }
    if set.iter().count() < HALF {
        return set.to_string();
    }
    let unblockable = SignalSet::EMPTY.with(Signal::KILL).with(Signal::STOP);
    let missing = SignalSet::from_bits(SignalSet::FULL.bits() & !set.bits() & !unblockable.bits());
    if missing.is_empty() { "all".into() } else { format!("all but {missing}") }
}

fn marks(world: &World, process: &Process) -> String {
    let init = world.driver().is_some_and(|driver| driver.pid == process.pid);
    let ghost = process.ghost;
    let all = [
        (ghost.main, "main"),
        (init, "init"),
        (ghost.asked, "asked"),
        (ghost.woken, "woken"),
        (process.traced || process.traced_by_parent, "traced"),
    ];
    let held: Vec<&str> = all.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    held.join(" ")
}

fn container(world: &World, setting: &Setting) -> String {
    let kernel = &world.kernel;
    let mut parts = vec![match kernel.foreground {
        0 => "no terminal".into(),
        group => format!("foreground {group}"),
    }];
    if kernel.frozen {
        parts.push("frozen".into());
    }
    if kernel.torn_down {
        parts.push("torn down".into());
    }
    if let Some(driver) = world.driver() {
        parts.push(match driver.alarm {
            None => "no alarm".into(),
            Some(0) => "alarm now".into(),
            Some(left @ 1..) => format!("alarm in {}", Millis(left.unsigned_abs())),
            Some(left) => format!("alarm late by {}", Millis(left.unsigned_abs())),
        });
        if setting.has_phases() {
            parts.push(format!("phase {:?}", driver.machine.init.phase()));
        }
        parts.push(format!("asks to {}", driver.request()));
    }
    parts.push(format!("after {}", Millis(u32::try_from(world.passed()).unwrap_or(u32::MAX))));
    parts.join("; ")
}
