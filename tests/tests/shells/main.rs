//! Shells: what becomes of a script and of what it has started when it is told to stop, with the
//! real bash, dash and busybox, and in the simulator.
//!
//! `table.rs` says what comes of which script, as an ordinary process, as PID 1 and as lastout's
//! main child. `live.rs` compares the real shells with it, `worlds.rs` the simulator and the worlds
//! in `tests/scenarios`, `page.rs` docs/graceful.md; so none of them can drift from the others.
//! `facts.rs` has what shells do that is in no row (K83 to K90). After a change of the table, this
//! rewrites what files say of it:
//!
//! ```text
//! LASTOUT_REGENERATE=1 cargo test -p lastout-tests --test shells
//! ```

mod facts;
mod live;
mod page;
mod programs;
mod stage;
mod table;
mod worlds;
