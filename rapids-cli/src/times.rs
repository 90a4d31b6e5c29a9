//! Reads times and durations as people write them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rapids_client::parse_duration;
use rapids_views::moment;

/// Reads a time as [`rapids_views::since`] does, which may lie in the future.
///
/// # Errors
/// Says what is accepted.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    moment(text).ok_or_else(|| {
        "expected a time such as `2026-11-21T09:30:00Z`, `2026-11-21 09:30` or `2026-11-21` (UTC)"
            .to_owned()
    })
}

/// Reads a duration such as `500ms`, `90s` or `1h30m`.
///
/// # Errors
/// Says what is accepted.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text);
    length.ok_or_else(|| "expected a duration such as `500ms`, `90s` or `1h30m`".to_owned())
}

/// Writes a duration for people, as it is read: `30s`, `1m 30s`.
pub(crate) fn shown(duration: Duration) -> String {
    let signed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    format!("{signed:#}")
}

/// Writes a time for people, in UTC.
pub(crate) fn to_the_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "5", "-5s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
