//! Shutting a container down in which orphans sleep, each in a session of its own: from TERM to the
//! init until the PID namespace is gone. lastout asks each of them and waits; with the other inits
//! the command ends, init leaves, and the kernel kills the orphans (of `bare`, at a KILL).

use std::time::{Duration, Instant};

use crate::contenders::{LIMIT, REFERENCE};
use crate::shared::{Memory, wait_for};
use crate::stage::{Launch, cpu_at_end, ends_within, kill, pause, reap};
use crate::table::{Cell, Findings, Series, Table, median, percentile, ratio_to};
use crate::{Random, Setting};

const SLEEPERS: usize = 1_000;

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let rounds = setting.rounds(15, 3);
    let mut millis: Vec<Series> = vec![Vec::new(); all.len()];
    let mut cpu = millis.clone();
    let mut ends = vec![String::new(); all.len()];
    let mut random = Random::new();
    for _ in 0..rounds {
        for at in setting.shuffled(&mut random) {
            let init = &all[at];
            let memory = Memory::new();
            let mut command = setting.role("sleepers", memory.fd(), SLEEPERS, 0);
            command.push(setting.tiny.sleeps.clone());
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let pid = Launch::new(init, &command).bound().with_proc().start();
            let ready = wait_for(&memory.ready, 0, Duration::from_mins(1));
            assert!(ready, "{}: the sleepers are not made", init.name);
            pause(20);
            let start = Instant::now();
            // Who sends no signal on would not end of TERM, and a bare PID 1 does not hear it.
            let is_deaf = init.is_bare() || !init.forwards;
            kill(pid, if is_deaf { libc::SIGKILL } else { libc::SIGTERM });
            let ended = ends_within(pid, Duration::from_secs(30));
            let took = start.elapsed().as_secs_f64() * 1e3;
            assert!(ended, "{}: it does not end", init.name);
            cpu[at].push(cpu_at_end(pid) as f64 / 1e3 / SLEEPERS as f64);
            let (status, _) = reap(pid);
            ends[at] = match libc::WTERMSIG(status) {
                0 => libc::WEXITSTATUS(status).to_string(),
                signal => format!("signal {signal}"),
            };
            millis[at].push(took);
        }
    }
    let title = "Shutdown with 1,000 sleeping orphans";
    let about = format!(
        "{rounds} rounds. ms from TERM (KILL for mininit and bare) until the PID namespace is gone. \
         lastout asks each, the others leave that to the kernel, which kills; its work is part of \
         init's processor time."
    );
    let columns = [
        "median, ms",
        "least",
        "most",
        "to tini-static",
        "to mininit",
        "init's CPU, µs per orphan",
        "exit code",
    ];
    let mut table = Table::new(title, &about, &columns);
    for (at, init) in all.iter().enumerate() {
        let series = &millis[at];
        table.row(
            init.name,
            vec![
                Cell::Number(median(series), 2),
                Cell::Number(percentile(series, 0.0), 2),
                Cell::Number(percentile(series, 100.0), 2),
                ratio_to(all, REFERENCE, &millis, at),
                ratio_to(all, LIMIT, &millis, at),
                Cell::Number(median(&cpu[at]), 2),
                Cell::Text(ends[at].clone()),
            ],
        );
    }
    findings.table(table);
    let figures: Vec<f64> = millis.iter().map(|series| median(series)).collect();
    findings.sum_up("shutdown with 1,000 sleeping orphans, ms", 1, all, &figures);
}
