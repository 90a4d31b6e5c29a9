//! Why the live feed has to be left.

use std::fmt;

/// Why the live feed has to be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaveReason {
    /// Copies may be missing.
    Lost(&'static str),
    /// A copy of this sequence came. Copies before it are missing, or it is forged.
    Gap(u64),
    Forged(Forgery),
}

/// What shows that somebody else than the server sends copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forgery {
    /// Two copies of this sequence differ.
    Differs(u64),
    /// A copy has a sequence behind the end of the stream.
    BeyondEnd { sequence: u64, stream_end: u64 },
}

impl fmt::Display for Forgery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(sequence) => write!(formatter, "two copies of packet {sequence} differ"),
            Self::BeyondEnd { sequence, stream_end } => {
                write!(
                    formatter,
                    "a copy of packet {sequence} came while the stream ends at {stream_end}"
                )
            }
        }
    }
}
