//! How fast the simulated world goes on one core, and how that grows with the processes in it:
//! `cargo bench -p lastout-sim`, about two minutes.
//!
//! Random lives as a swarm lives them, but each once; searches; the three fuzz targets on random
//! bytes; and lives in which so many processes are there all the time. Several rounds, of which the
//! median counts and the least and the most are told: on a shared machine one figure is none.

use std::time::{Duration, Instant};

use lastout_core::{Graces, Millis, Policy, Role};
use lastout_sim::bounds::{self, Asked};
use lastout_sim::chooser::{Chooser, Random};
use lastout_sim::explore::explore;
use lastout_sim::life::{Weights, live};
use lastout_sim::machine::Kind;
use lastout_sim::setting::Setting;
use lastout_sim::{fuzz, program, swarm};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(500);

/// How many processes there are in the lives of the second table, beside init and the main child.
const CROWDS: [u32; 5] = [2, 8, 32, 128, 512];

fn main() {
    println!("| a second, on one core | median | least | most |\n|---|---:|---:|---:|");
    lives();
    searches();
    fuzzing();
    println!(
        "\n| processes | world moves a second | least | most | ns a move |\n|---:|---:|---:|---:|---:|"
    );
    for crowd in CROWDS {
        crowded(crowd);
    }
}

/// Random lives.
fn lives() {
    let (mut lives, mut moves, mut hours) = (Vec::new(), Vec::new(), Vec::new());
    let mut seeds = Random::new(1);
    for _ in 0..ROUNDS {
        let (mut count, mut sum, mut simulated) = (0_u64, 0_u64, 0_u64);
        let began = Instant::now();
        while began.elapsed() < 4 * ROUND {
            let (_, life) = swarm::one(seeds.next(), Kind::Lastout);
            assert!(life.broken.is_none());
            count += 1;
            sum += life.moves;
            simulated += life.world.passed();
        }
        let passed = began.elapsed();
        lives.push(rate(count, passed));
        moves.push(rate(sum, passed));
        hours.push(rate(simulated, passed) / 3_600_000.0);
    }
    tell("world moves, random lives", moves, 0);
    tell("container lives", lives, 0);
    tell("simulated hours", hours, 2);
}

/// Exhaustive searches: a bound of the ordinary tests, and how it is with more processes.
fn searches() {
    let search = |what: &str, setting: &Setting| {
        let rates = (0..ROUNDS).map(|_| {
            let began = Instant::now();
            let found = explore(setting, 100_000, |_, _| ());
            rate(found.states, began.elapsed())
        });
        tell(what, rates.collect(), 0);
    };
    for processes in [2, 3, 4] {
        let asked = Asked {
            role: Role::Pid1,
            processes,
            forks: 3,
            stops: 1,
            visitors: 0,
            freezes: 0,
            ticks: 1,
        };
        search(
            &format!("states, search with {processes} processes and 3 forks"),
            &bounds::asked(&asked),
        );
    }
}

/// The fuzz targets, on as many random bytes as a fuzzer's inputs have.
fn fuzzing() {
    type Target = fn(&[u8]) -> Result<(), String>;
    let targets: [(&str, Target); 3] =
        [("world", fuzz::world), ("step", fuzz::step), ("notation", fuzz::notation)];
    for (name, target) in targets {
        for length in [64, 512] {
            let mut random = Random::new(1);
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                let (mut count, began) = (0, Instant::now());
                while began.elapsed() < ROUND {
                    let bytes: Vec<u8> = (0..length).map(|_| byte(&mut random)).collect();
                    target(&bytes).expect("no law is broken");
                    count += 1;
                }
                rates.push(rate(count, began.elapsed()));
            }
            tell(&format!("executions of fuzz target {name}, {length} bytes"), rates, 0);
        }
    }
}

fn byte(random: &mut Random) -> u8 {
    u8::try_from(random.below(256)).expect("a byte")
}

/// A container in which so many processes are there until they are asked to end, and come again.
fn crowded(crowd: u32) {
    let text = format!(
        "program app\n    {}pause\n\nprogram nest\n    {}pause\n\nprogram worker\n    \
         on TERM goto end\n  idle: either work come\n    work: work 1; goto idle\n    \
         come: background leaf; goto idle\n  end: exit 0\n\nprogram leaf\n    exit 0\n",
        "daemon nest; ".repeat(crowd.div_ceil(32) as usize),
        "spawn worker; ".repeat(crowd.min(32) as usize),
    );
    let library = program::parse(&text).expect("it is a program");
    let graces = Graces { drain: Millis(500), ..Graces::DEFAULT };
    let mut setting = Setting::new(Policy { graces, ..Policy::new(Role::Pid1) }, library);
    setting.processes = u16::try_from(crowd + crowd / 4 + 24).expect("a small crowd");
    let mut random = Random::new(1);
    let weights = Weights::draw(&mut random);
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let (mut moves, began) = (0, Instant::now());
        while began.elapsed() < ROUND {
            let life = live(&setting, &mut random, weights, 20_000);
            assert!(life.broken.is_none());
            moves += life.moves;
        }
        rates.push(rate(moves, began.elapsed()));
    }
    rates.sort_by(f64::total_cmp);
    let (median, least, most) = (rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1]);
    println!("| {crowd} | {median:.0} | {least:.0} | {most:.0} | {:.0} |", 1e9 / median);
}

#[allow(clippy::cast_precision_loss, reason = "a figure for the eye")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn tell(what: &str, mut rates: Vec<f64>, digits: usize) {
    rates.sort_by(f64::total_cmp);
    let (median, least, most) = (rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1]);
    println!("| {what} | {median:.digits$} | {least:.digits$} | {most:.digits$} |");
}
