//! Spans of time. The machine has no clock: it says how long, and is told when that is over.

use core::fmt::{self, Display};

use crate::decimal::{self, Decimal};

/// A span of time in whole milliseconds, up to 49 days.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Millis(pub u32);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Is it no time at all?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What is left of it after `span`; nothing, if that was more.
    #[must_use]
    pub const fn minus(self, span: Self) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// Both, one after the other.
    #[must_use]
    pub const fn plus(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span that `text` means: `1500ms`, `5s`, `2m`, or `0`, which needs no unit.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::ZERO);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return None,
        };
        u32::try_from(decimal::parse(number.as_bytes())?).ok()?.checked_mul(factor).map(Self)
    }

    /// The span in seconds, as people read it: `5.25s`, `0.05s`, `10s`.
    pub fn in_seconds(self) -> impl Display {
        Seconds(self)
    }
}

/// `2m`, `5s` or `1500ms`: the largest unit that is exact, so that it reads back the same.
impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            0 => (0, ""),
            ms if ms % 60_000 == 0 => (ms / 60_000, "m"),
            ms if ms % 1000 == 0 => (ms / 1000, "s"),
            ms => (ms, "ms"),
        };
        Decimal(u64::from(number)).fmt(f)?;
        f.write_str(unit)
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

struct Seconds(Millis);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.0 / 1000, self.0.0 % 1000);
        Decimal(u64::from(whole)).fmt(f)?;
        if rest > 0 {
            let (rest, least) = match rest {
                r if r % 100 == 0 => (r / 100, 1),
                r if r % 10 == 0 => (r / 10, 2),
                r => (r, 3),
            };
            f.write_str(".")?;
            decimal::digits(u64::from(rest), least, f)?;
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn spans_read_back_as_they_are_written() {
        for (text, ms) in [("0", 0), ("1500ms", 1500), ("5s", 5000), ("2m", 120_000), ("1ms", 1)] {
            assert_eq!(Millis::parse(text), Some(Millis(ms)), "{text}");
            assert_eq!(Millis(ms).to_string(), text);
        }
        assert_eq!(Millis::parse("90s").unwrap().to_string(), "90s");
        assert_eq!(Millis::parse("0s"), Some(Millis::ZERO));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "5", "s", "5 s", "-5s", "+5s", "5S", "1.5s", "5h", "5sec", "99999999m"] {
            assert_eq!(Millis::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn people_read_seconds() {
        for (ms, text) in
            [(5250, "5.25s"), (50, "0.05s"), (10_000, "10s"), (6, "0.006s"), (500, "0.5s")]
        {
            assert_eq!(Millis(ms).in_seconds().to_string(), text);
        }
    }
}
