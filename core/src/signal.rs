//! Signals by number and by name: 1 to 64, as Linux numbers them on x86-64 and aarch64.
//!
//! There is no enumeration of "known" signals: an init must pass on every number, also the
//! real-time ones, and an enumeration that lacks one turns a death by it into an error (one
//! peer hangs for ever on that).

use core::fmt::{self, Display};
use core::num::NonZeroU8;

use crate::decimal::{self, Decimal};

/// A signal, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(NonZeroU8);

/// Names of 1 to 31, signal(7). 29 is also POLL, 6 also IOT, 30 also INFO on some systems.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal as users know it: the C library keeps 32 and 33 to itself.
/// Engines count from here too (`docker stop` with `SIGRTMIN+3` sends 37).
const RTMIN: u8 = 34;
/// The last signal.
const RTMAX: u8 = 64;

macro_rules! named {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(#[doc = concat!("SIG", stringify!($name), ".")]
        pub const $name: Self = Self(NonZeroU8::new($number).unwrap());)*
    };
}

impl Signal {
    named! {
        HUP = 1, INT = 2, QUIT = 3, TRAP = 5, KILL = 9, USR1 = 10, USR2 = 12, PIPE = 13,
        TERM = 15, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22, XFSZ = 25,
        WINCH = 28,
    }

    /// The signal of that number, if it is 1 to 64.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(n) if number <= RTMAX => Some(Self(n)),
            _ => None,
        }
    }

    /// 1 to 64.
    pub const fn number(self) -> u8 {
        self.0.get()
    }

    /// Can it be taken by waiting? KILL and STOP cannot (K18).
    pub const fn can_be_taken(self) -> bool {
        !matches!(self, Self::KILL | Self::STOP)
    }

    /// Is it one that a terminal sends to stop a job (TSTP, TTIN, TTOU)?
    pub const fn is_terminal_stop(self) -> bool {
        matches!(self, Self::TSTP | Self::TTIN | Self::TTOU)
    }

    /// The signal that `text` means: `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `RTMAX-1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if let Some(number) = decimal::parse(text) {
            return Self::new(u8::try_from(number).ok()?);
        }
        let name = match text.split_at_checked(3) {
            Some((head, name)) if is_name(head, "SIG") => name,
            _ => text,
        };
        if let Some(at) = NAMES.iter().position(|n| is_name(name, n)) {
            return Self::new(u8::try_from(at).ok()? + 1);
        }
        let (base, rest) = name.split_at_checked(5)?;
        let (sign, offset) = match rest {
            [] => (None, 0),
            [sign, offset @ ..] => (Some(sign), u8::try_from(decimal::parse(offset)?).ok()?),
        };
        let number = match sign {
            None | Some(b'+') if is_name(base, "RTMIN") => RTMIN.checked_add(offset)?,
            None | Some(b'-') if is_name(base, "RTMAX") => RTMAX.checked_sub(offset)?,
            _ => return None,
        };
        Self::new(number).filter(|_| number >= RTMIN)
    }
}

/// Is this that name, which is in capitals, in any case?
fn is_name(text: &[u8], name: &str) -> bool {
    text.len() == name.len()
        && text.iter().zip(name.bytes()).all(|(t, n)| t.to_ascii_uppercase() == n)
}

/// `TERM`, `RTMIN+3`; 32 and 33, which have no name, as numbers.
impl Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        match NAMES.get(usize::from(number) - 1) {
            Some(name) => f.write_str(name),
            None if number == RTMIN => f.write_str("RTMIN"),
            None if number > RTMIN => {
                f.write_str("RTMIN+")?;
                Decimal(u64::from(number - RTMIN)).fmt(f)
            }
            None => Decimal(u64::from(number)).fmt(f),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A set of signals, laid out as the kernel's: bit n-1 stands for signal n.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// All 64.
    pub const FULL: Self = Self(u64::MAX);

    /// The set with these bits, as the kernel gives them.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, as the kernel takes them.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set and `signal`.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | 1 << (signal.number() - 1))
    }

    /// Is `signal` in it?
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << (signal.number() - 1)) != 0
    }

    /// Is nothing in it?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its signals, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=RTMAX).filter_map(Signal::new).filter(move |&s| self.contains(s))
    }
}

/// `TERM,INT`: lowest number first; `none` when empty.
impl Display for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (i, signal) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            Display::fmt(&signal, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_signal_has_one_name_that_reads_back() {
        for n in 1..=64 {
            let signal = Signal::new(n).unwrap();
            let name = signal.to_string();
            assert_eq!(Signal::parse(&name), Some(signal), "{name}");
        }
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
    }

    #[test]
    fn names_are_taken_with_and_without_sig_in_any_case_and_as_numbers() {
        for text in ["TERM", "SIGTERM", "term", "SigTerm", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        for (text, number) in [("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX", 64), ("rtmax-1", 63)] {
            assert_eq!(Signal::parse(text).map(Signal::number), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "0",
            "65",
            "+15",
            "-1",
            "15x",
            "SIG",
            "TERMINATE",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN+",
            "RTMINx",
            "é",
            "SIé",
            "999",
        ] {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_set_has_the_kernels_bits() {
        let set = SignalSet::EMPTY.with(Signal::HUP).with(Signal::TERM);
        assert_eq!(set.bits(), 0x4001);
        assert_eq!(set.to_string(), "HUP,TERM");
        assert!(set.contains(Signal::TERM) && !set.contains(Signal::INT));
        assert_eq!(SignalSet::FULL.iter().count(), 64);
    }
}
