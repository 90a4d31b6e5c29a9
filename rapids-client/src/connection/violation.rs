//! What the server refused to this connection.
//!
//! NATS answers a forbidden operation with an error on the connection, not with an answer to the
//! operation, which then only times out. The errors are kept here so that the operation learns of
//! them. They come from `event`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

/// How many refusals are kept at most; then the oldest is forgotten.
const KEPT: usize = 64;

/// The refusals since the connection was made, oldest first.
#[derive(Debug)]
pub(super) struct Violations {
    inbox: String,
    kept: watch::Sender<Vec<Violation>>,
    /// Subjects that are tried to learn whether they are refused. A lock, since several threads use a
    /// connection; held for a moment.
    tried: Mutex<HashSet<String>>,
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// Fit for "the server does not permit ...".
    pub(super) description: String,
    subject: String,
    /// Whether it keeps all answers from arriving.
    silences: bool,
    at: Instant,
}

impl Violations {
    /// `inbox` is the prefix of the subjects on which answers arrive.
    pub(super) fn new(inbox: &str) -> Self {
        Self {
            inbox: format!("{inbox}."),
            kept: watch::Sender::new(Vec::new()),
            tried: Mutex::default(),
        }
    }

    /// A refusal of this subject is no news from now on, until the connection is made again.
    pub(super) fn expect(&self, subject: &str) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).insert(subject.to_owned());
    }

    /// Keeps the refusal in these words of the server, and returns it if it is new; `None` too if it was
    /// expected, or the words say something else.
    pub(super) fn record(&self, words: &str) -> Option<Violation> {
        let violation = self.parse(words)?;
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = !tried.contains(&violation.subject);
        drop(tried);
        self.kept.send_modify(|kept| {
            let before = kept.len();
            kept.retain(|other| other.description != violation.description);
            new &= kept.len() == before;
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push(violation.clone());
        });
        new.then_some(violation)
    }

    /// Forgets all: a new connection may have other permissions.
    pub(super) fn clear(&self) {
        self.kept.send_modify(Vec::clear);
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until an operation on `subject`, begun at `since`, is known to be refused.
    ///
    /// A `subject` that ends in `>` stands for all subjects that begin with the rest.
    pub(super) async fn of(&self, subject: &str, since: Instant) -> Violation {
        let mut kept = self.kept.subscribe();
        loop {
            let found =
                kept.borrow_and_update().iter().find(|v| v.concerns(subject, since)).cloned();
            if let Some(violation) = found {
                return violation;
            }
            kept.changed().await.expect("the sender lives as long as this borrow of it");
        }
    }

    fn parse(&self, words: &str) -> Option<Violation> {
        let rest = strip_prefix_ignoring_case(words, "permissions violation for ")?;
        let mut quoted = rest.split('"');
        let what = quoted.next()?.trim().to_lowercase();
        let subject = quoted.next()?;
        let answers = what.starts_with("subscription") && subject.starts_with(&self.inbox);
        // Each inbox and acknowledgement has a subject of its own; the permission is for all of them.
        let subject = if answers {
            format!("{}>", self.inbox)
        } else if subject.starts_with("$JS.ACK.") {
            let stem: Vec<&str> = subject.split('.').take(4).collect();
            format!("{}.>", stem.join("."))
        } else {
            subject.to_owned()
        };
        Some(Violation {
            description: format!("{what} `{subject}`"),
            subject,
            silences: answers,
            at: Instant::now(),
        })
    }
}

impl Violation {
    /// Whether this subject itself was refused, and not the answers.
    pub(super) fn is_about(&self, subject: &str) -> bool {
        self.subject == subject
    }

    fn concerns(&self, subject: &str, since: Instant) -> bool {
        let same = match subject.strip_suffix('>') {
            Some(stem) => self.subject.starts_with(stem),
            None => self.subject == subject,
        };
        self.silences || (same && self.at >= since)
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const PUBLISH: &str = r#"Permissions Violation for Publish to "rapids""#;
    const INBOX: &str = r#"Permissions Violation for Subscription to "_INBOX.Jx3.*""#;

    fn violations() -> Violations {
        Violations::new("_INBOX")
    }

    fn refused(violations: &Violations, subject: &str, since: Instant) -> Option<String> {
        violations.of(subject, since).now_or_never().map(|violation| violation.description)
    }

    #[test]
    fn refusal_is_found_by_its_subject() {
        let (violations, since) = (violations(), Instant::now());
        assert!(violations.record(PUBLISH).is_some());
        assert_eq!(refused(&violations, "rapids", since).unwrap(), "publish to `rapids`");
        assert_eq!(refused(&violations, "other", since), None);
        assert_eq!(refused(&violations, "rap>", since).unwrap(), "publish to `rapids`");
    }

    #[test]
    fn refusal_before_the_operation_does_not_count() {
        let violations = violations();
        violations.record(PUBLISH);
        assert_eq!(refused(&violations, "rapids", Instant::now()), None);
    }

    #[test]
    fn refused_inbox_concerns_every_operation_until_the_next_connection() {
        let violations = violations();
        violations.record(INBOX);
        let since = Instant::now();
        assert_eq!(refused(&violations, "x", since).unwrap(), "subscription to `_INBOX.>`");
        violations.clear();
        assert_eq!(refused(&violations, "x", since), None);
    }

    #[test]
    fn refusal_is_new_once() {
        let violations = violations();
        for n in 0..3 {
            let words = format!(
                "Permissions Violation for Publish to \"$JS.ACK.RAPIDS.payment.1.{n}.1.1.1\""
            );
            assert_eq!(violations.record(&words).is_some(), n == 0);
        }
        let since = Instant::now();
        assert_eq!(
            violations.kept.borrow()[0].description,
            "publish to `$JS.ACK.RAPIDS.payment.>`"
        );
        assert!(violations.kept.borrow()[0].at <= since);
    }

    #[test]
    fn refusal_of_what_is_only_tried_is_found_and_no_news() {
        let (violations, since) = (violations(), Instant::now());
        violations.expect("rapids");
        assert!(violations.record(PUBLISH).is_none());
        assert_eq!(refused(&violations, "rapids", since).unwrap(), "publish to `rapids`");
        violations.clear();
        assert!(violations.record(PUBLISH).is_some());
    }

    #[test]
    fn refusals_kept_are_bounded() {
        let violations = violations();
        for n in 0..100 {
            violations.record(&format!("Permissions Violation for Publish to \"s.{n}\""));
        }
        assert_eq!(violations.kept.borrow().len(), KEPT);
        assert_eq!(violations.kept.borrow()[KEPT - 1].subject, "s.99");
    }

    #[test]
    fn other_errors_of_the_server_are_no_refusal() {
        for words in ["Maximum Payload Violation", "", "Permissions Violation for Publish to x"] {
            assert!(violations().record(words).is_none());
        }
    }

    #[tokio::test]
    async fn refusal_that_comes_later_wakes_who_waits() {
        let violations = violations();
        let waiting = violations.of("rapids", Instant::now());
        let recording = async { violations.record(PUBLISH) };
        let (violation, _) = tokio::join!(waiting, recording);
        assert_eq!(violation.description, "publish to `rapids`");
    }
}
