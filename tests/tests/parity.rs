//! The simulated kernel is Linux: programs on both, compared after each step
//! (`lastout_sim::parity` says how).

mod parity {
    mod generate;
    mod generated;
    mod page;
    mod scores;
}
