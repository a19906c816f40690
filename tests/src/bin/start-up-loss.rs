//! How many stop signals are lost that come in the first moments of an init: a measurement, no
//! test.
//!
//! ```text
//! cargo run --release -p lastout-tests --bin start-up-loss [TRIES]      (1000)
//! ```
//!
//! Each try starts an init as PID 1 of a new PID namespace with `sleep 60` as its command, sends
//! TERM at a random moment of the first 1.5 ms after the init's exec, and looks whether the
//! container ends. What comes before the init has blocked its signals cannot be kept by anyone
//! (K9); after that, none may be lost. The inits take turns, so that all see the same noise.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lastout_tests::container::{Container, available};
use lastout_tests::story::Story;
use lastout_tests::tools;

/// From the init's exec on.
const WINDOW_NS: u64 = 1_500_000;

/// A container that has got its TERM ends within some milliseconds.
const PATIENCE: Duration = Duration::from_millis(400);

struct Init {
    name: &'static str,
    path: PathBuf,
    tries: u32,
    lost: u32,
}

fn main() {
    if !available() {
        return;
    }
    let tries: u32 = std::env::args().nth(1).map_or(1000, |n| n.parse().expect("a number"));
    let mut inits = vec![Init::new("lastout", Some(tools::lastout().to_owned()))];
    for peer in ["tini-static", "tini", "dumb-init", "catatonit"] {
        inits.push(Init::new(peer, tools::installed(peer)));
    }
    inits.retain(|init| init.path.is_file());
    let story = Story::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..tries {
        for init in &mut inits {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let moment = Duration::from_nanos(random % WINDOW_NS);
            let words = ["--", "sleep", "60"];
            let container = Container::program(&init.path, &story, &words);
            let mut container = container.unrecorded("the others have no record either").start();
            // start() returns when the init's program has been executed.
            let start = Instant::now();
            while start.elapsed() < moment {
                std::hint::spin_loop();
            }
            container.signal(libc::SIGTERM);
            while !container.has_ended() && start.elapsed() < PATIENCE {
                sleep(Duration::from_micros(200));
            }
            init.tries += 1;
            init.lost += u32::from(!container.has_ended());
        }
    }
    println!("| init | TERMs at 0 to 1.5 ms | lost | share |\n|---|---|---|---|");
    for Init { name, tries, lost, .. } in inits {
        let share = f64::from(lost) / f64::from(tries) * 100.0;
        println!("| {name} | {tries} | {lost} | {share:.1} % |");
    }
}

impl Init {
    fn new(name: &'static str, path: Option<PathBuf>) -> Self {
        Self { name, path: path.unwrap_or_default(), tries: 0, lost: 0 }
    }
}
