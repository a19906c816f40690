//! How fast the simulated world goes on one core: `cargo bench -p lastout-sim`.
//!
//! Random lives as a swarm lives them, but each once; and a search. Several rounds, of which the
//! median counts and the least and the most are told: on a shared machine one figure is none.

use std::time::{Duration, Instant};

use lastout_sim::bounds;
use lastout_sim::chooser::Random;
use lastout_sim::explore::explore;
use lastout_sim::machine::Kind;
use lastout_sim::swarm;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);

fn main() {
    let mut lives = Vec::new();
    let mut moves = Vec::new();
    let mut hours = Vec::new();
    let mut states = Vec::new();
    let mut seeds = Random::new(1);
    for _ in 0..ROUNDS {
        let (mut count, mut sum, mut simulated) = (0_u64, 0_u64, 0_u64);
        let began = Instant::now();
        while began.elapsed() < ROUND {
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
        let bound = &bounds::ordinary()[0];
        let began = Instant::now();
        let found = explore(&bound.setting, u64::MAX, |_, _| ());
        states.push(rate(found.states, began.elapsed()));
    }
    println!("| a second, on one core | median | least | most |\n|---|---|---|---|");
    tell("world moves, random lives", moves, 0);
    tell("container lives", lives, 0);
    tell("simulated hours", hours, 2);
    tell("states, exhaustive search", states, 0);
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
