//! How a process ended.

use crate::signal::Signal;

/// How a process ended, as wait(2) tells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// It exited with this code (the low 8 bits, K35).
    Exited(u8),
    /// A signal killed it.
    Killed {
        /// Which one.
        signal: Signal,
        /// Did it leave a core dump?
        core: bool,
    },
}

impl Status {
    /// The exit code that stands for it: its own, or 128 + signal, as shells have it (K90).
    /// A program may also return such a number itself; only this number mixes the two up.
    pub const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed { signal, .. } => 128 + signal.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_by_signal_is_128_and_the_signal_also_for_real_time_ones() {
        for (number, code) in [(15, 143), (9, 137), (34, 162), (64, 192)] {
            let signal = Signal::new(number).unwrap();
            assert_eq!(Status::Killed { signal, core: false }.code(), code);
            assert_eq!(Status::Killed { signal, core: true }.code(), code);
        }
        assert_eq!(Status::Exited(255).code(), 255);
    }
}
