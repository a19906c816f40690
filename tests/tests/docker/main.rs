//! lastout in containers that Docker starts and stops, beside other inits and none.
//!
//! The library's `engine` says what these tests need and how to have it. The processes are
//! tellers; the others beside the main child are G (in its process group), S (in a session of
//! its own), D (a daemon, orphaned from the start) and E (entered by `docker exec`). P1, P2, …
//! are the problem's rows: where it says *before*, that is how it goes without lastout.

mod codes;
mod entered;
mod forwarding;
mod frozen;
mod lives;
mod places;
mod resources;
mod shells;
mod terminal;

/// G, S and D, each needing 400 ms to finish once it is asked.
const OTHERS: &str = "spawn G [g take TERM 400 finish exit 0] \
                      spawn S [s take TERM 400 finish exit 0] \
                      spawn D [d take TERM 400 finish exit 0]";

/// E, too.
const ENTERED: &str = "/teller e take TERM 400 finish exit 3";

/// How long Docker waits for the end of a container that ends by itself.
const PATIENT: u32 = 20;

/// How long a stop may take that has nothing to wait for, on a busy machine: less than the 5 s
/// of a drain grace that nobody answers.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(4);
