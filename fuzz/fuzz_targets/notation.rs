//! Text in the notation: see `lastout_sim::fuzz::notation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = lastout_sim::fuzz::notation(data) {
        panic!("{broken}");
    }
});
