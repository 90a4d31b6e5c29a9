//! What a dead letter says, and how it is stored.
//!
//! A letter is a message: the packet's bytes as its body, everything else as headers. Storing it is
//! left to [`store`](super::store).

use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;

use super::headers::{
    ATTEMPTS, BREADCRUMB, CAUSE, CORRELATION_ID, EPOCH, FIRST, FIRST_FAILURE, FORMER, INSTANCE,
    KIND, LAST_FAILURE, NAME, PACKET_ID, PUBLISHER, REASON, RIVER, Reader, SEQUENCE, SERVICE,
    STORED,
};
use super::text::{escape, shortened, unescape};
use super::{Kind, LetterId};
use crate::jetstream::trace_headers;
use crate::trace::TraceContext;

/// How many bytes all headers of a letter take together at most: 16 KiB with the first line and
/// with the one that lets the stream store it once.
const MOST_HEADER_BYTES: usize = 16 * 1024 - 64;

/// Values that have no limit elsewhere are cut to this length. The body has them in full.
const LONGEST_NAME: usize = 256;
const LONGEST_ID: usize = 1_024;
const LONGEST_BREADCRUMB: usize = 80;
const MOST_BREADCRUMBS: usize = 16;

/// Room for the mark that tells how many causes are missing.
const MARK_ROOM: usize = 64;

/// A packet that a river could not handle, with all that is known of why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which river failed on what.
    pub id: LetterId,
    /// Why, in one word.
    pub kind: Kind,
    /// Why, in the words of what failed.
    pub reason: String,
    /// What led to the reason, outermost first.
    pub causes: Vec<String>,
    /// How often the reaction was tried; 0 if it never was.
    pub attempts: u32,
    /// The instance of the service that gave up.
    pub instance: String,
    /// The packet's sequence on the rapids; for a replay, that of the packet replayed.
    pub sequence: u64,
    /// When the rapids stored the packet.
    pub stored: Timestamp,
    /// When the first attempt failed.
    pub first_failure: Timestamp,
    /// When the last attempt failed.
    pub last_failure: Timestamp,
    /// The packet's id.
    pub packet_id: String,
    /// The name of its event, need or command; several needs are joined with `, `.
    pub name: Option<String>,
    /// The id of the first packet of the conversation.
    pub correlation_id: String,
    /// The services that its ancestors passed, newest last.
    pub breadcrumbs: Vec<String>,
    /// Who has published the packet, as the server says: see [`Packet::publisher`](crate::Packet::publisher).
    pub publisher: Option<String>,
    /// Of a replay that failed again: the first letter about the packet.
    pub first: Option<LetterId>,
    /// How often the position of the service had been moved when the packet failed: one that is
    /// read again after that and fails has a letter of its own.
    pub epoch: u64,
    /// Of a packet that failed before the position was moved, too: the last letter about it.
    pub former: Option<LetterId>,
    /// Which trace the packet belongs to.
    pub trace: Option<TraceContext>,
    /// The packet's bytes, verbatim. A listing leaves them on the server.
    pub body: Bytes,
}

impl DeadLetter {
    /// The correlation id of a packet as letters have it: one that takes more than 1,024 bytes in a header is
    /// shortened there, with a mark. To be compared with the `correlation_id` of letters that were read.
    ///
    /// ```
    /// use rapids_client::DeadLetter;
    ///
    /// assert_eq!(DeadLetter::shortened_id("o-17"), "o-17");
    /// assert!(DeadLetter::shortened_id(&"o".repeat(2_000)).ends_with(" bytes more]"));
    /// ```
    pub fn shortened_id(id: &str) -> String {
        unescape(&shortened(id, LONGEST_ID))
    }

