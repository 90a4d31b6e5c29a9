//! The `rapids` object: where a packet comes from, and which services it passed.
//!
//! Completes and writes it; [`rapids_object`](super::rapids_object) reads it.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytestring::ByteString;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::arrival::Arrival;
use super::id::new_id;
use super::rapids_object::RapidsObject;
use crate::json::{Fields, Text, write_key, write_member, write_string};
use crate::keys::{
    BREADCRUMBS, CAUSATION_ID, CORRELATION_ID, CREATED, DEAD_LETTER, EDITED, ID, PUBLISHER,
    READ_COUNT, REPLAYED, TIMER,
};

/// How many services the breadcrumbs hold; older ones fall off.
const MAX_BREADCRUMBS: usize = 16;

/// Room for most objects.
const ROOM: usize = 256;

/// How a time is written: with microseconds.
static TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// The effective content of the `rapids` object. Ids that were read share the bytes of their body.
#[derive(Debug, Clone)]
pub(crate) struct Provenance {
    pub(crate) id: ByteString,
    /// The id in the body, if the message has another one.
    pub(crate) claimed_id: Option<ByteString>,
    pub(crate) created: Timestamp,
    /// `None` if it is the packet's own id.
    correlation_id: Option<ByteString>,
    pub(crate) causation_id: Option<ByteString>,
    pub(crate) read_count: u64,
    pub(crate) breadcrumbs: Vec<String>,
    /// Who has published the packet, as the server says.
    pub(crate) publisher: Option<Arc<str>>,
    /// Whether the body says something about that.
    pub(crate) says_publisher: bool,
    /// Members that the bus does not know: their keys, with the quotes, and their values as they
    /// were sent.
    others: Vec<(Box<str>, Box<str>)>,
    /// How many members had the wrong type and so count as absent.
    pub(crate) mistyped: usize,
    /// The object, written out when an expression first asks for it.
    text: OnceLock<Box<str>>,
}

impl Provenance {
    /// The provenance of a packet that begins a conversation.
    pub(crate) fn fresh() -> Self {
        Self::of(new_id(), Timestamp::now())
    }

    fn of(id: ByteString, created: Timestamp) -> Self {
        Self {
            id,
            claimed_id: None,
            created,
            correlation_id: None,
            causation_id: None,
            read_count: 0,
            breadcrumbs: Vec::new(),
            publisher: None,
            says_publisher: false,
            others: Vec::new(),
            mistyped: 0,
            text: OnceLock::new(),
        }
    }

    /// What a body says, completed by what the stream knows of a stored packet.
    pub(crate) fn read(fields: &Fields, arrival: Option<&Arrival>) -> Self {
        let said = RapidsObject::read(fields);
        // The stream tells repeated messages apart by their own ids, so those count.
        let (id, claimed_id) = match (arrival.and_then(Arrival::own_id), said.id) {
            (Some(own), Some(said)) if *own == *said => (Some(said), None),
            (Some(own), said) => (Some(own.into()), said),
            (None, said) => (said.or_else(|| Some(arrival?.derived_id().into())), None),
        };
        let created = said.created.or(arrival.map(|arrival| arrival.stored));
        Self {
            claimed_id,
            correlation_id: said.correlation_id,
            causation_id: said.causation_id,
            read_count: said.read_count.unwrap_or(0),
            breadcrumbs: newest(said.breadcrumbs.unwrap_or_default()),
            publisher: arrival.and_then(|arrival| arrival.publisher.clone()),
            says_publisher: said.says_publisher,
            others: said.others,
            mistyped: said.mistyped,
            ..Self::of(id.unwrap_or_else(new_id), created.unwrap_or_else(Timestamp::now))
        }
    }

