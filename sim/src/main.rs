//! `lastout-sim`: the simulated world on the command line.
//!
//! Exit codes: 0, all is as it should be; 1, a law of lastout's own is broken, or a record or
//! scenario is not true; 2, the command line or a file cannot be read.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::{Args, Parser, Subcommand};
use lastout_core::{Millis, Role};
use lastout_sim::bounds::{self, Asked, Bound};
use lastout_sim::explore::{Changes, Counterexample, explore};
use lastout_sim::laws::Law;
use lastout_sim::mutant::Mutant;
use lastout_sim::scenario::{self, Scenario};
use lastout_sim::setting::Setting;
use lastout_sim::shrink::{shrink, without_idle_programs};
use lastout_sim::witness::{Seen, Witness};
use lastout_sim::{show, trial};
use serde_json::json;

/// As `println!`, but whoever reads it may stop reading.
macro_rules! say {
    ($($what:tt)*) => {
        if writeln!(io::stdout(), $($what)*).is_err() {
            std::process::exit(2);
        }
    };
}

mod records;
mod swarms;

/// The simulated world of lastout: explore it, let it live at random, look at one life.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Search bounded worlds completely, and judge every state by every law.
    Explore(Explore),
    /// Live random lives, each twice, until the time is over or a law breaks.
    Swarm(Swarm),
    /// Compare a record of a real life with the machine, and ask if the simulated world admits it;
    /// or judge the moves of a scenario.
    Replay {
        /// The record (`lastout --record FILE`) or the scenario.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one life of a scenario as a time line, and check what it expects of all lives.
    Scenario {
        /// The scenario (`.world`).
        file: PathBuf,
        /// Write the time line to this file as SVG, too.
        #[arg(long)]
        svg: Option<PathBuf>,
        /// How wide the time line may be.
        #[arg(long, default_value_t = 110)]
        width: usize,
        /// Only the check, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Which laws other inits break, with the moves of the shortest counterexample.
    Peers {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Which law finds out each classic mistake, with the moves of the shortest counterexample.
    Mutants {
        /// Show the whole counterexample of this one.
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Explore {
    /// The larger worlds, which take minutes and gigabytes.
    #[arg(long)]
    large: bool,
    /// Only the world of this name.
    #[arg(long)]
    only: Option<String>,
    /// A world of your own instead: so many processes at a time besides init.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=60))]
    processes: Option<u16>,
    /// In it: the most forks.
    #[arg(long, requires = "processes", default_value_t = 1)]
    forks: u8,
    /// In it: how often TERM is sent.
    #[arg(long, requires = "processes", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=80))]
    stops: u8,
    /// In it: how many processes enter, as by `docker exec`.
    #[arg(long, requires = "processes", default_value_t = 0)]
    visitors: u8,
    /// In it: how often the container is frozen.
    #[arg(long, requires = "processes", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=80))]
    freezes: u8,
    /// In it: how many ticks of 50 ms each grace has.
    #[arg(long, requires = "processes", default_value_t = 1)]
    ticks: u8,
    /// In it: init is a subreaper, not PID 1.
    #[arg(long, requires = "processes")]
    subreaper: bool,
    /// So many states of a world at most.
    #[arg(long, default_value_t = 200_000_000)]
    states: u64,
    /// Write the state diagram of what was found to this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Swarm {
    /// How long: `60s`, `5m`.
    #[arg(long = "for", default_value = "60s", value_parser = span)]
    time: Millis,
    /// The seed; without it, any.
    #[arg(long)]
    seed: Option<u64>,
    /// A life of this seed only, with the whole story if a law breaks.
    #[arg(long)]
    life: Option<u64>,
    /// With this mistake in lastout (see `mutants`).
    #[arg(long)]
    mutant: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Millis, String> {
    Millis::parse(text).ok_or_else(|| "write it like 60s or 5m".into())
}

fn main() -> ExitCode {
    let done = match Command::parse().what {
        What::Explore(what) => explores(&what),
        What::Swarm(what) => swarms::swarms(&what),
        What::Replay { file, json } => records::replays(&file, json),
        What::Scenario { file, svg, width, json } => shows(&file, svg.as_deref(), width, json),
        What::Peers { json } => Ok(peers(json)),
        What::Mutants { name, json } => mutants(name.as_deref(), json),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("lastout-sim: {why}");
            ExitCode::from(2)
        }
    }
}

type Done = Result<bool, String>;

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// A counterexample as the file that shows it again, and how.
fn kept(setting: &Setting, found: &Counterexample) -> String {
    let scenario = Scenario {
        remark: format!("{} is broken: {}", found.broken.law, found.broken.why),
        setting: setting.clone(),
        expectations: Vec::new(),
        moves: found.path.clone(),
    };
    let file = std::env::temp_dir().join(format!("lastout-{}.world", std::process::id()));
    match fs::write(&file, scenario.to_string()) {
        Ok(()) => format!("cargo run --release -p lastout-sim -- replay {}", file.display()),
        Err(error) => format!("(it could not be kept in {}: {error})", file.display()),
    }
}

fn tell(setting: &Setting, found: &Counterexample) {
    say!("{}", show::counterexample(setting, found, &kept(setting, found)));
}

/// The same without the moves and programs that a random life had and the broken law does not need.
fn tell_short(setting: &Setting, found: &Counterexample) {
    let short = shrink(setting, found);
    tell(&without_idle_programs(setting), &short);
}

// ------------------------------------------------------------------------------------ explore

fn explores(what: &Explore) -> Done {
    let mut all = bounds::ordinary();
    if what.large {
        all = bounds::large();
    }
    if let Some(processes) = what.processes {
        let asked = Asked {
            role: if what.subreaper { Role::Subreaper } else { Role::Pid1 },
            processes,
            forks: what.forks,
            stops: what.stops,
            visitors: what.visitors,
            freezes: what.freezes,
            ticks: what.ticks,
        };
        all = vec![Bound { name: "asked", what: "as asked", setting: bounds::asked(&asked) }];
    }
    let names: Vec<_> = all.iter().map(|bound| bound.name).collect();
    if let Some(only) = &what.only {
        all.retain(|bound| bound.name == only);
        if all.is_empty() {
            return Err(format!("there is no world {only:?}; there are {}", names.join(", ")));
        }
    }
    let (mut states, mut moves, mut seen, mut changes) = (0, 0, Seen::default(), Changes::new());
    let mut complete = true;
    let began = Instant::now();
    let mut rows = Vec::new();
    for Bound { name, what: is, setting } in &all {
        let since = Instant::now();
        let progress = io::stderr().is_terminal();
        let found = explore(setting, what.states, |states, waiting| {
            if progress {
                let rate = rate(states, since.elapsed());
                eprint!("\r{name}: {states} states, {waiting} waiting, {rate} states/s  ");
            }
        });
        if progress {
            eprint!("\r{:70}\r", "");
        }
        let time = since.elapsed();
        if let Some(counterexample) = &found.broken {
            tell(setting, counterexample);
            return Ok(false);
        }
        if what.json {
            rows.push(json!({"world": name, "states": found.states, "moves": found.moves,
                "depth": found.depth, "ends": found.ends, "complete": found.complete,
                "seconds": time.as_secs_f64()}));
        } else {
            say!(
                "{name:20} {:>10} states {:>11} moves, {:>3} deep, {:>8} states/s  {is}{}",
                found.states,
                found.moves,
                found.depth,
                rate(found.states, time),
                if found.complete { "" } else { "  (NOT COMPLETE)" }
            );
        }
        states += found.states;
        moves += found.moves;
        seen.join(found.seen);
        complete &= found.complete;
        for (change, events) in found.changes {
            changes.entry(change).or_default().extend(events);
        }
    }
    if let Some(file) = &what.svg {
        write(file, &show::diagram_svg(&changes))?;
    }
    let laws: Vec<_> = Law::ALL.iter().map(|law| law.number()).collect();
    let names: Vec<_> = seen.all().map(Witness::what).collect();
    if what.json {
        say!(
            "{}",
            json!({"worlds": rows, "states": states, "moves": moves, "complete": complete,
                "laws": laws, "seen": names})
        );
        return Ok(complete);
    }
    say!(
        "\n{states} states and {moves} moves in {:.1} s, {}. These laws hold in all of them:\n",
        began.elapsed().as_secs_f64(),
        if complete {
            "everything within the bounds"
        } else {
            "and NOT everything: raise --states"
        }
    );
    for law in Law::ALL {
        say!("    {:4} {}", law.number(), law.sentence());
    }
    say!("\nSeen on the way:\n");
    for name in names {
        say!("    {name}");
    }
    Ok(complete)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a figure for the eye"
)]
fn rate(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-6)) as u64
}

// ------------------------------------------------------------------------- records and scenarios

fn load(file: &Path, text: &str) -> Result<Scenario, String> {
    scenario::parse(text)
        .map_err(|fault| format!("{}:{}: {}", file.display(), fault.line, fault.what))
}

fn shows(file: &Path, svg: Option<&Path>, width: usize, json: bool) -> Done {
    let scenario = load(file, &read(file)?)?;
    let world = scenario::life(&scenario);
    if !json {
        let colour = io::stdout().is_terminal();
        say!("{}", show::timeline(&world, &scenario.setting, width, colour));
    }
    if let Some(svg) = svg {
        write(svg, &show::timeline_svg(&world, &scenario.setting))?;
    }
    let checked = scenario::check(&scenario);
    if json {
        say!(
            "{}",
            match &checked {
                Ok(report) => json!({"as_expected": true, "states": report.states,
                    "ends": report.outcomes}),
                Err(failure) => json!({"as_expected": false, "line": failure.line,
                    "expected": failure.expected, "why": failure.why}),
            }
        );
        return Ok(checked.is_ok());
    }
    if scenario.expectations.is_empty() {
        say!("Nothing is expected.");
        return Ok(true);
    }
    Ok(match checked {
        Ok(report) => {
            say!(
                "All lives are as expected: {} states{}.",
                report.states,
                match report.outcomes {
                    // Only the laws were asked for, which need no end.
                    0 => String::new(),
                    1 => ", and one end".into(),
                    many => format!(", and {many} different ends"),
                }
            );
            true
        }
        Err(failure) => {
            say!("{}: {failure}", file.display());
            false
        }
    })
}

// --------------------------------------------------------------------------------------- trials

fn peers(json: bool) -> bool {
    let rows = trial::all_peers();
    let clean = rows[0].1.is_empty();
    if json {
        let rows: BTreeMap<_, BTreeMap<_, _>> = rows
            .into_iter()
            .map(|(name, laws)| (name, laws.into_iter().map(|(l, m)| (l.number(), m)).collect()))
            .collect();
        say!("{}", json!(rows));
    } else {
        say!("{}", trial::peers_table(&rows));
        say!("The moves of the shortest counterexample; empty: none was found.");
    }
    clean
}

fn find_mutant(name: &str) -> Result<Mutant, String> {
    let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    Mutant::find(name)
        .ok_or_else(|| format!("there is no mutant {name:?}; there are {}", names.join(", ")))
}

fn mutants(name: Option<&str>, json: bool) -> Done {
    if let Some(name) = name {
        let mutant = find_mutant(name)?;
        let found = trial::mutant(mutant);
        match &found {
            Some((setting, counterexample)) => tell(setting, counterexample),
            None => say!("{} escapes: no law finds it out", mutant.name()),
        }
        return Ok(found.is_some());
    }
    let mut all = true;
    let mut rows = Vec::new();
    for &mutant in Mutant::ALL {
        let found = trial::mutant(mutant);
        all &= found.is_some();
        let (law, moves) = match &found {
            Some((_, c)) => (c.broken.law.number(), c.path.len()),
            None => ("-", 0),
        };
        if json {
            rows.push(json!({"mutant": mutant.name(), "law": law, "moves": moves}));
        } else {
            say!("{:26} {law:4} {moves:>3} moves  {}", mutant.name(), mutant.what());
        }
    }
    if json {
        say!("{}", json!(rows));
    }
    Ok(all)
}
