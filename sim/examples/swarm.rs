//! s
use lastout_sim::*;
fn main() {
    let seed: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let secs: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let t0 = std::time::Instant::now();
    let (t, f) =
        swarm::swarm(seed, machine::Kind::Lastout, std::time::Duration::from_secs(secs), |_, _| ());
    println!("{t:?} {} moves/s", t.moves as f64 / t0.elapsed().as_secs_f64());
    for w in witness::Witness::ALL.iter().filter(|w| !t.seen.has(**w)) {
        println!("  UNSEEN {}", w.what());
    }
    match f {
        Some(swarm::Finding::Broken { seed, setting, counterexample: c }) => {
            println!(
                "seed {seed} {:?} {:?} main {}",
                setting.faults,
                setting.engine,
                setting.library.name(setting.main)
            );
            println!("{}", show::counterexample(&setting, &c, "x"));
        }
        x => println!("{x:?}"),
    }
}
