//! The `rapids` object: where a packet comes from and which way it took.
//!
//! Reads it tolerantly, with the fall-backs for publishers that leave it out, and writes it.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::arrival::Arrival;
use super::keys::{BREADCRUMBS, CAUSATION_ID, CORRELATION_ID, CREATED, EDITED, ID, READ_COUNT};
use crate::json::Members;

/// How many services the breadcrumbs hold; older ones fall off.
const MAX_BREADCRUMBS: usize = 16;

/// Longest id that is taken for one; the rest of a subject or a header needs room too.
const MAX_ID_BYTES: usize = 256;

/// Names the space of the ids that are derived from a handled packet.
const DERIVED_IDS: Uuid = Uuid::from_u128(0x7f0a_53d1_8b64_5c1e_9d0e_6f1d_9b5f_3a27);

/// The effective content of the `rapids` object.
#[derive(Debug, Clone)]
pub(crate) struct Provenance {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) correlation_id: String,
    pub(crate) causation_id: Option<String>,
    pub(crate) read_count: u64,
    pub(crate) breadcrumbs: Vec<String>,
    /// Members that the bus does not know.
    others: Vec<(Box<str>, Box<RawValue>)>,
    /// How many members had the wrong type and so count as absent.
    pub(crate) mistyped: usize,
}

impl Provenance {
    /// That of a packet which begins a conversation.
    pub(crate) fn fresh() -> Self {
        let id = new_id();
        Self {
            created: Timestamp::now(),
            correlation_id: id.clone(),
            id,
            causation_id: None,
            read_count: 0,
            breadcrumbs: Vec::new(),
            others: Vec::new(),
            mistyped: 0,
        }
    }

    /// What a body says, completed by what the stream knows of the packet, if it was stored.
    pub(crate) fn read(raw: Option<&RawValue>, arrival: Option<&Arrival>) -> Self {
        let members = match raw.map(|raw| serde_json::from_str::<Members<'_>>(raw.get())) {
            Some(Ok(members)) => members,
            Some(Err(_)) | None => Members::default(),
        };
        let mut mistyped = usize::from(raw.is_some_and(|raw| !raw.get().starts_with('{')));
        let mut reader = Reader { members: &members, mistyped: &mut mistyped };
        let id = reader.read(ID, |id: &String| is_id(id));
        let created = reader.read(CREATED, |text: &String| text.parse::<Timestamp>().is_ok());
        let correlation_id = reader.read(CORRELATION_ID, |id: &String| is_id(id));
        let causation_id = reader.read(CAUSATION_ID, |id: &String| is_id(id));
        let read_count = reader.read(READ_COUNT, |_: &u64| true);
        let breadcrumbs = reader.read(BREADCRUMBS, |_: &Vec<String>| true);

        let id = id.or_else(|| arrival.map(Arrival::packet_id)).unwrap_or_else(new_id);
        let created = created
            .and_then(|text| text.parse().ok())
            .or(arrival.map(|arrival| arrival.stored))
            .unwrap_or_else(Timestamp::now);
        Self {
            correlation_id: correlation_id.unwrap_or_else(|| id.clone()),
            id,
            created,
            causation_id,
            read_count: read_count.unwrap_or(0),
            breadcrumbs: newest(breadcrumbs.unwrap_or_default()),
            others: unknown(&members),
            mistyped,
        }
    }

    /// That of the packet at `position` among those that `river` of `service` publishes when it
    /// handles a packet of this provenance. The id is derived, so handling twice says it twice.
    pub(crate) fn effect(&self, service: &str, river: &str, position: usize) -> Self {
        let name = format!("{}\u{1f}{service}\u{1f}{river}\u{1f}{position}", self.id);
        let mut breadcrumbs = self.breadcrumbs.clone();
        breadcrumbs.push(service.to_owned());
        Self {
            id: Uuid::new_v5(&DERIVED_IDS, name.as_bytes()).to_string(),
            created: Timestamp::now(),
            correlation_id: self.correlation_id.clone(),
            causation_id: Some(self.id.clone()),
            read_count: self.read_count.saturating_add(1),
            breadcrumbs: newest(breadcrumbs),
            others: Vec::new(),
            mistyped: 0,
        }
    }

    /// That of a packet which an operator publishes in place of this one: the same conversation and
    /// the same way so far, caused by this one.
    pub(crate) fn replacement(&self, id: String, is_edited: bool) -> Self {
        let mut others = self.others.clone();
        if is_edited {
            let yes = RawValue::from_string("true".to_owned()).expect("`true` is valid JSON");
            others.retain(|(key, _)| &**key != EDITED);
            others.push((EDITED.into(), yes));
        }
        Self {
            id,
            created: Timestamp::now(),
            causation_id: Some(self.id.clone()),
            others,
            mistyped: 0,
            ..self.clone()
        }
    }

    /// The object as it is published, and as expressions see it.
    pub(crate) fn to_json(&self) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Known<'a> {
            id: &'a str,
            created: String,
            correlation_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            causation_id: Option<&'a str>,
            read_count: u64,
            breadcrumbs: &'a [String],
        }
        let known = serde_json::to_string(&Known {
            id: &self.id,
            created: format!("{:.6}", self.created),
            correlation_id: &self.correlation_id,
            causation_id: self.causation_id.as_deref(),
            read_count: self.read_count,
            breadcrumbs: &self.breadcrumbs,
        });
        let mut text = known.expect("strings and integers always have JSON");
        text.pop();
        for (key, value) in &self.others {
            text.push(',');
            super::fields::write_member(&mut text, Some(key), value);
        }
        text.push('}');
        RawValue::from_string(text).expect("an object of valid members is valid JSON")
    }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// An id must fit into a header and a log line.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains(char::is_control)
}

