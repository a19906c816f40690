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

    let about = format!("{rounds} times USR1, µs from kill(2) to the handler of the command.");
    let columns = ["p50", "p90", "p99", "p99.9", "p50 to tini-static"];
    let mut table = Table::new("Latency of a signal, pinned to one processor", &about, &columns);
    for (at, init) in all.iter().enumerate().filter(|(_, init)| init.forwards) {
        let mut cells: Vec<Cell> = [50.0, 90.0, 99.0, 99.9]
            .map(|percent| Cell::Number(percentile(&micros[at], percent), 2))
            .into();
        cells.push(ratio_to(all, REFERENCE, &micros, at));
        table.row(init.name, cells);
    }
    table.say("mininit sends no signal on.");
    findings.table(table);
    let p50: Vec<f64> = micros.iter().map(|series| median(series)).collect();
    findings.sum_up("latency of a signal, p50, µs", 1, all, &p50);
    let p99: Vec<f64> = micros.iter().map(|series| percentile(series, 99.0)).collect();
    findings.sum_up("the same, p99, µs", 1, all, &p99);
}
