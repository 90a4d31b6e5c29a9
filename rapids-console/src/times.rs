//! Times and durations as people read them.

use std::time::Duration;

use jiff::Timestamp;

/// A moment: for a `<time>`, which a script turns into the zone of the reader.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    /// As RFC 3339, for programs.
    pub(crate) exact: String,
    /// In UTC, to the second.
    pub(crate) utc: String,
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        let utc = jiff::fmt::strtime::format("%Y-%m-%d %H:%M:%S UTC", time);
        Self { exact: time.to_string(), utc: utc.unwrap_or_else(|_| time.to_string()) }
    }
}

/// How long ago something was, or how long something takes: `4 s`, `3 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |(first, unit), (second, smaller)| match second {
        0 => format!("{first} {unit}"),
        second => format!("{first} {unit} {second} {smaller}"),
    };
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", duration.as_millis().max(1)),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => two((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => two((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    }
}

/// How long a moment is past; nothing if it is to come.
pub(crate) fn since(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default()
}

/// A number with a mark behind each three digits: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many of something, in words: `1 packet`, `1,234 packets`.
pub(crate) fn several(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

/// A rate per second.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate <= 0.0 => "0".to_owned(),
        rate if rate < 0.1 => "< 0.1".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => count(rate.round() as u64),
    }
}

/// A size in bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.25, "250 ms"),
            (59.0, "59 s"),
            (61.0, "1 min"),
            (7_500.0, "2 h 5 min"),
            (3_600.0, "1 h"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(count)[..]);
        assert_eq!(
            ["1 key", "0 keys", "1,000 keys"],
            [1, 0, 1_000].map(|it| several(it, "key"))[..]
        );
        assert_eq!(["0", "< 0.1", "2.5", "1,234"], [0.0, 0.01, 2.5, 1234.4].map(rate)[..]);
        assert_eq!(["17 B", "1.5 KiB", "2.0 GiB"], [17, 1_536, 2 << 30].map(bytes)[..]);
    }

    #[test]
    fn a_moment_is_told_in_utc_to_the_second() {
        let time: Time = "2026-11-30T09:30:00.123456Z".parse::<Timestamp>().unwrap().into();
        assert_eq!(time.utc, "2026-11-30 09:30:00 UTC");
        assert_eq!(time.exact, "2026-11-30T09:30:00.123456Z");
    }
}