    /// Everything but the body, in at most 16 KiB: what is too long is shortened with a mark, the
    /// causes first, then the reason.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = Writer { headers: HeaderMap::new(), room: MOST_HEADER_BYTES };
        headers.put(KIND, self.kind.to_string());
        headers.put(ATTEMPTS, self.attempts.to_string());
        headers.put(SERVICE, self.id.service().to_owned());
        headers.put(RIVER, self.id.river().to_owned());
        headers.put(INSTANCE, shortened(&self.instance, LONGEST_NAME));
        headers.put(SEQUENCE, self.sequence.to_string());
        headers.put(STORED, self.stored.to_string());
        headers.put(FIRST_FAILURE, self.first_failure.to_string());
        headers.put(LAST_FAILURE, self.last_failure.to_string());
        headers.put(PACKET_ID, shortened(&self.packet_id, LONGEST_ID));
        headers.put(CORRELATION_ID, shortened(&self.correlation_id, LONGEST_ID));
        if let Some(name) = &self.name {
            headers.put(NAME, shortened(name, LONGEST_NAME));
        }
        if let Some(publisher) = &self.publisher {
            headers.put(PUBLISHER, shortened(publisher, LONGEST_NAME));
        }
        if let Some(first) = &self.first {
            headers.put(FIRST, first.to_string());
        }
        if self.epoch > 0 {
            headers.put(EPOCH, self.epoch.to_string());
        }
        if let Some(former) = &self.former {
            headers.put(FORMER, former.to_string());
        }
        if let Some(trace) = &self.trace {
            headers.room = headers.room.saturating_sub(trace.size());
            trace_headers::write(trace, &mut headers.headers);
        }
        let older = self.breadcrumbs.len().saturating_sub(MOST_BREADCRUMBS);
        for breadcrumb in &self.breadcrumbs[older..] {
            headers.put(BREADCRUMB, shortened(breadcrumb, LONGEST_BREADCRUMB));
        }
        let reason = shortened(&self.reason, headers.room_for(REASON));
        headers.put(REASON, reason);
        for (position, cause) in self.causes.iter().enumerate() {
            let room = headers.room_for(CAUSE);
            let missing = self.causes.len() - position;
            if room < 2 * MARK_ROOM && escape(cause).len() > room {
                headers.put(CAUSE, format!("… [{missing} causes more]"));
                break;
            }
            headers.put(CAUSE, shortened(cause, room));
        }
        headers.headers
    }

    /// The letter as it is read back from the stream: what is too long is shortened.
    pub(crate) fn read_back(self) -> Self {
        let read = Self::read(self.id.clone(), &self.headers(), self.body.clone());
        read.unwrap_or(self)
    }

    /// Reads a letter back from its message, or says what is wrong with it.
    pub(crate) fn read(id: LetterId, headers: &HeaderMap, body: Bytes) -> Result<Self, String> {
        let read = Reader(headers);
        for (name, expected) in [(SERVICE, id.service()), (RIVER, id.river())] {
            if let Some(found) = read.optional(name).filter(|found| found != expected) {
                return Err(format!("header `{name}` is `{found}`, its subject says `{expected}`"));
            }
        }
        let linked = |name| read.optional(name).map(|_| read.parsed(name)).transpose();
        let epoch = read.optional(EPOCH).map(|_| read.parsed(EPOCH)).transpose()?;
        Ok(Self {
            id,
            kind: read.parsed(KIND)?,
            reason: read.text(REASON)?,
            causes: read.all(CAUSE),
            attempts: read.parsed(ATTEMPTS)?,
            instance: read.text(INSTANCE)?,
            sequence: read.parsed(SEQUENCE)?,
            stored: read.parsed(STORED)?,
            first_failure: read.parsed(FIRST_FAILURE)?,
            last_failure: read.parsed(LAST_FAILURE)?,
            packet_id: read.text(PACKET_ID)?,
            name: read.optional(NAME),
            correlation_id: read.text(CORRELATION_ID)?,
            breadcrumbs: read.all(BREADCRUMB),
            publisher: read.optional(PUBLISHER),
            first: linked(FIRST)?,
            epoch: epoch.unwrap_or_default(),
            former: linked(FORMER)?,
            trace: trace_headers::read(headers),
            body,
        })
    }
}

/// Headers, and how many more bytes they may take.
struct Writer {
    headers: HeaderMap,
    room: usize,
}

impl Writer {
    /// Adds a header. `value` must be escaped already where it can need it.
    fn put(&mut self, name: &'static str, value: String) {
        self.room = self.room.saturating_sub(line(name) + value.len());
        self.headers.append(name, value);
    }

    /// How long a value of this name may be at most.
    fn room_for(&self, name: &str) -> usize {
        self.room.saturating_sub(line(name) + line(CAUSE) + MARK_ROOM)
    }
}

/// What the server counts for a header beside its value: `name: ` and the line's end.
fn line(name: &str) -> usize {
    name.len() + 4
}

#[cfg(test)]
mod tests {
    use super::super::testing::letter;
    use super::*;
    use crate::names::{DEAD_LETTER_PREFIX, DEAD_LETTERS};
    use crate::stored::golden;

    /// Lets the stream store a letter once.
    const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

    fn stored(letter: &DeadLetter) -> DeadLetter {
        let read = DeadLetter::read(letter.id.clone(), &letter.headers(), letter.body.clone());
        assert_eq!(read.as_ref(), Ok(&letter.clone().read_back()));
        read.unwrap()
    }

