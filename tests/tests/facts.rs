//! The facts about Linux that lastout relies on, seen on the kernel that runs these tests: one test
//! for each, named by its number in `docs/kernel.md`. K1 to K30 and K34 to K38 are here.
//!
//! A test's body is an experiment: it runs in a program of its own, below two PID namespaces of its
//! own; see `facts/ground.rs`, which is to be read first.

mod facts {
    mod ground;
    mod pid_1;
    mod pid_1_end;
    mod signals;
    mod stops;
    mod wait;
}
