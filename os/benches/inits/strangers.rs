//! Start-up on a machine on which others live, in PID namespaces of their own: kill(2) to everybody
//! (-1) looks at each process of the whole machine for those that it may reach, and an init that asks
//! everybody before it leaves pays for that. As `startup.rs`, but for the sleeping strangers.

use std::time::{Duration, Instant};

use crate::contenders::{BARE, Contender};
use crate::shared::{Memory, wait_for};
use crate::stage::{Launch, Pinned, end, pause, reap};
use crate::table::{Cell, Findings, Series, Table, median, place};
use crate::{Random, Setting};

const NUMBERS: [usize; 3] = [0, 1_000, 10_000];
const WARM_UP: usize = 10;

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let rounds = setting.rounds(300, 50);
    let mut over: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for number in NUMBERS {
        let memory = Memory::new();
        let command = setting.role("sleepers", memory.fd(), number, 0);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let nobody = place(all, BARE).map(|at| &all[at]).expect("no init can always be had");
        let strangers = Launch::new(nobody, &command).bound().start();
        let ready = wait_for(&memory.ready, 0, Duration::from_mins(5));
        assert!(ready, "{number} strangers are not made");
        pause(100);
        let micros = run(setting, all, rounds);
        end(strangers);
        let bare = place(all, BARE).map_or(f64::NAN, |at| median(&micros[at]));
        for (over, series) in over.iter_mut().zip(&micros) {
            over.push(median(series) - bare);
        }
    }
    let about = format!(
        "µs over bare as PID 1, pinned to one processor, medians of {rounds} rounds, while N other \
         processes sleep on the machine. What was there already comes on top."
    );
    let columns = NUMBERS.map(|number| format!("N = {number}"));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("Growth: start-up among N strangers", &about, &columns);
    for (init, over) in all.iter().zip(over).filter(|(init, _)| !init.is_bare()) {
        table.row(init.name, over.into_iter().map(|micros| Cell::Number(micros, 1)).collect());
    }
    findings.table(table);
}

fn run(setting: &Setting, all: &[Contender], rounds: usize) -> Vec<Series> {
    let launch = |init| Launch::new(init, &[&setting.tiny.exits]);
    let launches: Vec<Launch> = all.iter().map(launch).collect();
    let mut micros: Vec<Series> = vec![Vec::new(); all.len()];
    let mut random = Random::new();
    let pinned = Pinned::new();
    for round in 0..WARM_UP + rounds {
        for at in setting.shuffled(&mut random) {
            let start = Instant::now();
            reap(launches[at].start());
            if round >= WARM_UP {
                micros[at].push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    drop(pinned);
    micros
}