    /// The provenance of the packet of this id that a service publishes when it handles this one.
    pub(crate) fn effect(&self, service: &str, id: ByteString) -> Self {
        let mut breadcrumbs = Vec::with_capacity(self.breadcrumbs.len() + 1);
        breadcrumbs.extend_from_slice(&self.breadcrumbs);
        breadcrumbs.push(service.to_owned());
        Self {
            correlation_id: Some(self.correlation_id().clone()),
            causation_id: Some(self.id.clone()),
            read_count: self.read_count.saturating_add(1),
            breadcrumbs: newest(breadcrumbs),
            ..Self::of(id, Timestamp::now())
        }
    }

    /// The provenance of a packet that an operator publishes in place of this one: of the same
    /// conversation, with the same breadcrumbs, and caused by this one.
    pub(crate) fn replacement(&self, id: String, is_edited: bool) -> Self {
        let mark = if is_edited { EDITED } else { REPLAYED };
        let mut others = self.others.clone();
        others.retain(|(key, _)| !is_named(key, mark));
        others.push((format!("\"{mark}\"").into(), "true".into()));
        Self {
            correlation_id: Some(self.correlation_id().clone()),
            causation_id: Some(self.id.clone()),
            read_count: self.read_count,
            breadcrumbs: self.breadcrumbs.clone(),
            others,
            ..Self::of(id.into(), Timestamp::now())
        }
    }

    /// This one as that of the same packet under another id.
    pub(crate) fn with_id(&self, id: ByteString) -> Self {
        let correlation_id = Some(self.correlation_id().clone());
        Self { id, correlation_id, text: OnceLock::new(), ..self.clone() }
    }

    /// This one as that of a packet that a timer brings.
    pub(crate) fn of_timer(&self, timer: &str) -> Self {
        self.with_text(TIMER, timer)
    }

    /// Which timer brought the packet, if one did.
    pub(crate) fn timer(&self) -> Option<String> {
        self.text(TIMER)
    }

    /// This one as that of a packet that tells what became of a dead letter's packet.
    pub(crate) fn of_letter(&self, letter: &str) -> Self {
        self.with_text(DEAD_LETTER, letter)
    }

    /// Which dead letter the packet tells of, if it does of one.
    pub(crate) fn dead_letter(&self) -> Option<String> {
        self.text(DEAD_LETTER)
    }

    /// This one with a member that is a text.
    fn with_text(&self, name: &str, text: &str) -> Self {
        let mut others = self.others.clone();
        others.retain(|(key, _)| !is_named(key, name));
        let mut value = String::new();
        write_string(&mut value, text);
        others.push((format!("\"{name}\"").into(), value.into()));
        Self { others, text: OnceLock::new(), ..self.clone() }
    }

    /// The text of a member beside those of the bus.
    fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.others.iter().find(|(key, _)| is_named(key, name))?;
        serde_json::from_str(value).ok()
    }

    /// Whether somebody has published the packet in place of another one.
    pub(crate) fn is_replacement(&self) -> bool {
        let is_mark = |key: &str| is_named(key, EDITED) || is_named(key, REPLAYED);
        self.others.iter().any(|(key, value)| is_mark(key) && &**value == "true")
    }

    pub(crate) fn correlation_id(&self) -> &ByteString {
        self.correlation_id.as_ref().unwrap_or(&self.id)
    }

    /// Writes the object as it is published.
    pub(crate) fn write(&self, text: &mut String) {
        match self.text.get() {
            Some(written) if self.publisher.is_none() => text.push_str(written),
            _ => self.write_out(text, None),
        }
    }

    fn write_out(&self, text: &mut String, publisher: Option<&str>) {
        text.push('{');
        write_key(text, ID);
        write_string(text, &self.id);
        write_key(text, CREATED);
        text.push('"');
        // Neither the printer nor a String has a reason to fail.
        let _ = TIMES.print_timestamp(&self.created, &mut *text);
        text.push('"');
        write_key(text, CORRELATION_ID);
        write_string(text, self.correlation_id());
        if let Some(id) = &self.causation_id {
            write_key(text, CAUSATION_ID);
            write_string(text, id);
        }
        write_key(text, READ_COUNT);
        let _ = write!(text, "{}", self.read_count);
        write_key(text, BREADCRUMBS);
        text.push('[');
        for service in &self.breadcrumbs {
            if !text.ends_with('[') {
                text.push(',');
            }
            write_string(text, service);
        }
        text.push(']');
        if let Some(publisher) = publisher {
            write_key(text, PUBLISHER);
            write_string(text, publisher);
        }
        for (key, value) in &self.others {
            write_member(text, key, value);
        }
        text.push('}');
    }
}