    fn size(headers: &HeaderMap) -> usize {
        let values =
            headers.iter().flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
        values.map(|(name, value)| line(name.as_ref()) + value.as_str().len()).sum()
    }

    #[test]
    fn a_letter_is_read_back_as_it_was_written() {
        assert_eq!(stored(&letter()), letter());
        let plain = DeadLetter {
            name: None,
            first: None,
            epoch: 0,
            former: None,
            causes: vec![],
            breadcrumbs: vec![],
            publisher: None,
            reason: String::new(),
            ..letter()
        };
        assert_eq!(stored(&plain), plain);
    }

    #[test]
    fn what_is_too_long_is_shortened_causes_first() {
        let long = DeadLetter {
            causes: (0..100).map(|n| format!("{n}: {}", "ü\n".repeat(200))).collect(),
            ..letter()
        };
        let read = stored(&long);
        assert!(size(&long.headers()) <= MOST_HEADER_BYTES, "{}", size(&long.headers()));
        assert_eq!((&read.reason, &read.causes[..10]), (&long.reason, &long.causes[..10]));
        let last = read.causes.last().unwrap();
        assert!(last.starts_with("… [") && last.ends_with(" causes more]"), "{last}");

        let longer = DeadLetter { reason: "\\".repeat(20_000), ..long };
        let read = stored(&longer);
        assert!(size(&longer.headers()) <= MOST_HEADER_BYTES, "{}", size(&longer.headers()));
        assert!(read.reason.len() > 7_000 && read.reason.ends_with("bytes more]"));
        assert_eq!(read.causes, ["… [100 causes more]"]);
    }

    #[test]
    fn everything_at_its_longest_stays_within_the_limit() {
        let worst = DeadLetter {
            reason: "🦀\n".repeat(5_000),
            causes: vec!["\u{1b}".repeat(5_000); 1_000],
            instance: "\n".repeat(500),
            packet_id: "\\".repeat(5_000),
            correlation_id: "\\".repeat(5_000),
            name: Some("\u{7f}".repeat(5_000)),
            breadcrumbs: vec!["\t".repeat(10_000); 40],
            ..letter()
        };
        let headers = worst.headers();
        assert!(size(&headers) <= MOST_HEADER_BYTES, "{}", size(&headers));
        assert_eq!(stored(&worst).breadcrumbs.len(), 16);
    }

    #[test]
    fn correlation_ids_are_shortened_as_they_are_in_letters() {
        let controls = "\u{1b}".repeat(LONGEST_ID / 6 + 1);
        for id in ["o-1", "", &"x".repeat(1_024), &"x".repeat(1_025), &controls, &"ä\n".repeat(900)]
        {
            let long = DeadLetter { correlation_id: id.to_owned(), ..letter() };
            let short = DeadLetter::shortened_id(id);
            assert_eq!(stored(&long).correlation_id, short);
            assert_eq!(DeadLetter::shortened_id(&short), short);
        }
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        for message in golden::messages("shared", DEAD_LETTERS) {
            let id = message.subject.strip_prefix(DEAD_LETTER_PREFIX).unwrap().parse().unwrap();
            let letter = DeadLetter::read(id, &message.headers, message.body.into()).unwrap();
            assert_eq!((&letter.kind, letter.attempts), (&Kind::Rejected, 1));
            let mut headers = letter.headers();
            headers.insert(EXPECTED, "0");
            assert_eq!(headers, message.headers);
        }
    }

    #[test]
    fn a_letter_of_a_kind_that_a_later_version_writes_is_read() {
        let mut headers = letter().headers();
        headers.insert(KIND, "unhappy");
        let read = DeadLetter::read(letter().id, &headers, Bytes::new()).unwrap();
        assert_eq!(read.kind.as_str(), "unhappy");
    }

    #[test]
    fn a_message_that_is_no_letter_is_told() {
        let mut headers = letter().headers();
        headers.insert(KIND, "not a word");
        let read =
            |headers: &HeaderMap| DeadLetter::read(letter().id, headers, Bytes::new()).unwrap_err();
        assert_eq!(read(&headers), "header `Rapids-Kind` is `not a word`");
        assert_eq!(read(&HeaderMap::new()), "header `Rapids-Kind` is missing");
        headers.insert(RIVER, "refund");
        assert_eq!(read(&headers), "header `Rapids-River` is `refund`, its subject says `charge`");
    }
}
