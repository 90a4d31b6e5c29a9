//! Reads moments of the past as people write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rapids_client::parse_duration;

/// Reads `2026-11-21T09:30:00Z`, `2026-11-21 09:30` or `2026-11-21` (UTC), or a duration before `now`, such
/// as `90s`, `1h30m` or `2d`.
///
/// # Errors
/// Says what is accepted. A time in the future is an error, because nothing is stored since then.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = || now.checked_sub(parse_duration(text)?).ok();
    let time = moment(text).or_else(ago).ok_or_else(|| {
        "expected a time such as `2026-11-21T09:30:00Z`, `2026-11-21 09:30` or `2026-11-21` (UTC), \
         or a duration such as `90s`, `1h30m` or `2d`"
            .to_owned()
    })?;
    if time > now {
        return Err(format!("that is {time}, in the future"));
    }
    Ok(time)
}

/// Reads a time as [`since`] does, and no duration; `None` if it is none.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| in_utc().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        since(text, now).ok().map(|time| time.to_string())
    }

    #[test]
    fn times_dates_and_durations_are_read() {
        for (text, expected) in [
            ("2026-11-21T09:30:00.5+01:00", "2026-11-21T08:30:00.5Z"),
            ("2026-11-21 09:30", "2026-11-21T09:30:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("90s", "2026-11-21T11:58:30Z"),
            ("5m", "2026-11-21T11:55:00Z"),
            ("1h30m", "2026-11-21T10:30:00Z"),
            ("2d", "2026-11-19T12:00:00Z"),
            ("1.5d", "2026-11-20T00:00:00Z"),
            ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"),
            ("1w", "2026-11-14T12:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "yesterday",
            "5",
            "-5m",
            "2026-13-01",
            "5 months",
            "2026-11-21T12:00:01Z",
            "2300-01-01",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
