//! How a command ends: with an answer or a fault, and the exit code of each.

use rapids_client::{Error, JobRefusal, Refusal, Unreadable};

/// The exit codes in `--help` and the manual.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done, or the answer is yes
  1    the answer is no; or the time is up; or the packet cannot be stored (too large, no
       room); or a position was not moved, or is lost; or somebody else has acted on the dead letter;
       or a job is not in the state for it; or something is left that was to be erased; or a
       service's login lacks something; or a backup is not taken or not restored
  2    wrong usage: arguments, settings, or input that is not a packet
  3    the server cannot be reached, or does not answer
  4    the server does not permit it, or rejects the login
  5    not found: no stream, service, river, memory, key, packet, timer, job or dead letter of that name
  130  interrupted by Ctrl-C or SIGTERM";

/// The answer of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, or yes.
    Yes,
    No,
}

impl Answer {
    /// Yes if both answers are yes.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::from(self == Self::Yes && other == Self::Yes)
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// An error outside of the library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The arguments or the input are wrong.
    #[error("{0}")]
    Usage(String),
    /// What the user asked for does not exist; the text names what does, or the remedy.
    #[error("{0}")]
    NotFound(String),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// The output was closed, as `head` does when it has enough.
    #[error("the output is closed")]
    OutputClosed,
}

/// Whether to print an error: the user has caused an interrupt or a closed output themselves.
pub(crate) fn is_worth_reporting(error: &anyhow::Error) -> bool {
    !matches!(fault(error), Some(Fault::Interrupted | Fault::OutputClosed))
}

/// The exit code, as listed in [`EXIT_CODES`].
pub(crate) fn exit_code(outcome: &anyhow::Result<Answer>) -> u8 {
    let error = match outcome {
        Ok(Answer::Yes) => return 0,
        Ok(Answer::No) => return 1,
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
        Some(Error::Letter { refusal: Refusal::Unknown, .. })
        | Some(Error::Job { refusal: JobRefusal::Unknown, .. }) => 5,
        Some(Error::Memory { problem: Unreadable::Unknown { .. }, .. }) => 5,
        Some(Error::Memory { problem: Unreadable::TooCostly { .. }, .. }) => 2,
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
        exit_code(&Err(error.into()).context("doing something"))
    }

    #[test]
    fn each_answer_and_fault_has_its_code_however_deep_it_is_wrapped() {
        assert_eq!(exit_code(&Ok(Answer::Yes)), 0);
        assert_eq!(exit_code(&Ok(Answer::No)), 1);
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
    fn what_users_did_themselves_is_not_reported() {
        assert!(!is_worth_reporting(&Fault::Interrupted.into()));
        assert!(!is_worth_reporting(&Fault::OutputClosed.into()));
        assert!(is_worth_reporting(&Fault::NotFound(String::new()).into()));
    }
}
