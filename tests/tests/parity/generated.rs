//! Programs by chance on both kernels.

use std::cell::RefCell;
use std::env;
use std::time::Instant;

use lastout_sim::parity::Score;
use lastout_tests::parity::{Conductor, Failure};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::draft;

/// How many programs an ordinary run compares.
const PROGRAMS: u32 = 2_000;

#[derive(Default)]
struct Counts {
    programs: u64,
    cues: u64,
    processes: u64,
    several: u64,
    widest: usize,
    /// Programs with more orders than can be kept.
    not_judged: u64,
}

#[test]
fn whatever_programs_do_the_simulated_kernel_admits_what_linux_did() {
    let programs = env::var("LASTOUT_PARITY_PROGRAMS").ok();
    let programs = programs.map_or(PROGRAMS, |text| text.parse().expect("LASTOUT_PARITY_PROGRAMS"));
    let seed = env::var("LASTOUT_PARITY_SEED").ok();
    let seed: u64 = seed.map_or(1, |text| text.parse().expect("LASTOUT_PARITY_SEED"));
    let config = Config {
        cases: programs,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let conductor = RefCell::new(Conductor::new());
    let counts = RefCell::new(Counts::default());
    let start = Instant::now();
    let outcome = runner.run(&draft(), |draft| {
        let library = draft.library();
        match conductor.borrow_mut().play(&library, draft.next()) {
            Ok(played) => {
                let mut counts = counts.borrow_mut();
                counts.programs += 1;
                counts.cues += played.cues.len() as u64;
                counts.processes +=
                    played.views.iter().map(|v| v.processes.len() as u64).sum::<u64>();
                counts.several += u64::from(played.widest > 1);
                counts.widest = counts.widest.max(played.widest);
                Ok(())
            }
            Err(Failure::TooManyOrders) => {
                counts.borrow_mut().not_judged += 1;
                Ok(())
            }
            Err(failure) => Err(TestCaseError::fail(failure.to_string())),
        }
    });
    let counts = counts.borrow();
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "seed {seed}: {} programs, {} cues, {} processes compared in {seconds:.1} s ({:.0} programs a \
         minute); {} had several possible orders, at most {} states at a time, \
         and {} too many",
        counts.programs,
        counts.cues,
        counts.processes,
        f64::from(u32::try_from(counts.programs).unwrap_or(u32::MAX)) * 60.0 / seconds,
        counts.several,
        counts.widest,
        counts.not_judged,
    );
    if let Err(TestError::Fail(_, draft)) = &outcome {
        let failure = conductor.borrow_mut().play(&draft.library(), draft.next());
        if let Err(Failure::Divergence(found)) = &failure {
            let score = Score { remark: vec!["Found by chance.".into()], ..found.score.clone() };
            let path = lastout_tests::tools::workspace().join("tests/parity/found.score");
            let _ = std::fs::write(&path, score.to_string());
            eprintln!("written to {}", path.display());
        }
        match failure {
            Err(failure) => panic!("{failure}"),
            Ok(_) => panic!("it did not happen again: {outcome:?}"),
        }
    }
    outcome.expect("no other end");
    let most = 1 + counts.programs / 200;
    assert!(counts.not_judged <= most, "{} programs had too many orders", counts.not_judged);
}
