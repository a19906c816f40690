//! Programs by chance on both kernels. `LASTOUT_PARITY_PROGRAMS` says how many (a night's run:
//! `.ci/parity`), `LASTOUT_PARITY_SEED` which. What fails is shrunk and written to
//! tests/parity/found.score, to be given the name of what it shows.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::time::Instant;
use std::{env, fs};

use lastout_sim::parity::Score;
use lastout_tests::container::available;
use lastout_tests::parity::{Conductor, Failure, Played};
use lastout_tests::tools;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::draft;

/// How many programs an ordinary run compares.
const PROGRAMS: u32 = 2_000;

/// What was compared.
#[derive(Default)]
struct Tally {
    programs: u32,
    cues: usize,
    processes: usize,
    /// Programs in which Linux had a choice of orders.
    several: usize,
    widest: usize,
    /// Programs with more orders than can be kept: nobody can say.
    unjudged: u32,
}

impl Tally {
    fn add(&mut self, played: &Played) {
        self.programs += 1;
        self.cues += played.cues.len();
        self.processes += played.views.iter().map(|view| view.processes.len()).sum::<usize>();
        self.several += usize::from(played.widest > 1);
        self.widest = self.widest.max(played.widest);
    }
}

fn setting(name: &str, otherwise: u32) -> u32 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}")))
}

#[test]
fn whatever_programs_do_the_simulated_kernel_admits_what_linux_did() {
    if !available() {
        return;
    }
    let seed = setting("LASTOUT_PARITY_SEED", 1);
    let config = Config {
        cases: setting("LASTOUT_PARITY_PROGRAMS", PROGRAMS),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let conductor = RefCell::new(Conductor::new());
    let tally = RefCell::new(Tally::default());
    let trouble = Cell::new(false);
    let start = Instant::now();
    let outcome = runner.run(&draft(), |draft| {
        if trouble.get() {
            return Ok(()); // What is no divergence is not shrunk: it would only take its time.
        }
        let played = conductor.borrow_mut().play(&draft.library(), draft.next());
        if matches!(played, Err(Failure::TooManyOrders)) {
            tally.borrow_mut().unjudged += 1;
            return Ok(());
        }
        trouble.set(matches!(played, Err(Failure::Trouble(_))));
        let played = played.map_err(|failure| TestCaseError::fail(failure.to_string()))?;
        tally.borrow_mut().add(&played);
        Ok(())
    });
    let seconds = start.elapsed().as_secs_f64();
    let Tally { programs, cues, processes, several, widest, unjudged } = tally.into_inner();
    let a_minute = f64::from(programs) * 60.0 / seconds;
    // Not by `eprintln`, which the test harness would keep to itself.
    let _ = writeln!(
        std::io::stderr(),
        "parity, seed {seed}: {programs} programs, {cues} cues, {processes} processes compared in \
         {seconds:.1} s ({a_minute:.0} programs a minute); {several} with a choice of orders, at \
         most {widest} states at a time, and {unjudged} with too many"
    );
    let Err(error) = outcome else {
        // Plays in which nothing happens would show nothing. (Measured: 15 cues a program, and one
        // program in 140 with a choice.)
        assert!(programs > 0 && cues > programs as usize * 5, "too little was played");
        assert!(programs < 1_000 || several > 0, "no program had a choice of orders");
        assert!(unjudged * 100 <= programs, "too many were not judged");
        return;
    };
    let TestError::Fail(why, draft) = error else {
        panic!("{error}");
    };
    assert!(!trouble.get(), "{why}");
    // Once more, for the score as it is now.
    match conductor.borrow_mut().play(&draft.library(), draft.next()) {
        Err(failure) => {
            if let Failure::Divergence(found) = &failure {
                let remark = vec!["Found by chance.".into()];
                let score = Score { remark, ..found.score.clone() };
                let path = tools::workspace().join("tests/parity/found.score");
                if fs::write(&path, score.to_string()).is_ok() {
                    eprintln!("written to {}", path.display());
                }
            }
            panic!("{failure}")
        }
        Ok(_) => panic!("it did not happen again: {why}\n{draft:?}"),
    }
}
