//! Decimal numbers, written and read without what `core` can do more: widths, signs, radixes and
//! the panics behind them are 2 KB of a program that needs none of it.

use core::fmt;

/// Written with its digits and nothing else, whatever the format asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal(pub u64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(self.0, 1, f)
    }
}

/// Writes at least `least` digits of `number`, the first ones zeros.
pub(crate) fn digits(mut number: u64, least: usize, to: &mut dyn fmt::Write) -> fmt::Result {
    // As many as the largest has.
    let mut digits = [0_u8; 20];
    let mut written = 0;
    for digit in digits.iter_mut().rev() {
        // One digit fits.
        #[allow(clippy::cast_possible_truncation)]
        let value = (number % 10) as u8;
        *digit = b'0' + value;
        number /= 10;
        written += 1;
        if number == 0 && written >= least {
            break;
        }
    }
    let mut digits = digits.iter().skip(digits.len() - written);
    digits.try_for_each(|&digit| to.write_char(char::from(digit)))
}

/// The number that `text` means: one digit or more and nothing else, no sign either. Nothing, if it
/// is none or has no room in 64 bits.
pub fn parse(text: &[u8]) -> Option<u64> {
    let (first, rest) = text.split_first()?;
    rest.iter()
        .try_fold(digit(*first)?, |number, &byte| number.checked_mul(10)?.checked_add(digit(byte)?))
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn numbers_read_back_as_they_are_written() {
        let powers = (0..20).map(|n| 10_u64.pow(n));
        for number in powers.flat_map(|p| [p - 1, p, p + 1]).chain([42, u64::MAX]) {
            let text = Decimal(number).to_string();
            assert_eq!(text, number.to_string());
            assert_eq!(parse(text.as_bytes()), Some(number));
        }
        assert_eq!(parse(b"007"), Some(7));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", "+1", "-1", " 1", "1 ", "1x", "x", "18446744073709551616", "99999999999999999999"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn zeros_fill_a_number_up() {
        for (number, least, expected) in
            [(7, 3, "007"), (0, 2, "00"), (1234, 2, "1234"), (0, 1, "0")]
        {
            let mut text = String::new();
            digits(number, least, &mut text).unwrap();
            assert_eq!(text, expected);
        }
    }
}
