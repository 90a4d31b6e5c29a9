//! Why a packet became a dead letter, in one word.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// Why a packet became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The reaction rejected the packet, or could not parse it.
    Rejected,
    /// The reaction failed as often as it may.
    Exhausted,
    /// The last of the attempts took longer than the reaction may take.
    TimedOut,
    /// The packet met the river's conditions, but not its requirements.
    Invalid,
    /// The packet's handling ended the process again and again.
    Crashed,
    /// The packet had passed as many services as a packet may.
    Looped,
}

impl Kind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Rejected,
        Self::Exhausted,
        Self::TimedOut,
        Self::Invalid,
        Self::Crashed,
        Self::Looped,
    ];

    /// The word for it, such as `timed_out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::TimedOut => "timed_out",
            Self::Invalid => "invalid",
            Self::Crashed => "crashed",
            Self::Looped => "looped",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Error::Config {
            name: "the kind of dead letter".to_owned(),
            value: text.to_owned(),
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_word() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
        }
        let error = "timedout".parse::<Kind>().unwrap_err().to_string();
        assert!(
            error.starts_with("the kind of dead letter is `timedout`, expected rej"),
            "{error}"
        );
    }
}
