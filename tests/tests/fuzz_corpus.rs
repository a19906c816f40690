//! The corpora of the fuzz targets, replayed: what fuzzing once reached is judged in every run,
//! on stable. `fuzz/README.md` says how they are made.
//!
//! A file elsewhere, such as a crash, is judged and told by
//!
//! ```text
//! LASTOUT_FUZZ_INPUT=fuzz/artifacts/step/crash-… cargo test -p lastout-tests --test fuzz_corpus
//! ```
//!
//! whose path says which target it is for; `LASTOUT_FUZZ_MUTANT` says whose life it is, as for the
//! target `world`. Here a panic unwinds, so it is told in the notation too, which it is not under
//! libFuzzer.

use std::path::{Path, PathBuf};
use std::{env, fs};

use lastout_sim::fuzz;
use lastout_sim::machine::Kind;
use lastout_sim::mutant::Mutant;
use lastout_sim::witness::{Seen, Witness};

type Target = fn(&[u8]) -> Result<(), String>;

/// Each target, and how many files its corpus has at least: an empty or misplaced directory is
/// no success.
const TARGETS: [(&str, Target, usize); 3] =
    [("notation", fuzz::notation, 80), ("step", fuzz::step, 50), ("world", world, 100)];

/// Of a mutant, if one is named, as in the target.
fn world(bytes: &[u8]) -> Result<(), String> {
    let mutant = env::var("LASTOUT_FUZZ_MUTANT").ok();
    fuzz::world_with(fuzz::kind(mutant.as_deref())?, bytes)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files of a directory, always in the same order.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Ok(files)
}

/// Judges every file of the directory, and counts them.
fn replay(directory: &Path, target: Target) -> Result<usize, String> {
    let files = files(directory)?;
    for file in &files {
        judge(file, target)?;
    }
    Ok(files.len())
}

fn judge(file: &Path, target: Target) -> Result<(), String> {
    let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    target(&bytes).map_err(|told| format!("{}:\n{told}", file.display()))
}

#[test]
fn every_corpus_keeps_the_laws() {
    for (name, target, at_least) in TARGETS {
        let directory = root().join("fuzz/corpus").join(name);
        match replay(&directory, target) {
            Ok(count) => assert!(count >= at_least, "{name}: only {count} files: some are lost"),
            Err(told) => panic!("{told}"),
        }
    }
}

#[test]
fn the_file_that_was_named_keeps_the_laws() {
    let Some(file) = env::var_os("LASTOUT_FUZZ_INPUT").map(PathBuf::from) else {
        return;
    };
    // Cargo runs tests elsewhere than it was called.
    let file = root().join(file);
    let named = |(name, ..): &&(&str, Target, usize)| file.iter().any(|part| part == *name);
    let (_, target, _) = TARGETS.iter().find(named).expect("no target in the path");
    if let Err(told) = judge(&file, *target) {
        panic!("{told}");
    }
}

/// Lives in which nothing happens keep every law.
#[test]
fn most_lives_of_the_corpus_end_and_everything_is_seen_in_them() {
    let files = files(&root().join("fuzz/corpus/world")).unwrap();
    let mut seen = Seen::default();
    let mut over = 0;
    for file in &files {
        let world = fuzz::life(&fs::read(file).unwrap()).world;
        over += usize::from(world.is_over());
        seen.join(world.seen.0);
    }
    assert!(over * 10 >= files.len() * 8, "only {over} of {} lives end", files.len());
    let unseen: Vec<_> = Witness::ALL.iter().filter(|w| !seen.has(**w)).map(|w| w.what()).collect();
    assert!(unseen.is_empty(), "never seen: {}", unseen.join(", "));
}

/// The proof that the laws are not kept because nothing happens.
#[test]
fn each_mistake_is_found_out_by_the_corpus_of_world() {
    let directory = root().join("fuzz/corpus/world");
    for mutant in Mutant::ALL {
        let breaks = |file: &PathBuf| {
            let bytes = fs::read(file).unwrap();
            fuzz::world_with(Kind::Mutant(*mutant), &bytes).is_err()
        };
        let found = files(&directory).unwrap().iter().any(breaks);
        assert!(found, "{} is not: .ci/fuzz-mutants finds an input for the corpus", mutant.name());
    }
}

/// The proof that a file that breaks a law, and a directory that is lost, are found out.
#[test]
fn a_corpus_that_breaks_a_law_is_found_out() {
    let corpus = root().join("fuzz/corpus/step");
    let told = replay(&corpus, |_| Err("S1".to_owned())).unwrap_err();
    assert!(told.starts_with(corpus.to_str().unwrap()) && told.ends_with(":\nS1"), "{told}");
    assert!(replay(&root().join("fuzz/corpus/none"), fuzz::step).is_err());
}
