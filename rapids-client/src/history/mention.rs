//! Tells from the bytes of a message that it has nothing to do with an id.
//!
//! Of a long stream nearly no packet belongs to one conversation, and reading a packet takes longer than
//! a look for some bytes.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use jiff::Timestamp;
use memchr::memchr;
use memchr::memmem::Finder;

use super::span::sequence_of;

/// An id that packets may have, or name.
pub(super) struct Mention {
    finder: Finder<'static>,
    /// The sequence of the packet that has the id although it names none.
    sequence: Option<u64>,
}

impl Mention {
    /// Of an id, in a stream that was created then.
    pub(super) fn of(id: &str, created: Timestamp) -> Self {
        let finder = Finder::new(id).into_owned();
        Self { finder, sequence: sequence_of(id, created) }
    }

    /// Whether a message may have the id or name it. That it does not is certain: JSON writes an id as it
    /// is, or with a backslash.
    pub(super) fn is_possible(
        &self,
        sequence: u64,
        headers: Option<&HeaderMap>,
        body: &[u8],
    ) -> bool {
        let own = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID));
        self.sequence == Some(sequence)
            || own.is_some_and(|own| own.as_str().as_bytes() == self.finder.needle())
            || self.finder.find(body).is_some()
            || memchr(b'\\', body).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_have_or_name_the_id_is_read() {
        let created = "2026-11-01T00:00:00Z".parse().unwrap();
        let is_possible = |id: &str, sequence, own: Option<&str>, body: &str| {
            let mut headers = HeaderMap::new();
            if let Some(own) = own {
                headers.insert(NATS_MESSAGE_ID, own);
            }
            Mention::of(id, created).is_possible(sequence, Some(&headers), body.as_bytes())
        };
        assert!(!is_possible("c-1", 17, None, r#"{"event":"x"}"#));
        assert!(is_possible("c-1", 17, None, r#"{"rapids":{"correlation_id":"c-1"}}"#));
        assert!(is_possible("c-1", 17, None, r#"{"rapids":{"id":"\u0063-1"}}"#));
        assert!(is_possible("c-1", 17, Some("c-1"), "{}"));
        assert!(!is_possible("c-1", 17, Some("c-2"), "{}"));
        assert!(is_possible("RAPIDS-1793491200-17", 17, None, "{}"));
        assert!(!is_possible("RAPIDS-1793491200-17", 18, None, "{}"));
    }
}
