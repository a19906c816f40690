//! Start-up: from the moment that PID 1 of a new PID namespace is asked for, until it has ended,
//! with a command that ends at once. What the init costs is the time over `bare`, where the
//! command itself is PID 1. All on one processor, as otherwise the scheduler's choice of another one
//! is most of what is measured. The page faults are those of the whole run, command included.

use std::time::Instant;

use crate::contenders::{BARE, LIMIT, REFERENCE};
use crate::stage::{Launch, Pinned, reap};
use crate::table::{Cell, Findings, Series, Table, median, percentile, place, ratio_to};
use crate::{Random, Setting};

const WARM_UP: usize = 20;

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let rounds = setting.rounds(2000, 300);
    let launch = |init| Launch::new(init, &[&setting.tiny.exits]);
    let launches: Vec<Launch> = all.iter().map(launch).collect();
    let mut micros: Vec<Series> = vec![Vec::new(); all.len()];
    let mut faults = micros.clone();
    let mut random = Random::new();
    let pinned = Pinned::new();
    for round in 0..WARM_UP + rounds {
        for at in setting.shuffled(&mut random) {
            let start = Instant::now();
            let (status, count) = reap(launches[at].start());
            let took = start.elapsed();
            assert_eq!(status, 0, "{}: how its command ended", all[at].name);
            if round >= WARM_UP {
                micros[at].push(took.as_secs_f64() * 1e6);
                faults[at].push(count as f64);
            }
        }
    }
    drop(pinned);

    let title = "Start-up as PID 1, pinned to one processor";
    let about = format!(
        "Medians of {rounds} rounds, µs for the whole life of an init whose command ends at once. \
         Over bare: less the median without an init."
    );
    let mut table = Table::new(
        title,
        &about,
        &[
            "µs",
            "5 %",
            "95 %",
            "to tini-static",
            "to mininit",
            "over bare",
            "that to tini-static",
            "that to mininit",
            "page faults",
        ],
    );
    let bare = place(all, BARE).map_or(f64::NAN, |at| median(&micros[at]));
    let over: Vec<f64> = micros.iter().map(|series| median(series) - bare).collect();
    let over_of = |name| place(all, name).map_or(f64::NAN, |at| over[at]);
    for (at, init) in all.iter().enumerate() {
        let series = &micros[at];
        table.row(
            init.name,
            vec![
                Cell::Number(median(series), 1),
                Cell::Number(percentile(series, 5.0), 1),
                Cell::Number(percentile(series, 95.0), 1),
                ratio_to(all, REFERENCE, &micros, at),
                ratio_to(all, LIMIT, &micros, at),
                Cell::Number(over[at], 1),
                Cell::Number(over[at] / over_of(REFERENCE), 3),
                Cell::Number(over[at] / over_of(LIMIT), 3),
                Cell::Number(median(&faults[at]), 0),
            ],
        );
    }
    findings.table(table);
    findings.sum_up("start-up as PID 1 beyond the bare command, µs", 1, all, &over);
    let to_tini: Vec<f64> = over.iter().map(|value| value / over_of(REFERENCE)).collect();
    findings.sum_up("the same, ratio to tini-static", 2, all, &to_tini);
    let faults: Vec<f64> = faults.iter().map(|series| median(series)).collect();
    findings.sum_up("page faults of init and command", 0, all, &faults);
}
