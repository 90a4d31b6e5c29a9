//! Why a packet became a dead letter, in one word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::is_name;
use crate::{Error, Result};

/// Why a packet became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
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
    /// Judging the packet by the river's rules took more steps than there are for a packet.
    TooCostly,
    /// A kind that a later version writes, by its word.
    Other(Box<str>),
}

impl Kind {
    /// Every kind that this version writes, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Rejected,
        Self::Exhausted,
        Self::TimedOut,
        Self::Invalid,
        Self::Crashed,
        Self::Looped,
        Self::TooCostly,
    ];

    /// The word for it, such as `timed_out`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::TimedOut => "timed_out",
            Self::Invalid => "invalid",
            Self::Crashed => "crashed",
            Self::Looped => "looped",
            Self::TooCostly => "too_costly",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl TryFrom<String> for Kind {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Reads any word, since letters outlive versions: one that this version does not know is
/// [`Other`](Kind::Other).
///
/// # Errors
/// [`Error::Config`] if the text is no word of at most 32 characters.
impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(known) = Self::ALL.into_iter().find(|kind| kind.as_str() == text) {
            return Ok(known);
        }
        if is_name(text) {
            return Ok(Self::Other(text.into()));
        }
        Err(Error::Config {
            name: "the kind of dead letter".to_owned(),
            value: text.to_owned(),
            expected: format!(
                "a word such as {}",
                Self::ALL.map(|kind| kind.to_string()).join(", ")
            ),
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
    }

    #[test]
    fn a_kind_of_a_later_version_is_shown_as_it_is_written() {
        let kind: Kind = "unhappy".parse().unwrap();
        assert_eq!((kind.as_str(), &kind), ("unhappy", &Kind::Other("unhappy".into())));
        let error = "no word".parse::<Kind>().unwrap_err().to_string();
        assert!(
            error.starts_with("the kind of dead letter is `no word`, expected a word such as rej"),
            "{error}"
        );
    }
}
