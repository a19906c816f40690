//! What `lastout-sim explore`, `swarm`, `mutants` and `peers` find, as tests: the simulated world
//! within the ordinary bounds, everything in it judged by every law; and the proofs that the laws
//! would notice.
//!
//! Numbers of states are pinned. A change of the machine, of the kernel or of a bound that changes
//! what can happen changes them, and whoever makes it says so by changing the table in
//! `explore.rs`. A number that moves though nothing was to change is a finding.

mod explore;
mod lives;
mod trials;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
