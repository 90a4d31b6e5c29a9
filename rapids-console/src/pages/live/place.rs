//! Where in the stream a live page begins.

use jiff::Timestamp;
use rapids_views::since;

/// What can be written.
const EXPECTED: &str = "Expected a sequence such as `4711`, a time such as `2026-11-30 09:30` (UTC) or \
    `2026-11-30T09:30:00+01:00`, or how long ago, such as `15m`, `90s` or `2d`.";

/// Where a live page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With the newest packets.
    Newest,
    /// With the packet of this sequence, or the next one.
    Sequence(u64),
    /// With the first packet stored then or later.
    Time(Timestamp),
}

impl Place {
    /// Reads what somebody wrote; empty means the newest.
    ///
    /// # Errors
    /// Says what is expected.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        Self::read_at(text.trim(), Timestamp::now())
    }

    fn read_at(text: &str, now: Timestamp) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Newest);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Sequence).map_err(|_| EXPECTED.to_owned());
        }
        let text = text.strip_suffix("ago").unwrap_or(text).trim_end();
        since(text, now).map(Self::Time).map_err(|why| format!("It is not read: {why}. {EXPECTED}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Place, String> {
        Place::read_at(text, "2026-11-30T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_place_is_a_sequence_a_time_or_how_long_ago() {
        let at = |time: &str| Ok(Place::Time(time.parse().unwrap()));
        assert_eq!(read(""), Ok(Place::Newest));
        assert_eq!(read("4711"), Ok(Place::Sequence(4_711)));
        assert_eq!(read("2026-11-30 09:30"), at("2026-11-30T09:30:00Z"));
        assert_eq!(read("2026-11-30T09:30:00+01:00"), at("2026-11-30T08:30:00Z"));
        assert_eq!(read("15m"), at("2026-11-30T11:45:00Z"));
        assert_eq!(read("15m ago"), at("2026-11-30T11:45:00Z"));
    }

    #[test]
    fn anything_else_says_what_is_expected() {
        for text in ["soon", "-5", "99999999999999999999", "2026-13-01", "2027-01-01"] {
            assert!(read(text).unwrap_err().contains("Expected a sequence"), "{text}");
        }
    }
}
