//! What somebody names to find a conversation.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A packet or a conversation, as people name it.
///
/// ```
/// use rapids_client::Reference;
///
/// assert_eq!("17".parse(), Ok(Reference::Sequence(17)));
/// assert_eq!("o-17".parse(), Ok(Reference::Id("o-17".to_owned())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The packet with this sequence in the stream.
    Sequence(u64),
    /// The packet with this id, or the conversation with this correlation id.
    Id(String),
}

/// A number is a sequence, every other text is an id.
impl FromStr for Reference {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(match text.parse() {
            Ok(sequence) if is_number => Self::Sequence(sequence),
            _ => Self::Id(text.to_owned()),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(sequence) => sequence.fmt(formatter),
            Self::Id(id) => formatter.pad(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_is_a_sequence() {
        assert_eq!("18446744073709551615".parse(), Ok(Reference::Sequence(u64::MAX)));
        for id in ["", "+1", "-1", "1.0", "18446744073709551616", "RAPIDS-1-2", " 1"] {
            assert_eq!(id.parse(), Ok(Reference::Id(id.to_owned())), "{id}");
        }
    }
}
