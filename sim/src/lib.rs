//! A simulated container: a kernel, its processes and an engine around the unchanged core.

pub mod fuzz;
