//! A packet as the server delivered it, with the facts in the reply subject.
//!
//! It is read here, because async-nats' own message holds a context that costs an allocation for each
//! packet, also for those that are skipped.

use std::sync::Arc;

use async_nats::header::{
    HeaderName, NATS_MESSAGE_ID, NATS_SEQUENCE, NATS_STREAM, NATS_SUBJECT, NATS_TIME_STAMP,
};
use async_nats::jetstream::message::StreamMessage;
use async_nats::subject::Subject;
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use jiff::Timestamp;

use crate::jetstream::form::publisher_of;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::jetstream::timestamp;

/// One delivery of a packet.
#[derive(Debug, Clone)]
pub(crate) struct RawPacket {
    pub(crate) place: StreamPlace,
    /// Its number among the deliveries to all instances, repeated ones included.
    pub(crate) number: u64,
    /// Whether the packet was delivered before.
    pub(crate) is_again: bool,
    /// When the stream stored the packet; `None` for a copy, whose headers say so.
    stored: Option<Timestamp>,
    /// What the stream stored the packet under; `None` for a copy, whose headers say so.
    subject: Option<Subject>,
    /// How many packets follow it; 0 if no consumer has delivered it.
    pub(crate) pending: u64,
    /// The subject on which it is acknowledged; `None` if no consumer has delivered it.
    pub(crate) answer: Option<Subject>,
    pub(crate) body: Bytes,
    pub(crate) headers: Option<HeaderMap>,
}

impl RawPacket {
    /// Reads a message of a stream; `None` if it does not come from a stream.
    pub(crate) fn read(stream: StreamName, message: Message) -> Option<Self> {
        let answer = message.reply?;
        let facts = Facts::read(&answer)?;
        Some(Self {
            place: StreamPlace { stream, sequence: facts.sequence },
            number: facts.number,
            is_again: facts.deliveries > 1,
            stored: Some(facts.stored),
            subject: Some(message.subject),
            pending: facts.pending,
            answer: Some(answer),
            body: message.payload,
            headers: message.headers,
        })
    }

    /// Reads the copy of a packet that the server sends once this stream, the rapids or a mirror of them, has stored
    /// it; `None` if it is something else.
    pub(crate) fn live(stream: &str, message: Message) -> Option<Self> {
        let headers = message.headers?;
        if of_server(&headers, NATS_STREAM)? != stream {
            return None;
        }
        let sequence = of_server(&headers, NATS_SEQUENCE)?.parse().ok()?;
        Some(Self {
            place: StreamPlace { stream: StreamName::Rapids, sequence },
            number: 0,
            is_again: false,
            stored: None,
            subject: None,
            pending: 0,
            answer: None,
            body: message.payload,
            headers: Some(headers),
        })
    }

    /// One of the stream that no consumer delivered.
    pub(crate) fn of_rapids(message: StreamMessage) -> Self {
        Self {
            place: StreamPlace { stream: StreamName::Rapids, sequence: message.sequence },
            number: 0,
            is_again: false,
            stored: Some(timestamp(message.time)),
            subject: Some(message.subject),
            pending: 0,
            answer: None,
            body: message.payload,
            headers: Some(message.headers),
        }
    }

    /// The id that the publisher gave the packet, if it gave one.
    pub(crate) fn message_id(&self) -> Option<String> {
        message_id(self.headers.as_ref())
    }

    /// When the stream stored the packet.
    pub(crate) fn stored(&self) -> Timestamp {
        self.stored.unwrap_or_else(|| {
            let headers = self.headers.as_ref();
            let time = headers.and_then(|headers| of_server(headers, NATS_TIME_STAMP));
            time.and_then(|time| time.parse().ok()).unwrap_or_else(Timestamp::now)
        })
    }

    /// Who has published the packet, as the server says.
    pub(crate) fn publisher(&self) -> Option<Arc<str>> {
        match &self.subject {
            Some(subject) => publisher_of(subject),
            None => publisher_of(of_server(self.headers.as_ref()?, NATS_SUBJECT)?),
        }
    }
}

