//! How a command ends: its answer, its faults, and the exit code of each.

use rapids_client::{Error, Refusal};

/// What `--help` and the manual say of the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done; yes
  1    no; or the rapids cannot take the packet (too large, no room); or a position is not
       moved, or is lost; or somebody was there before
  2    wrong usage: arguments, settings, or input that is no packet
  3    the server cannot be reached, or does not answer
  4    the server does not permit it, or turns the login away
  5    not found: no stream, service, river, packet or dead letter of that name
  130  interrupted by Ctrl-C or SIGTERM";

/// What a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done, or yes.
    Yes,
    /// The answer is no.
    No,
}

impl Ending {
    /// Yes if both are.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::from(self == Self::Yes && other == Self::Yes)
    }
}

impl From<bool> for Ending {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What goes wrong outside of the library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// What the user gave cannot be worked with.
    #[error("{0}")]
    Usage(String),
    /// What the user asked for is not there; says what is, or the remedy.
    #[error("{0}")]
    NotFound(String),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read the output has gone, as `head` does when it has enough.
    #[error("nobody reads the output any more")]
    OutputClosed,
}

/// Whether an error is news to whoever started the command.
pub(crate) fn is_worth_words(error: &anyhow::Error) -> bool {
    !matches!(fault(error), Some(Fault::Interrupted | Fault::OutputClosed))
}

/// The exit code, as [`EXIT_CODES`] lists them.
pub(crate) fn code(outcome: &anyhow::Result<Ending>) -> u8 {
    let error = match outcome {
        Ok(Ending::Yes) => return 0,
        Ok(Ending::No) => return 1,
        Err(error) => error,
    };
    match fault(error) {
        Some(Fault::OutputClosed) => return 0,
        Some(Fault::Usage(_)) => return 2,
        Some(Fault::NotFound(_)) => return 5,
        Some(Fault::Interrupted) => return 130,
        None => {}
    }
    match error.chain().find_map(|cause| cause.downcast_ref()) {
        Some(refusal @ Error::Connect { .. }) if refusal.is_refusal() => 4,
        Some(Error::NotPermitted { .. }) => 4,
        Some(Error::Letter { refusal: Refusal::Unknown, .. }) => 5,
        Some(Error::Connect { .. } | Error::Server { .. }) => 3,
        Some(
            Error::Config { .. }
            | Error::Definition { .. }
            | Error::Malformed { .. }
            | Error::Field { .. }
            | Error::Parse { .. },
        ) => 2,
        _ => 1,
    }
}

fn fault(error: &anyhow::Error) -> Option<&Fault> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn code_of(error: impl Into<anyhow::Error>) -> u8 {
        code(&Err(error.into()).context("doing something"))
    }

    #[test]
    fn each_ending_has_its_code_however_deep_it_is_wrapped() {
        assert_eq!(code(&Ok(Ending::Yes)), 0);
        assert_eq!(code(&Ok(Ending::No)), 1);
        assert_eq!(code_of(Fault::OutputClosed), 0);
        assert_eq!(code_of(Fault::Usage(String::new())), 2);
        assert_eq!(code_of(Fault::NotFound(String::new())), 5);
        assert_eq!(code_of(Fault::Interrupted), 130);
        assert_eq!(code_of(anyhow::anyhow!("something else")), 1);
    }

    #[test]
    fn errors_of_the_library_have_codes_by_their_kind() {
        let text = || "x".to_owned();
        assert_eq!(code_of(Error::Connect { url: text(), source: "gone".into() }), 3);
        assert_eq!(code_of(Error::Server { action: text(), source: "silent".into() }), 3);
        assert_eq!(code_of(Error::NotPermitted { violation: text() }), 4);
        assert_eq!(code_of(Error::Malformed { reason: text() }), 2);
        let letter = |refusal| code_of(Error::Letter { id: text(), refusal });
        assert_eq!((letter(Refusal::Unknown), letter(Refusal::NothingToResume)), (5, 1));
        assert_eq!(
            code_of(Error::Full {
                what: text(),
                full: text(),
                remedy: text(),
                source: "full".into()
            }),
            1
        );
        assert_eq!(code_of(Error::Refused { id: text(), reason: text() }), 1);
    }

    #[test]
    fn nobody_is_told_of_what_they_did_themselves() {
        assert!(!is_worth_words(&Fault::Interrupted.into()));
        assert!(!is_worth_words(&Fault::OutputClosed.into()));
        assert!(is_worth_words(&Fault::NotFound(String::new()).into()));
    }
}