fn newest(mut breadcrumbs: Vec<String>) -> Vec<String> {
    breadcrumbs.drain(..breadcrumbs.len().saturating_sub(MAX_BREADCRUMBS));
    breadcrumbs
}

fn unknown(members: &Members<'_>) -> Vec<(Box<str>, Box<RawValue>)> {
    const KNOWN: [&str; 6] = [ID, CREATED, CORRELATION_ID, CAUSATION_ID, READ_COUNT, BREADCRUMBS];
    let others = members.0.iter().filter(|(key, _)| !KNOWN.contains(&&**key));
    others.map(|(key, value)| ((&**key).into(), (*value).to_owned())).collect()
}

/// Reads members one by one and counts those of the wrong type.
struct Reader<'a> {
    members: &'a Members<'a>,
    mistyped: &'a mut usize,
}

impl Reader<'_> {
    fn read<T: DeserializeOwned>(&mut self, key: &str, valid: impl Fn(&T) -> bool) -> Option<T> {
        let (_, raw) = self.members.0.iter().find(|(name, _)| name == key)?;
        let value = serde_json::from_str(raw.get()).ok().filter(valid);
        *self.mistyped += usize::from(value.is_none());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> Arrival {
        Arrival {
            replay: None,
            sequence: 17,
            stored: "2026-11-21T09:30:00.5Z".parse().unwrap(),
            stream_created: "2026-11-01T00:00:00Z".parse().unwrap(),
            message_id: None,
        }
    }

    fn read(json: &str) -> Provenance {
        let raw = RawValue::from_string(json.into()).unwrap();
        Provenance::read(Some(&raw), Some(&arrival()))
    }

    #[test]
    fn a_bare_packet_gets_its_id_and_time_from_the_stream() {
        let bare = Provenance::read(None, Some(&arrival()));
        assert_eq!(bare.id, "RAPIDS-1793491200-17");
        assert_eq!(bare.correlation_id, bare.id);
        assert_eq!(bare.created, arrival().stored);
        assert_eq!((bare.read_count, bare.breadcrumbs.len(), bare.mistyped), (0, 0, 0));

        let named = Arrival { message_id: Some("o-1".into()), ..arrival() };
        assert_eq!(Provenance::read(None, Some(&named)).id, "o-1");
    }

    #[test]
    fn members_of_the_wrong_type_count_as_absent_and_are_counted() {
        let read = read(
            r#"{"id":7,"created":"yesterday","correlation_id":"c","causation_id":"a\nb",
                "read_count":-1,"breadcrumbs":"order"}"#,
        );
        assert_eq!(read.id, "RAPIDS-1793491200-17");
        assert_eq!(read.correlation_id, "c");
        assert_eq!((read.causation_id, read.read_count), (None, 0));
        assert_eq!(read.mistyped, 5);
        assert_eq!(
            Provenance::read(Some(&RawValue::from_string("3".into()).unwrap()), None).mistyped,
            1
        );
    }

    #[test]
    fn unknown_members_survive() {
        let read = read(r#"{"id":"a","edited":true}"#);
        assert!(read.to_json().get().ends_with(r#""edited":true}"#), "{}", read.to_json());
    }

    #[test]
    fn an_effect_continues_the_conversation_under_an_id_that_repeats() {
        let cause = read(r#"{"id":"a","correlation_id":"c","read_count":2,"breadcrumbs":["x"]}"#);
        let effect = cause.effect("payment", "charge", 0);
        assert_eq!(effect.id, cause.effect("payment", "charge", 0).id);
        assert_ne!(effect.id, cause.effect("payment", "charge", 1).id);
        assert_ne!(effect.id, cause.effect("payment", "refund", 0).id);
        assert_eq!(effect.correlation_id, "c");
        assert_eq!(effect.causation_id.as_deref(), Some("a"));
        assert_eq!(
            (effect.read_count, effect.breadcrumbs),
            (3, vec!["x".into(), "payment".into()])
        );
    }

    #[test]
    fn a_replacement_keeps_conversation_and_way_and_says_that_it_was_edited() {
        let original = read(
            r#"{"id":"a","correlation_id":"c","causation_id":"z","read_count":2,
                "breadcrumbs":["x","y"],"edited":"by whom?","tenant":7}"#,
        );
        let edited = original.replacement("b".into(), true);
        assert_eq!((edited.id.as_str(), edited.correlation_id.as_str()), ("b", "c"));
        assert_eq!((edited.causation_id.as_deref(), edited.read_count), (Some("a"), 2));
        assert_eq!(edited.breadcrumbs, original.breadcrumbs);
        let json = edited.to_json();
        assert!(json.get().ends_with(r#","tenant":7,"edited":true}"#), "{json}");
        let sent_on = original.replacement("b".into(), false).to_json();
        assert!(sent_on.get().ends_with(r#","edited":"by whom?","tenant":7}"#), "{sent_on}");
    }

    #[test]
    fn breadcrumbs_keep_the_newest_sixteen() {
        let mut way = Provenance::fresh();
        for step in 0..20 {
            way = way.effect(&format!("s{step}"), "r", 0);
        }
        assert_eq!(way.breadcrumbs.len(), 16);
        assert_eq!(way.breadcrumbs.last().map(String::as_str), Some("s19"));
    }
}
