//! lastout beside other inits, and beside the least that an init can be:
//!
//! ```text
//! cargo bench -p lastout                               everything, six minutes
//! cargo bench -p lastout -- startup memory --quick     these only, in fewer rounds
//! ```
//!
//! What each measure is, stands at the head of its module. Common to all: each init is PID 1 of a
//! PID namespace of its own (but where its other role is measured), so nothing that is signalled
//! here is anybody else's; the inits take turns, in an order that is shuffled in each round, so
//! that all see the same noise; a figure is the median of the rounds, and a ratio the median of the
//! rounds' ratios. The commands under the inits are ours (`tiny.rs`, `orphans.rs`).
//!
//! docs/performance.md has the figures of one run, written there by `--write`, and how they are to
//! be read. Root is needed, for the namespaces.

#![allow(clippy::cast_precision_loss, reason = "figures for the eye: no count here is near 2^53")]

mod contenders;
mod growth;
mod idle;
mod latency;
mod loss;
mod memory;
mod orphans;
mod report;
mod shared;
mod shutdown;
mod size;
mod stage;
mod startup;
mod storm;
mod strangers;
mod table;
mod tiny;
mod trace;

use std::process::ExitCode;
use std::time::Instant;

use contenders::Contender;
use table::Findings;
use tiny::Tiny;

/// What every measure is given.
pub(crate) struct Setting {
    pub(crate) contenders: Vec<Contender>,
    pub(crate) tiny: Tiny,
    /// This program, to be put under an init.
    pub(crate) own: String,
    pub(crate) quick: bool,
}

impl Setting {
    /// So many rounds; fewer if it has to be quick.
    pub(crate) fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The contenders' places, each once, in another order each time.
    pub(crate) fn shuffled(&self, random: &mut Random) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.contenders.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        order
    }

    /// The command that is this program in that role (`orphans.rs`).
    pub(crate) fn role(&self, role: &str, fd: i32, count: usize, sleepers: usize) -> Vec<String> {
        let numbers = [fd.to_string(), count.to_string(), sleepers.to_string()];
        let words = [self.own.clone(), "--child".to_owned(), role.to_owned()];
        words.into_iter().chain(numbers).collect()
    }
}

/// Chance, the same in each run: xorshift.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below that one.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).expect("64 bits") % limit
    }
}

type Measure = fn(&Setting, &mut Findings);

const MEASURES: [(&str, Measure); 11] = [
    ("startup", startup::measure),
    ("trace", trace::measure),
    ("memory", memory::measure),
    ("size", size::measure),
    ("latency", latency::measure),
    ("storm", storm::measure),
    ("shutdown", shutdown::measure),
    ("growth", growth::measure),
    ("strangers", strangers::measure),
    ("loss", loss::measure),
    ("idle", idle::measure),
];

/// What was asked for.
#[derive(Default)]
struct Options {
    measures: Vec<String>,
    quick: bool,
    write: bool,
    json: Option<String>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            // cargo says so to every benchmark.
            "--bench" => (),
            "--quick" => options.quick = true,
            "--write" => options.write = true,
            "--json" => options.json = Some(words.next().ok_or("--json needs a file")?),
            name if MEASURES.iter().any(|(known, _)| *known == name) => options.measures.push(word),
            _ => {
                let names = MEASURES.map(|(name, _)| name).join(" ");
                return Err(format!(
                    "{word}: not known here. Measures: {names} (none: all). Options: --quick, \
                     --json FILE, --write (docs/performance.md and README.md)"
                ));
            }
        }
    }
    if options.write && (!options.measures.is_empty() || options.quick) {
        return Err("--write is for the figures of a whole run: without names and --quick".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // SAFETY: Rust ignores it at its start, and what we start would inherit that.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    if words.first().is_some_and(|word| word == "--child") {
        return ExitCode::from(u8::try_from(orphans::child(&words[1..])).unwrap_or(1));
    }
    let options = match parse(words.into_iter()) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("inits: {why}");
            return ExitCode::from(2);
        }
    };
    // SAFETY: no argument.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("inits: root is needed: each init is PID 1 of a PID namespace of its own");
        return ExitCode::from(2);
    }
    let own = std::env::current_exe().expect("/proc/self/exe");
    let setting = Setting {
        contenders: contenders::all(),
        tiny: Tiny::new(),
        own: own.to_str().expect("a readable path").to_owned(),
        quick: options.quick,
    };
    println!("{}", report::machine());
    let start = Instant::now();
    let mut findings = Findings::default();
    for (name, measure) in MEASURES {
        if options.measures.is_empty() || options.measures.iter().any(|wanted| wanted == name) {
            let since = Instant::now();
            measure(&setting, &mut findings);
            println!("\n  ({name}: {:.0} s)", since.elapsed().as_secs_f64());
        }
    }
    println!("\nAll of it: {:.0} s", start.elapsed().as_secs_f64());
    let written = report::write(&findings, options.json.as_deref(), options.write);
    if let Err(why) = written {
        eprintln!("inits: {why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
