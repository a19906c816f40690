//! What the fuzz targets call: functions from bytes to a verdict, compiled as any other code.
//!
//! The bytes are not the thing itself but choices (`choice.rs`), of fixed widths and read in
//! order, so that a fuzzer that changes one byte changes one choice and leaves the rest as it
//! was. Whatever the bytes are, they mean something; nothing is rejected.
//!
//! A verdict that is not `Ok` is told in the notation, or as a scenario of the whole world, so that
//! it can be put into a test (`fuzz/README.md`). So is a panic, as long as it unwinds: under libFuzzer it aborts, and the
//! replay of the same bytes by `tests/tests/fuzz_corpus.rs` tells.

mod choice;
mod edit;
mod notation;
mod step;
mod world;

use std::panic::{self, AssertUnwindSafe};

pub use notation::notation;
pub use step::{Stepper, step, step_with};
pub use world::{kind, life, world, world_with};

/// What `run` returns; if it panics, that as an error.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // What it leaves half done is looked at by nobody.
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("a panic: {}", text.unwrap_or("without a text"))
    })
}
