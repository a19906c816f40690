//! How long a signal takes: from kill(2) to the init until the handler of its command runs. All on
//! one processor: what is measured is the way through the init, not how soon another processor
//! wakes up. `bare` has the handler in PID 1 itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::contenders::REFERENCE;
use crate::shared::{Memory, wait_for};
use crate::stage::{Launch, Pid, Pinned, end, kill, now_ns, pause};
use crate::table::{Cell, Findings, Series, Table, median, percentile, ratio_to};
use crate::{Random, Setting};

const SIGNAL: i32 = libc::SIGUSR1;
const WARM_UP: usize = 100;

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let rounds = setting.rounds(10_000, 1_000);
    let pinned = Pinned::new();
    let lives: Vec<Option<(Memory, Pid)>> = all
        .iter()
        .map(|init| {
            init.forwards.then(|| {
                let memory = Memory::new();
                let signal = usize::try_from(SIGNAL).expect("a signal");
                let command = setting.role("latency", memory.fd(), signal, 0);
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                let pid = Launch::new(init, &command).bound().start();
                let ready = wait_for(&memory.ready, 0, Duration::from_secs(10));
                assert!(ready, "{}: its command does not start", init.name);
                (memory, pid)
            })
        })
        .collect();
    pause(50);
    let mut micros: Vec<Series> = vec![Vec::new(); all.len()];
    let mut random = Random::new();
    for round in 0..WARM_UP + rounds {
        for at in setting.shuffled(&mut random) {
            let Some((memory, pid)) = &lives[at] else {
                continue;
            };
            let before = memory.handled.load(Ordering::SeqCst);
            let start = now_ns();
            kill(*pid, SIGNAL);
            let handled = wait_for(&memory.handled, before, Duration::from_secs(10));
            assert!(handled, "{}: the signal does not arrive", all[at].name);
            if round >= WARM_UP {
                let took = memory.handled_at.load(Ordering::SeqCst) - start;
                micros[at].push(took as f64 / 1e3);
            }
        }
    }
    for (_, pid) in lives.iter().flatten() {
        end(*pid);
    }
    drop(pinned);

    let about = format!(
        "{rounds} times USR1, µs from kill(2) to the handler of the command. The spread: the least and \
         the most of the ten tenths of the run."
    );
    let columns = [
        "p50",
        "its spread",
        "p90",
        "p99",
        "its spread",
        "p99.9",
        "p50 to tini-static",
        "p99 to tini-static",
    ];
    let mut table = Table::new("Latency of a signal, pinned to one processor", &about, &columns);
    for (at, init) in all.iter().enumerate().filter(|(_, init)| init.forwards) {
        let all_of = |percent| percentile(&micros[at], percent);
        let reference = all.iter().position(|init| init.name == REFERENCE);
        let p99 =
            reference.map_or(f64::NAN, |other| all_of(99.0) / percentile(&micros[other], 99.0));
        table.row(
            init.name,
            vec![
                Cell::Number(all_of(50.0), 2),
                spread(&micros[at], 50.0),
                Cell::Number(all_of(90.0), 2),
                Cell::Number(all_of(99.0), 2),
                spread(&micros[at], 99.0),
                Cell::Number(all_of(99.9), 2),
                ratio_to(all, REFERENCE, &micros, at),
                Cell::Number(p99, 3),
            ],
        );
    }
    table.say("mininit sends no signal on.");
    findings.table(table);
    let p50: Vec<f64> = micros.iter().map(|series| median(series)).collect();
    findings.sum_up("latency of a signal, p50, µs", 1, all, &p50);
    let p99: Vec<f64> = micros.iter().map(|series| percentile(series, 99.0)).collect();
    findings.sum_up("the same, p99, µs", 1, all, &p99);
}

/// The least and the most of the ten tenths of a run.
fn spread(series: &[f64], percent: f64) -> Cell {
    let tenths = series.chunks(series.len().div_ceil(10).max(1));
    let of_each: Vec<f64> = tenths.map(|tenth| percentile(tenth, percent)).collect();
    let least = of_each.iter().copied().fold(f64::INFINITY, f64::min);
    let most = of_each.iter().copied().fold(0.0, f64::max);
    Cell::Text(format!("{least:.1}–{most:.1}"))
}
