//! Numbers, compared exactly; fast where they are short, as most are.
//!
//! Longer ones are left to [`compare_numbers`], which looks at each digit.

use std::cmp::Ordering;

use super::unreadable::Unreadable;
use crate::json::compare_numbers;

/// Decimal places that a number may have to be compared fast.
const PLACES: usize = 9;
/// Powers of ten.
const POWERS: [u32; PLACES + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
/// Digits that it may have.
const DIGITS: usize = 18;

/// A number as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numeral<'a> {
    /// In UTF-8.
    text: &'a [u8],
    /// The value in billionths, if the digits are few.
    billionths: Option<i128>,
}

/// A number of a condition.
#[derive(Debug, Clone)]
pub(super) struct Number {
    text: Box<str>,
    billionths: Option<i128>,
}

impl Number {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), billionths: billionths(text.as_bytes()) }
    }

    pub(super) fn numeral(&self) -> Numeral<'_> {
        Numeral { text: self.text.as_bytes(), billionths: self.billionths }
    }
}

impl<'a> Numeral<'a> {
    /// A number as it was sent.
    pub(super) fn sent(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let billionths = billionths(bytes);
        if billionths.is_none() {
            std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        }
        Ok(Self { text: bytes, billionths })
    }

    /// Compares by value.
    #[inline]
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self.billionths, other.billionths) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => self.compare_digits(other),
        }
    }

    #[cold]
    fn compare_digits(self, other: Self) -> Ordering {
        let text = |numeral: Self| std::str::from_utf8(numeral.text).unwrap_or_default();
        compare_numbers(text(self), text(other))
    }
}

/// Reads a number without an exponent and of few digits.
fn billionths(text: &[u8]) -> Option<i128> {
    let (negative, magnitude) = match text.strip_prefix(b"-") {
        Some(magnitude) => (true, magnitude),
        None => (false, text),
    };
    let (mut value, mut digits, mut places) = (0_u64, 0, None);
    for byte in magnitude {
        match byte {
            b'0'..=b'9' if digits < DIGITS => {
                value = value * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if places.is_none() => places = Some(digits),
            _ => return None,
        }
    }
    let places = places.map_or(0, |whole| digits - whole);
    let value = i128::from(value) * i128::from(POWERS[PLACES.checked_sub(places)?]);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_and_exact_comparison_agree() {
        let texts = [
            "0",
            "-0",
            "0.0",
            "7",
            "7.0",
            "70e-1",
            "-7.5",
            "-7.4999999999",
            "1.10",
            "1.1",
            "0.000000001",
            "0.0000000001",
            "1e-9",
            "100",
            "1e2",
            "999999999999999999",
            "1000000000000000000",
            "999999999.999999999",
            "9007199254740993",
            "9007199254740992",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000055511151231257827",
        ];
        for left in texts {
            for right in texts {
                let fast = Number::new(left);
                let fast = fast.numeral().compare(Numeral::sent(right.as_bytes()).unwrap());
                assert_eq!(fast, compare_numbers(left, right), "{left} and {right}");
            }
        }
    }

    #[test]
    fn few_digits_are_read_at_once() {
        for (text, value) in [
            ("12.5", Some(12_500_000_000)),
            ("-1", Some(-1_000_000_000)),
            ("999999999999999999", Some(999_999_999_999_999_999_000_000_000)),
            ("1000000000000000000", None),
            ("0.0000000001", None),
            ("1e2", None),
        ] {
            assert_eq!(billionths(text.as_bytes()), value, "{text}");
        }
    }
}
