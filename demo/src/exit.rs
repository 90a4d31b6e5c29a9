//! How the program ends, and its exit code.

use std::process::ExitCode;

/// What shells return for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// How the program ends, unless it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All facts hold, or there was nothing to verify.
    FactsHold,
    FactsBroken,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::FactsHold => Self::SUCCESS,
            Exit::FactsBroken => Self::FAILURE,
            Exit::Interrupted => Self::from(INTERRUPTED),
        }
    }
}
