//! What a body says in its `rapids` object. A member of the wrong type counts as absent.

use std::borrow::Cow;

use bytestring::ByteString;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::id::is_id;
use crate::json::{Fields, each_member};
use crate::keys::{
    BREADCRUMBS, CAUSATION_ID, CORRELATION_ID, CREATED, ID, PUBLISHER, RAPIDS, READ_COUNT,
};

/// The members that the bus knows, as far as they are there. Ids share the bytes of the body.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RapidsObject {
    pub(super) id: Option<ByteString>,
    pub(super) created: Option<Timestamp>,
    pub(super) correlation_id: Option<ByteString>,
    pub(super) causation_id: Option<ByteString>,
    pub(super) read_count: Option<u64>,
    pub(super) breadcrumbs: Option<Vec<String>>,
    /// Members that the bus does not know: their keys, with the quotes, and their values as they
    /// were sent.
    pub(super) others: Vec<(Box<str>, Box<str>)>,
    /// Whether it says who has published the packet, which counts for nothing.
    pub(super) says_publisher: bool,
    /// How many members had the wrong type.
    pub(super) mistyped: usize,
}

impl RapidsObject {
    pub(super) fn read(fields: &Fields) -> Self {
        let (body, object) = (fields.read(), fields.get(RAPIDS));
        object
            .and_then(|json| Self::as_written(body, json))
            .unwrap_or_else(|| Self::of_members(body, object))
    }

    /// Reads an object as the library writes it, which takes a third of the time; `None` if it is
    /// another one.
    fn as_written(body: &ByteString, json: &str) -> Option<Self> {
        let written: Written<'_> = serde_json::from_str(json).ok()?;
        let id = |id| is_id(id).then(|| body.slice_ref(id));
        Some(Self {
            id: Some(id(written.id)?),
            created: Some(written.created),
            correlation_id: Some(id(written.correlation_id)?),
            causation_id: match written.causation_id {
                Some(causation) => Some(id(causation)?),
                None => None,
            },
            read_count: Some(written.read_count),
            breadcrumbs: Some(written.breadcrumbs),
            others: Vec::new(),
            says_publisher: false,
            mistyped: 0,
        })
    }

    /// Reads each member by itself. Of those that the bus knows, the first of each name counts.
    fn of_members(body: &ByteString, object: Option<&str>) -> Self {
        let said = object.and_then(Members::read).unwrap_or_default();
        let mistyped = usize::from(object.is_some_and(|text| !text.starts_with('{')));
        let mut reader = Reader { body, mistyped };
        Self {
            id: reader.id(said.id),
            created: reader.read(said.created, |json| {
                serde_json::from_str::<Cow<'_, str>>(json).ok()?.parse::<Timestamp>().ok()
            }),
            correlation_id: reader.id(said.correlation_id),
            causation_id: reader.id(said.causation_id),
            read_count: reader.read(said.read_count, |json| serde_json::from_str(json).ok()),
            breadcrumbs: reader.read(said.breadcrumbs, |json| serde_json::from_str(json).ok()),
            others: said.others,
            says_publisher: said.publisher.is_some(),
            mistyped: reader.mistyped,
        }
    }
}

/// The object as the library writes it: each member once, of its type, and none beside these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    id: &'a str,
    created: Timestamp,
    correlation_id: &'a str,
    #[serde(borrow, default, deserialize_with = "text")]
    causation_id: Option<&'a str>,
    read_count: u64,
    breadcrumbs: Vec<String>,
}

/// A text, and not `null`, which an `Option` would accept.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    <&str>::deserialize(deserializer).map(Some)
}

/// The members as JSON.
#[derive(Default)]
struct Members<'a> {
    id: Option<&'a str>,
    created: Option<&'a str>,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    read_count: Option<&'a str>,
    breadcrumbs: Option<&'a str>,
    publisher: Option<&'a str>,
    others: Vec<(Box<str>, Box<str>)>,
}

impl<'a> Members<'a> {
    fn read(object: &'a str) -> Option<Self> {
        let mut said = Self::default();
        let shown = each_member(object, |member| {
            let known = match member.name.shown().as_ref() {
                ID => &mut said.id,
                CREATED => &mut said.created,
                CORRELATION_ID => &mut said.correlation_id,
                CAUSATION_ID => &mut said.causation_id,
                READ_COUNT => &mut said.read_count,
                BREADCRUMBS => &mut said.breadcrumbs,
                PUBLISHER => &mut said.publisher,
                _ => return said.others.push((member.key.into(), member.value.into())),
            };
            known.get_or_insert(member.value);
        });
        shown.is_ok().then_some(said)
    }
}

/// Reads members one by one and counts those of the wrong type.
struct Reader<'a> {
    body: &'a ByteString,
    mistyped: usize,
}

impl Reader<'_> {
    fn read<T>(&mut self, said: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = read(said?);
        self.mistyped += usize::from(value.is_none());
        value
    }

    fn id(&mut self, said: Option<&str>) -> Option<ByteString> {
        let body = self.body;
        self.read(said, |json| {
            let inner = json.strip_prefix('"')?.strip_suffix('"')?;
            let id = if inner.contains('\\') {
                serde_json::from_str::<String>(json).ok()?.into()
            } else {
                body.slice_ref(inner)
            };
            is_id(&id).then_some(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read in one go, if it is, and member by member.
    fn read(object: &str) -> (Option<RapidsObject>, RapidsObject) {
        let body = ByteString::from(format!(r#"{{"rapids":{object}}}"#));
        let fields = Fields::parse(body.into_bytes()).unwrap();
        let json = fields.get(RAPIDS);
        let as_written = RapidsObject::as_written(fields.read(), json.unwrap());
        (as_written, RapidsObject::of_members(fields.read(), json))
    }

    #[test]
    fn an_object_that_the_library_wrote_says_the_same_either_way() {
        for object in [
            r#"{"id":"a","created":"2026-11-21T09:30:00.5Z","correlation_id":"c","causation_id":"b","read_count":2,"breadcrumbs":["x","y"]}"#,
            r#"{"breadcrumbs":[],"read_count":0,"id":"a","correlation_id":"a","created":"2026-11-21T09:30:00Z"}"#,
        ] {
            let (as_written, of_members) = read(object);
            assert_eq!(as_written.as_ref(), Some(&of_members), "{object}");
        }
    }

    #[test]
    fn any_other_object_is_read_member_by_member() {
        let whole = r#""id":"a","created":"2026-11-21T09:30:00Z","correlation_id":"c","read_count":2,"breadcrumbs":[]"#;
        for object in [
            r#"{"id":"a"}"#.to_owned(),
            format!(r#"{{{whole},"edited":true}}"#),
            format!(r#"{{{whole},"id":"b"}}"#),
            format!(r#"{{{whole},"publisher":"x"}}"#),
            format!(r#"{{{whole},"causation_id":null}}"#),
            format!(r#"{{{whole},"causation_id":""}}"#),
            format!("{{{}}}", whole.replace("\"c\"", r#""\u0063""#)),
            format!("{{{}}}", whole.replace("2026", "x")),
            format!("{{{}}}", whole.replace("[]", "[1]")),
            format!("{{{}}}", whole.replace(":2,", ":-2,")),
        ] {
            assert_eq!(read(&object).0, None, "{object}");
        }
    }
}
