//! Events straight into the machine: see `lastout_sim::fuzz::step`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(broken) = lastout_sim::fuzz::step(data) {
        panic!("{broken}");
    }
});