/// The object as expressions see it.
impl AsRef<str> for Provenance {
    fn as_ref(&self) -> &str {
        self.text.get_or_init(|| {
            let mut text = String::with_capacity(ROOM);
            self.write_out(&mut text, self.publisher.as_deref());
            text.into()
        })
    }
}

/// Whether a key, as it is written, has this name.
fn is_named(key: &str, name: &str) -> bool {
    Text::read(key).is_ok_and(|read| read == name)
}

fn newest(mut breadcrumbs: Vec<String>) -> Vec<String> {
    breadcrumbs.drain(..breadcrumbs.len().saturating_sub(MAX_BREADCRUMBS));
    breadcrumbs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> Arrival {
        Arrival {
            stream_created: "2026-11-01T00:00:00Z".parse().unwrap(),
            ..Arrival::at(17, "2026-11-21T09:30:00.5Z".parse().unwrap())
        }
    }

    fn fields(body: &str) -> Fields {
        Fields::parse(body.to_owned().into()).unwrap()
    }

    fn read(json: &str) -> Provenance {
        Provenance::read(&fields(&format!(r#"{{"rapids":{json}}}"#)), Some(&arrival()))
    }

    #[test]
    fn a_bare_packet_gets_its_id_and_time_from_the_stream() {
        let bare = Provenance::read(&fields("{}"), Some(&arrival()));
        assert_eq!(bare.id, "RAPIDS-1793491200-17");
        assert_eq!(bare.correlation_id(), &bare.id);
        assert_eq!(bare.created, arrival().stored);
        assert_eq!((bare.read_count, bare.breadcrumbs.len(), bare.mistyped), (0, 0, 0));

        let named = Arrival { message_id: Some("o-1".into()), ..arrival() };
        assert_eq!(Provenance::read(&fields("{}"), Some(&named)).id, "o-1");
    }

    #[test]
    fn the_id_of_the_message_counts_before_that_of_the_body() {
        let read = |own: &str, body: &str| {
            let arrival = Arrival { message_id: Some(own.to_owned()), ..arrival() };
            let read = Provenance::read(&fields(body), Some(&arrival));
            (read.id.to_string(), read.claimed_id.map(String::from))
        };
        let body = r#"{"rapids":{"id":"a"}}"#;
        assert_eq!(read("b", body), ("b".to_owned(), Some("a".to_owned())));
        assert_eq!(read("a", body), ("a".to_owned(), None));
        let unusable = "x".repeat(super::super::id::MAX_ID_BYTES + 1);
        assert_eq!(read(&unusable, body), ("a".to_owned(), None));
        assert_eq!(read(&unusable, "{}"), ("RAPIDS-1793491200-17".to_owned(), None));
    }

    #[test]
    fn members_of_the_wrong_type_count_as_absent_and_are_counted() {
        let read = read(
            r#"{"id":7,"created":"yesterday","correlation_id":"c","causation_id":"a\nb",
                "read_count":-1,"breadcrumbs":"order"}"#,
        );
        assert_eq!(read.id, "RAPIDS-1793491200-17");
        assert_eq!(read.correlation_id(), "c");
        assert_eq!((read.causation_id, read.read_count), (None, 0));
        assert_eq!(read.mistyped, 5);
        assert_eq!(Provenance::read(&fields(r#"{"rapids":3}"#), None).mistyped, 1);
    }

    #[test]
    fn unknown_members_survive() {
        let read = read(r#"{"id":"a","edited":true}"#);
        assert!(read.as_ref().ends_with(r#""edited":true}"#), "{}", read.as_ref());
    }

    #[test]
    fn an_effect_continues_the_conversation() {
        let cause = read(r#"{"id":"a","correlation_id":"c","read_count":2,"breadcrumbs":["x"]}"#);
        let effect = cause.effect("payment", "e".into());
        assert_eq!((&*effect.id, effect.as_ref().contains(r#""id":"e""#)), ("e", true));
        assert_eq!(effect.correlation_id(), "c");
        assert_eq!(effect.causation_id.as_deref(), Some("a"));
        assert_eq!(
            (effect.read_count, effect.breadcrumbs),
            (3, vec!["x".into(), "payment".into()])
        );
    }

    #[test]
    fn a_replacement_keeps_conversation_and_way_and_says_whether_it_was_edited() {
        let original = read(
            r#"{"id":"a","correlation_id":"c","causation_id":"z","read_count":2,
                "breadcrumbs":["x","y"],"edited":"by whom?","tenant":7}"#,
        );
        let edited = original.replacement("b".into(), true);
        assert_eq!((&*edited.id, &**edited.correlation_id()), ("b", "c"));
        assert_eq!((edited.causation_id.as_deref(), edited.read_count), (Some("a"), 2));
        assert_eq!(edited.breadcrumbs, original.breadcrumbs);
        let json = edited.as_ref();
        assert!(json.ends_with(r#","tenant":7,"edited":true}"#), "{json}");
        let sent_on = original.replacement("b".into(), false);
        let json = sent_on.as_ref();
        assert!(json.ends_with(r#","edited":"by whom?","tenant":7,"replayed":true}"#), "{json}");
        let is_one = [&original, &edited, &sent_on].map(Provenance::is_replacement);
        assert_eq!(is_one, [false, true, true]);
    }

    #[test]
    fn a_member_that_the_bus_sets_takes_the_place_of_what_was_there() {
        let sent = read(r#"{"id":"a","dead_letter":7,"dead\u005fletter":"x","tenant":7}"#);
        assert_eq!(sent.dead_letter(), None, "no text");
        let told = sent.of_letter("payment.charge.17");
        assert_eq!(told.dead_letter().as_deref(), Some("payment.charge.17"));
        let json = told.as_ref();
        assert!(json.ends_with(r#","tenant":7,"dead_letter":"payment.charge.17"}"#), "{json}");
    }

    #[test]
    fn expressions_see_the_publisher_that_the_server_says_and_nobody_is_sent_one() {
        let arrival = Arrival { publisher: Some("orders".into()), ..arrival() };
        let body = r#"{"rapids":{"id":"a","publisher":"payment","publ\u0069sher":1,"tenant":7}}"#;
        let known = Provenance::read(&fields(body), Some(&arrival));
        let seen = known.as_ref();
        assert!(seen.ends_with(r#""breadcrumbs":[],"publisher":"orders","tenant":7}"#), "{seen}");
        let unknown = Provenance::read(&fields(body), None);
        for sent in [&known, &unknown, &known.effect("s", "x".into()), &known.of_timer("t")] {
            let mut written = String::new();
            sent.write(&mut written);
            assert!(!written.contains("publisher"), "{written}");
        }
        assert!(!unknown.as_ref().contains("publisher"), "{}", unknown.as_ref());
    }

    #[test]
    fn breadcrumbs_keep_the_newest_sixteen() {
        let mut way = Provenance::fresh();
        for step in 0..20 {
            way = way.effect(&format!("s{step}"), "e".into());
        }
        assert_eq!(way.breadcrumbs.len(), 16);
        assert_eq!(way.breadcrumbs.last().map(String::as_str), Some("s19"));
    }
}
