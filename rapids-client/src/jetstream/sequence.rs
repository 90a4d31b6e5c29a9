//! Which stream a packet was delivered from, and at which sequence.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which stream a packet was delivered from. Replays come first in the order: somebody waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum StreamName {
    Replays,
    Rapids,
}

/// Where a packet was delivered from: the identity of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct StreamPlace {
    pub(crate) stream: StreamName,
    pub(crate) sequence: u64,
}

impl StreamPlace {
    /// The sequence of a packet, for the log.
    pub(crate) fn packet(self) -> Option<u64> {
        (self.stream == StreamName::Rapids).then_some(self.sequence)
    }

    /// The sequence of a replay, for the log.
    pub(crate) fn replay(self) -> Option<u64> {
        (self.stream == StreamName::Replays).then_some(self.sequence)
    }
}

/// `17`, or `r3` for a replay.
impl fmt::Display for StreamPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stream {
            StreamName::Rapids => write!(formatter, "{}", self.sequence),
            StreamName::Replays => write!(formatter, "r{}", self.sequence),
        }
    }
}

impl From<StreamPlace> for String {
    fn from(place: StreamPlace) -> Self {
        place.to_string()
    }
}

impl FromStr for StreamPlace {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stream, sequence) = match text.strip_prefix('r') {
            Some(sequence) => (StreamName::Replays, sequence),
            None => (StreamName::Rapids, text),
        };
        Ok(Self { stream, sequence: sequence.parse()? })
    }
}

impl TryFrom<String> for StreamPlace {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_from_its_text() {
        for place in [StreamName::Rapids, StreamName::Replays]
            .map(|stream| StreamPlace { stream, sequence: 17 })
        {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!("x3".parse::<StreamPlace>().is_err());
    }
}
