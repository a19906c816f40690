//! `admits`: whatever was lived in the simulated world it says is possible, and it can say no.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lastout_sim::admits::{Premises, Verdict, Why, admits};
use lastout_sim::scenario;
use lastout_sim::setting::{Faults as FaultsOf, Setting};
use lastout_sim::show::story;
use lastout_sim::swarm;
use lastout_sim::world::World;

/// So many random lives.
const LIVES: u64 = 3000;

/// What a life of lastout would have been recorded as.
fn record(setting: &Setting, world: &World) -> String {
    format!("{}\n{}", setting.policy, story(world))
}

#[test]
fn the_record_of_every_random_life_is_admitted() {
    let mut faults = String::new();
    let (mut lives, mut steps, mut held, mut denied, mut bad) = (0, 0, 0, 0, 0);
    let first = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let count = std::env::var("LIVES").ok().and_then(|s| s.parse().ok()).unwrap_or(LIVES);
    for seed in first..first + count {
        let (setting, life) = swarm::noted(seed);
        if setting.faults.stolen > 0 {
            continue;
        }
        let record = record(&setting, &life.world);
        let verdict = admits(&record);
        lives += 1;
        steps += record.lines().filter(|l| l.contains("->")).count();
        match verdict {
            Ok(Verdict::Admitted { premises }) => {
                held += u32::from(premises.held);
                denied += u32::from(premises.denied);
                let FaultsOf { tracer, eperm, .. } = setting.faults;
                if premises.held && tracer == 0 && !eperm || premises.denied && !eperm {
                    bad += 1;
                    let _ = writeln!(faults, "seed {seed}: {premises:?}");
                    if let Ok(dir) = std::env::var("DUMP") {
                        fs::write(format!("{dir}/{seed}.log"), &record).unwrap();
                    }
                }
            }
            other => {
                bad += 1;
                let _ = writeln!(faults, "seed {seed}: {:?}: {other:?}", setting.policy.role);
                if let Ok(dir) = std::env::var("DUMP") {
                    fs::write(format!("{dir}/{seed}.log"), &record).unwrap();
                }
            }
        }
    }
    println!("{lives} lives, {steps} steps, {held} held, {denied} denied, {bad} bad");
    assert!(faults.is_empty(), "\n{faults}");
}
