//! s
use lastout_sim::*;
fn main() {
    let seed: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let (t, f) =
        swarm::swarm(seed, machine::Kind::Lastout, std::time::Duration::from_secs(5), |_, _| ());
    println!("{t:?}");
    for w in t.seen.all() {
        println!("  {}", w.what());
    }
    match f {
        Some(swarm::Finding::Broken { seed, setting, counterexample: c }) => {
            println!(
                "BROKEN {} seed {seed} {} {:?} {:?} main {}",
                c.broken,
                setting.policy,
                setting.faults,
                setting.engine,
                setting.library.name(setting.main)
            );
            let mut w = world::World::noted(&setting);
            for ch in c.path {
                let _ = w.apply(&setting, ch);
            }
            let k = w.kernel.notes.kept();
            for n in &k[k.len().saturating_sub(60)..] {
                match &n.note {
                    note::Note::Step { pid: _, entry } => println!("{} {}", n.at, entry),
                    n2 => println!("{}    {:?}", n.at, n2),
                }
            }
            for p in &w.kernel.processes {
                println!("{p:?}");
            }
        }
        x => println!("{x:?}"),
    }
}
