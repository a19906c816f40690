//! A life of the whole world: see `lastout_sim::fuzz::world`.
//!
//! `LASTOUT_FUZZ_MUTANT=no-cont` puts that mistake into lastout; another word makes it say which
//! there are.

#![no_main]

use std::env;
use std::sync::LazyLock;

use lastout_sim::fuzz;
use lastout_sim::machine::Kind;

static KIND: LazyLock<Kind> = LazyLock::new(|| {
    let mutant = env::var("LASTOUT_FUZZ_MUTANT").ok();
    fuzz::kind(mutant.as_deref()).unwrap_or_else(|why| panic!("{why}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = fuzz::world_with(*KIND, data) {
        panic!("{broken}");
    }
});
