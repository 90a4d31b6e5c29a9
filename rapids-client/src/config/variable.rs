//! Looks up variables and reads typed values out of them: durations, sizes, integers.
//!
//! The variables and their meaning are documented at [`Config`](super::Config).

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use crate::error::{Error, Result};

/// The variables, wherever they come from: tests pass a list, programs the environment.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// The value of a variable; an empty one counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable as read by `read`, which returns `None` for a wrong one.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        match read(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => {
                Err(Error::Config { name: name.to_owned(), value, expected: expected.to_owned() })
            }
        }
    }

    /// Whether a variable that is `0` or `1` is set to `1`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.parse(name, "`0` or `1`", |text| match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }
}

/// Reads a duration as the settings have it: `30d`, `12h`, `1h30m`, `1.5d`, `500ms`. A bare `0` is
/// zero, any other number needs its unit; days have 24 hours and weeks 7 days. `None` for anything
/// else, months and years among them, which have no fixed length.
///
/// ```
/// use rapids_client::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1.5d"), Some(Duration::from_secs(36 * 3600)));
/// assert_eq!(parse_duration("90"), None);
/// ```
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    fractions(text).or_else(|| {
        let span: Span = text.parse().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()
    })
}

/// Reads numbers that each have one of the documented units. Each may have a fraction, which jiff does
/// not allow for days.
fn fractions(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0_u128;
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c| !matches!(c, '0'..='9' | '.'))?);
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let unit: u128 = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits =
            u32::try_from(fraction.len()).ok().filter(|digits| (1..=18).contains(digits))?;
        let part = fraction.parse::<u128>().ok()? * unit / 10_u128.pow(digits);
        total += u128::from(whole.parse::<u64>().ok()?) * unit + part;
        rest = behind.trim_start();
    }
    let nanos = u32::try_from(total % 1_000_000_000).ok()?;
    (!text.is_empty()).then_some(Duration::new(u64::try_from(total / 1_000_000_000).ok()?, nanos))
}

/// Reads `1048576`, `512MiB` (binary) or `10GB` (decimal); letter case does not matter.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [
            ("30d", 30 * 86_400),
            ("2w", 14 * 86_400),
            ("1.5d", 36 * 3_600),
            ("0.5w", 84 * 3_600),
            ("0.5h", 1_800),
            ("1.25m", 75),
            ("1d 0.5h", 88_200),
            ("90 sec", 90),
            ("2 days", 2 * 86_400),
            ("12h", 43_200),
            ("90s", 90),
            ("1h30m", 5_400),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        for text in [
            "",
            "30",
            "d",
            "1mo",
            "1y",
            "-5s",
            "5s ago",
            "ten seconds",
            "1.5x",
            ".d",
            "1.d",
            "1.5.5d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_binary_or_decimal() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("512MiB", 512 << 20),
            ("1GiB", 1 << 30),
            ("1 gib", 1 << 30),
            ("10GB", 10_000_000_000),
            ("7b", 7),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "1G", "99999999999999TiB", "1 GiB 2"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn empty_variable_is_unset() {
        let lookup = |name: &str| (name == "EMPTY").then(String::new);
        let variables = Variables::new(&lookup);
        assert_eq!(variables.text("EMPTY"), None);
        assert_eq!(variables.parse("EMPTY", "", size).unwrap(), None);
    }

    #[test]
    fn wrong_value_names_the_variable_the_value_and_what_is_expected() {
        let lookup = |_: &str| Some("soon".to_owned());
        let error = Variables::new(&lookup)
            .parse("RAPIDS_GRACE", "a duration such as `10s`", parse_duration)
            .unwrap_err();
        assert_eq!(error.to_string(), "RAPIDS_GRACE is `soon`, expected a duration such as `10s`");
    }
}
