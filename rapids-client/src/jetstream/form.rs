//! The two forms of the rapids: whether the server says who has published a packet.
//!
//! Who publishes sees no difference: it is always `rapids`, which in the secured form the server maps to a
//! subject of the publisher's account.

use std::sync::Arc;

use async_nats::jetstream::stream::{Config, Republish};

use crate::names::{PUBLISHER_PREFIX, PUBLISHER_SUBJECTS, SUBJECT, live_of};

/// What the subjects of the stream tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// One subject for all.
    #[default]
    Simple,
    /// One for each publisher, which has an account of its own.
    Secured,
}

impl Form {
    /// The form of rapids with these settings. Subjects of another kind are no form, and count as a
    /// difference from the simple one.
    pub(crate) fn of(rapids: &Config) -> Self {
        // A mirror has no subjects of its own.
        let copied = rapids.republish.as_ref().map(|republish| republish.source.as_str());
        match (rapids.subjects.as_slice(), copied) {
            ([], Some(PUBLISHER_SUBJECTS)) => Self::Secured,
            ([subject], _) if subject == PUBLISHER_SUBJECTS => Self::Secured,
            _ => Self::Simple,
        }
    }

    /// What all packets are stored under.
    pub(crate) fn subjects(self) -> &'static str {
        match self {
            Self::Simple => SUBJECT,
            Self::Secured => PUBLISHER_SUBJECTS,
        }
    }

    /// The setting by which the server sends a copy of each packet that this stream has stored: the rapids, or a
    /// mirror of them.
    pub(crate) fn republish(self, stream: &str) -> Republish {
        let (source, destination) = (self.subjects().to_owned(), live_of(stream));
        Republish { source, destination, headers_only: false }
    }

    /// Whether a consumer with this filter gets all packets. Where each publisher has a subject, none may
    /// stand there: one that means all today may not mean them tomorrow.
    pub(crate) fn passes_all(self, filter: &str) -> bool {
        filter.is_empty() || (self == Self::Simple && filter == SUBJECT)
    }
}

/// Who has published a packet that is stored under this subject, as the server says; `None` in the simple
/// form.
pub(crate) fn publisher_of(subject: &str) -> Option<Arc<str>> {
    subject.strip_prefix(PUBLISHER_PREFIX).map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_tell_the_form_and_the_publisher() {
        let of = |subjects: &[&str]| {
            let subjects = subjects.iter().map(ToString::to_string).collect();
            Form::of(&Config { subjects, ..Config::default() })
        };
        assert_eq!(of(&["rapids"]), Form::Simple);
        assert_eq!(of(&["rapids.from.*"]), Form::Secured);
        assert_eq!(of(&["rapids", "rapids.from.*"]), Form::Simple);
        for form in [Form::Simple, Form::Secured] {
            let republish = Some(form.republish("RAPIDS_EU"));
            assert_eq!(Form::of(&Config { republish, ..Config::default() }), form, "a mirror");
        }
        assert_eq!(publisher_of("rapids.from.orders").as_deref(), Some("orders"));
        assert_eq!(publisher_of("rapids"), None);
    }

    #[test]
    fn a_filter_is_refused_where_packets_have_many_subjects() {
        let passes = |filter| [Form::Simple, Form::Secured].map(|form| form.passes_all(filter));
        assert_eq!(passes(""), [true, true]);
        assert_eq!(passes("rapids"), [true, false]);
        assert_eq!(passes("rapids.from.*"), [false, false]);
        assert_eq!(passes("rapids.from.orders"), [false, false]);
    }
}
