//! Compares and writes JSON number literals as exact decimals.
//!
//! It compares the texts digit by digit, so that 2^53 and 2^53+1 differ and `1e400` is a number
//! like any other. Time and memory depend on the length of the text, not on the exponent. Which
//! texts are numbers is left to the JSON parser.

use std::cmp::Ordering;

/// Longest run of digits and zeros that [`canonical`] writes without an exponent.
const PLAIN: i128 = 40;
/// Longest run of zeros after the point.
const FINE: i128 = -PLAIN;

/// A decimal number: 0.d1d2d3... times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Zeros before the first digit that counts.
    leading: usize,
    exponent: i128,
}

impl<'a> Decimal<'a> {
    fn new(literal: &'a str) -> Self {
        let (negative, magnitude) = match literal.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, literal),
        };
        let (mantissa, power) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let leading = whole.bytes().chain(fraction.bytes()).take_while(|&d| d == b'0').count();
        let zero = leading == whole.len() + fraction.len();
        let shift = whole.len() as i128 - leading as i128;
        Decimal {
            negative: negative && !zero,
            whole,
            fraction,
            leading,
            exponent: if zero { i128::MIN } else { exponent(power).saturating_add(shift) },
        }
    }

    fn digits(self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes()).skip(self.leading)
    }

    fn magnitude(self, other: Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (a, b) => match a.unwrap_or(b'0').cmp(&b.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        })
    }
}

/// Reads a power of ten. A power beyond `i128` counts as the end of its range, where numbers of
/// more than 38 digits in the exponent alone may compare equal.
fn exponent(power: &str) -> i128 {
    power.parse().unwrap_or(if power.starts_with('-') { i128::MIN + 1 } else { i128::MAX })
}

/// Compares two JSON number literals by their value.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Decimal::new(left), Decimal::new(right));
    match (left.negative, right.negative) {
        (false, false) => left.magnitude(right),
        (true, true) => right.magnitude(left),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// Writes a JSON number literal so that equal values, and only these, have the same text.
///
/// Plain notation up to forty digits, else one digit before the point and an exponent: `100`,
/// `0.1`, `1.5e400`.
pub(crate) fn canonical(literal: &str) -> String {
    let number = Decimal::new(literal);
    let digits: String = number.digits().map(char::from).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let sign = if number.negative { "-" } else { "" };
    let count = digits.len() as i128;
    let exponent = number.exponent;
    let width = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    match exponent {
        1..=PLAIN if count <= exponent => format!("{sign}{digits:0<width$}"),
        1..=PLAIN if count <= PLAIN => format!("{sign}{}.{}", &digits[..width], &digits[width..]),
        FINE..=0 if count <= PLAIN => format!("{sign}0.{}{digits}", "0".repeat(width)),
        _ => {
            let point = if count > 1 { "." } else { "" };
            let power = exponent.saturating_sub(1);
            format!("{sign}{}{point}{}e{power}", &digits[..1], &digits[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_their_exact_value() {
        for (left, right, expected) in [
            ("7", "7.0", Ordering::Equal),
            ("1e2", "100", Ordering::Equal),
            ("1E+2", "100.000", Ordering::Equal),
            ("0.1", "1.0e-1", Ordering::Equal),
            ("-0", "0.0e5", Ordering::Equal),
            ("-0", "-0.00e99999999999999999999999999999999999999999", Ordering::Equal),
            ("9007199254740992", "9007199254740993", Ordering::Less),
            ("-9007199254740992", "-9007199254740993", Ordering::Greater),
            ("0.1", "0.1000000000000000055511151231257827", Ordering::Less),
            ("1e-17", "0", Ordering::Greater),
            ("-1e-17", "0", Ordering::Less),
            ("1e400", "1e401", Ordering::Less),
            ("10e400", "1e401", Ordering::Equal),
            ("0.00001e405", "1e400", Ordering::Equal),
            ("-1", "1", Ordering::Less),
            ("2", "10", Ordering::Less),
            ("19.99", "20", Ordering::Less),
            ("1e9223372036854775808", "1e9223372036854775807", Ordering::Greater),
            ("1e-9223372036854775809", "0", Ordering::Greater),
            ("1e-99999999999999999999999999999999999999999", "0", Ordering::Greater),
            ("1e99999999999999999999999999999999999999999", "1e400", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), expected, "{left} against {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} against {left}");
            assert_eq!(
                canonical(left) == canonical(right),
                expected == Ordering::Equal,
                "{left} and {right} as text"
            );
        }
    }

    #[test]
    fn one_text_stands_for_each_value() {
        for (literal, text) in [
            ("-0.0", "0"),
            ("1e2", "100"),
            ("100.00", "100"),
            ("-12.50", "-12.5"),
            ("0.00120", "0.0012"),
            ("1.0e-1", "0.1"),
            ("9007199254740993", "9007199254740993"),
            ("15e399", "1.5e400"),
            ("1e400", "1e400"),
            ("-1e-400", "-1e-400"),
        ] {
            assert_eq!(canonical(literal), text, "{literal}");
            assert_eq!(canonical(&canonical(literal)), text, "{literal} twice");
        }
    }
}
