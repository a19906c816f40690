//! `lastout-sim swarm`: random lives, until the time is over or something is found.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use lastout_sim::machine::Kind;
use lastout_sim::swarm::{self, Finding, Tally};
use lastout_sim::witness::Witness;
use serde_json::json;

use super::{Done, Swarm, find_mutant, rate, tell_short};

/// Lives random lives. Was nothing found?
pub(crate) fn swarms(what: &Swarm) -> Done {
    let kind = match &what.mutant {
        None => Kind::Lastout,
        Some(name) => Kind::Mutant(find_mutant(name)?),
    };
    if let Some(seed) = what.life {
        let (setting, life) = swarm::one(seed, kind);
        if let Some(counterexample) = &life.broken {
            tell_short(&setting, counterexample);
            return Ok(false);
        }
        say!("life {seed}: {} moves, no law breaks", life.moves);
        return Ok(true);
    }
    let seed = what.seed.unwrap_or_else(swarm::any_seed);
    if !what.json {
        say!("seed {seed}");
    }
    let progress = io::stderr().is_terminal();
    let time = Duration::from_millis(what.time.0.into());
    let since = Instant::now();
    let mut told = Duration::ZERO;
    let (tally, finding) = swarm::swarm(seed, kind, |tally| {
        let passed = since.elapsed();
        if progress && passed.saturating_sub(told) >= Duration::from_secs(1) {
            told = passed;
            eprint!("\r{}  ", summary(tally, passed));
        }
        passed < time
    });
    let passed = since.elapsed();
    if progress {
        eprint!("\r{:110}\r", "");
    }
    let unseen: Vec<_> =
        Witness::ALL.iter().filter(|w| !tally.seen.has(**w)).map(|w| w.what()).collect();
    if what.json {
        say!(
            "{}",
            json!({"seed": seed, "lives": tally.lives, "moves": tally.moves,
                "unfinished": tally.unfinished, "simulated_ms": tally.simulated,
                "seconds": passed.as_secs_f64(), "unseen": unseen, "found": finding.is_some()})
        );
    } else {
        say!("{}", summary(&tally, passed));
        say!("{} lives had no end within {} moves", tally.unfinished, swarm::MOST_MOVES);
        if !unseen.is_empty() {
            say!("never seen: {}", unseen.join(", "));
        }
    }
    Ok(match finding {
        None => true,
        Some(Finding::Broken { seed, setting, counterexample }) => {
            let whose =
                what.mutant.as_ref().map_or(String::new(), |name| format!(" --mutant {name}"));
            say!("life {seed} (lastout-sim swarm --life {seed}{whose} shows it again)\n");
            tell_short(&setting, &counterexample);
            false
        }
        Some(Finding::NotTheSame { seed }) => {
            say!("life {seed} had two different ends: the simulator is not deterministic");
            false
        }
    })
}

#[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
fn summary(tally: &Tally, passed: Duration) -> String {
    let hours = tally.simulated as f64 / 3_600_000.0;
    format!(
        "{} lives, {} moves, {:.0} simulated hours in {:.0} s: {} lives/s, {} moves/s (each \
         lived twice), {:.2} simulated hours/s",
        tally.lives,
        tally.moves,
        hours,
        passed.as_secs_f64(),
        rate(tally.lives, passed),
        rate(tally.moves, passed),
        hours / passed.as_secs_f64().max(1e-6)
    )
}
