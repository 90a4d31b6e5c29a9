//! What became of a reaction that failed, in one word.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    /// It rejected the packet.
    Rejected,
    TimedOut,
    Panicked,
    Failed,
}

impl ErrorType {
    pub(crate) const ALL: [Self; 4] =
        [Self::Rejected, Self::TimedOut, Self::Panicked, Self::Failed];

    /// The value of `error.type` in metrics and traces.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
        }
    }
}
