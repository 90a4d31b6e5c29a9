//! Why what a service remembers cannot be read.

use std::fmt;

use crate::memory::EntryKey;

/// Why what a service remembers cannot be read as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is none.
    Unknown {
        /// What there is instead.
        reason: String,
    },
    /// The service has not come as far as the reader waits for.
    Behind {
        /// The sequence of the packet that the reader waits for.
        sequence: u64,
        /// Where the service is, and where to look.
        reason: String,
    },
    /// A value is not of the type that the reader wants.
    OtherType {
        /// The key of the value.
        key: EntryKey,
        /// The Rust type that was asked for.
        expected: String,
        /// Where and why, in serde's words.
        reason: String,
    },
    /// An expression cannot be judged on a value.
    TooCostly {
        /// The key of the value.
        key: EntryKey,
        /// Which work is too much.
        reason: String,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { reason } => formatter.write_str(reason),
            Self::Behind { sequence, reason } => {
                write!(formatter, "does not contain packet {sequence} yet: {reason}")
            }
            Self::OtherType { key, expected, reason } => {
                write!(
                    formatter,
                    "has a value under {key:?} that does not parse as `{expected}`: {reason}"
                )
            }
            Self::TooCostly { key, reason } => {
                write!(
                    formatter,
                    "has a value under {key:?} that is not judged: the expression {reason}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_at_fault_is_shown_as_what_it_is() {
        let told = |key: EntryKey| {
            let (expected, reason) = ("u64".to_owned(), "no number".to_owned());
            Unreadable::OtherType { key, expected, reason }.to_string()
        };
        assert_eq!(
            told("7".into()),
            "has a value under \"7\" that does not parse as `u64`: no number"
        );
        assert!(told(7_u64.into()).starts_with("has a value under 7 that"));
    }
}
