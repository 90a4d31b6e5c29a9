//! Numbers, compared exactly and, where they are as short as most, fast.
//!
//! What is too long for that is left to [`compare_numbers`], which looks at each digit.

use std::cmp::Ordering;

use super::Unreadable;
use crate::condition::compare_numbers;

/// Decimal places that a number may have to be compared fast.
const PLACES: usize = 9;
/// Digits that it may have.
const DIGITS: usize = 18;

/// A number as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numeral<'a> {
    text: &'a str,
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
        Self { text: text.into(), billionths: billionths(text) }
    }

    pub(super) fn numeral(&self) -> Numeral<'_> {
        Numeral { text: &self.text, billionths: self.billionths }
    }
}

impl<'a> Numeral<'a> {
    /// A number as it was sent.
    pub(super) fn sent(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        Ok(Self { text, billionths: billionths(text) })
    }

    /// Compares by value.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self.billionths, other.billionths) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => compare_numbers(self.text, other.text),
        }
    }
}

/// Reads a number without an exponent and of few digits.
fn billionths(text: &str) -> Option<i128> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, text),
    };
    let (mut value, mut digits, mut places) = (0_u64, 0, None);
    for byte in magnitude.bytes() {
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
    let power = u32::try_from(PLACES.checked_sub(places)?).ok()?;
    let value = i128::from(value) * 10_i128.pow(power);
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
            assert_eq!(billionths(text), value, "{text}");
        }
    }
}