/// What the server says in a header of a copy. It adds its own behind those that the publisher sent, which
/// may have the same name.
fn of_server(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get_last(name).map(async_nats::HeaderValue::as_str)
}

/// The id that the publisher gave a message, if it gave one.
pub(crate) fn message_id(headers: Option<&HeaderMap>) -> Option<String> {
    headers?.get(NATS_MESSAGE_ID).map(|id| id.as_str().to_owned())
}

/// The facts in a reply subject, in either of the two forms that ADR-15 defines:
/// `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<number>.<stored>.<pending>`, or with
/// `<domain>.<account>` in front of the stream and perhaps more at the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    deliveries: u64,
    pub(crate) sequence: u64,
    /// The number of the delivery.
    pub(crate) number: u64,
    pub(crate) stored: Timestamp,
    /// How many messages follow it.
    pub(crate) pending: u64,
}

impl Facts {
    pub(crate) fn read(subject: &str) -> Option<Self> {
        let tokens = subject.strip_prefix("$JS.ACK.")?.as_bytes();
        let names = match tokens.iter().filter(|&&byte| byte == b'.').count() + 1 {
            7 => 2,
            9.. => 4,
            _ => return None,
        };
        let mut rest = tokens;
        for _ in 0..names {
            let dot = rest.iter().position(|&byte| byte == b'.')?;
            rest = &rest[dot + 1..];
        }
        let mut next = || number(&mut rest);
        Some(Self {
            deliveries: next()?,
            sequence: next()?,
            number: next()?,
            stored: Timestamp::from_nanosecond(i128::from(next()?)).ok()?,
            pending: next()?,
        })
    }
}

/// Takes a number, and the dot behind it if more follows, off the front.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (position, byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            }
            b'.' if position > 0 => {
                *rest = &rest[position + 1..];
                return Some(number);
            }
            _ => return None,
        }
    }
    (!std::mem::take(rest).is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_subject_are_read() {
        let facts = Facts {
            deliveries: 2,
            sequence: 17,
            number: 40,
            stored: "2026-11-21T09:30:00.000000005Z".parse().unwrap(),
            pending: 3,
        };
        let stored = facts.stored.as_nanosecond();
        for names in ["RAPIDS.payment", "_.ACC.RAPIDS.payment", "hub.ACC.RAPIDS.payment"] {
            let subject = format!("$JS.ACK.{names}.2.17.40.{stored}.3");
            assert_eq!(Facts::read(&subject).as_ref(), Some(&facts), "{subject}");
        }
        let longer = format!("$JS.ACK._.ACC.RAPIDS.payment.2.17.40.{stored}.3.token");
        assert_eq!(Facts::read(&longer), Some(facts));
    }

    #[test]
    fn of_a_copy_the_server_is_believed_and_not_what_the_publisher_sent() {
        let mut headers = HeaderMap::new();
        for (name, [sent, added]) in [
            ("Nats-Stream", ["OTHER", "RAPIDS"]),
            ("Nats-Subject", ["rapids.from.payment", "rapids.from.orders"]),
            ("Nats-Sequence", ["77", "2"]),
            ("Nats-Time-Stamp", ["2020-01-01T00:00:00Z", "2026-11-21T09:30:00Z"]),
        ] {
            headers.append(name, sent);
            headers.append(name, added);
        }
        let message = Message {
            subject: "rapids.live".into(),
            reply: None,
            payload: Bytes::new(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        };
        let copy = RawPacket::live("RAPIDS", message).unwrap();
        assert_eq!((copy.place.sequence, copy.publisher().as_deref()), (2, Some("orders")));
        assert_eq!(copy.stored(), "2026-11-21T09:30:00Z".parse().unwrap());
    }

    #[test]
    fn what_no_stream_delivered_is_told() {
        for subject in [
            "_INBOX.a.b",
            "$JS.ACK.RAPIDS.payment.1.2",
            "$JS.ACK.R.p.one.2.3.4.5",
            "$JS.ACK.R.p.1..3.4.5",
            "$JS.ACK.R.p.1.99999999999999999999.3.4.5",
        ] {
            assert_eq!(Facts::read(subject), None, "{subject}");
        }
    }
}
