//! t
use lastout_sim::*;
use lastout_core::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (procs, forks, drain) = (a[1].parse().unwrap(), a[2].parse().unwrap(), a[3].parse().unwrap());
    let g = Graces { stop: None, drain: Millis(drain), last_call: Millis(50), kill: Millis(50) };
    let policy = Policy { graces: g, ..Policy::default() };
    let mut s = setting::Setting::new(policy, workload::any());
    s.processes = procs; s.forks = Some(forks);
    for e in &a[4..] {
        let script = engine::parse(&e, &s.library).unwrap();
        s.engine.push(script);
    }
    let t = std::time::Instant::now();
    let e = explore::explore(&s, 40_000_000, |_, _| ());
    println!("{} states {} moves depth {} ends {} stuck {} complete {} in {:?}", e.states, e.moves, e.depth, e.ends, e.stuck, e.complete, t.elapsed());
    for w in e.seen.all() { println!("  {}", w.what()); }
    if let Some(c) = e.broken {
        println!("BROKEN {}", c.broken);
        let mut w = world::World::noted(&s);
        for ch in c.path { let _ = w.apply(&s, ch); }
        for n in w.kernel.notes.kept() { println!("{:?}", n); }
    }
}
