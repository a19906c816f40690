//! A life of the whole world: see `lastout_sim::fuzz::world`.
//!
//! `LASTOUT_FUZZ_MUTANT=no-cont` puts that mistake into lastout; any
//! other word makes it say which there are.

#![no_main]

use std::env;
use std::sync::LazyLock;

use lastout_sim::machine::Kind;
use lastout_sim::mutant::Mutant;

static KIND: LazyLock<Kind> = LazyLock::new(|| {
    let Ok(name) = env::var("LASTOUT_FUZZ_MUTANT") else {
        return Kind::Lastout;
    };
    let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
    let mutant = Mutant::find(&name);
    Kind::Mutant(
        mutant.unwrap_or_else(|| panic!("\nLASTOUT_FUZZ_MUTANT is one of {}", names.join(" "))),
    )
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = lastout_sim::fuzz::world_with(*KIND, data) {
        panic!("{broken}");
    }
});
