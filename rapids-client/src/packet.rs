//! One packet: a flat JSON object, with what the bus knows of it.
//!
//! Reads, changes and writes packets. How a packet travels is left to [`Rapids`](crate::Rapids),
//! which of them a river takes to [`River`](crate::River).

mod arrival;
pub(crate) mod id;
mod letter;
pub(crate) mod names;
mod packet_name;
mod provenance;
mod rapids_object;
mod successor;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use arrival::Arrival;
use names::NOTHING;
pub use names::Names;
pub use packet_name::{PacketKind, PacketName};

use crate::condition::Field;
use crate::id_key::IdKey;
use crate::json::{Fields, Member, Node, Step, Top, unquoted, write_key, write_member};
use crate::keys::{COMMAND, EVENT, NEED, RAPIDS};
use crate::trace::TraceContext;
use crate::{Error, Result};
use provenance::Provenance;

/// Room for the `rapids` object of most packets, with the braces around it.
const RAPIDS_ROOM: usize = 320;

/// One JSON object on the rapids.
///
/// A packet keeps the bytes it was read from: keys it does not know, their order and every digit
/// of every number travel on untouched. The facts stand at the top level; what the bus adds
/// stands in one object, `rapids`, which only the library writes. Cloning is cheap: what is not
/// changed is shared.
///
/// ```
/// use rapids_client::Packet;
///
/// let placed = Packet::event("order_placed").with("order_id", "o-1").with("total", 7550);
/// assert_eq!(placed.event_name().as_deref(), Some("order_placed"));
/// assert_eq!(placed.get::<u64>("total")?, Some(7550));
/// # Ok::<(), rapids_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Packet {
    fields: Arc<Fields>,
    provenance: Arc<Provenance>,
    /// Whether nothing was changed since the packet was read.
    is_as_read: bool,
    arrival: Option<Arc<Arrival>>,
    /// Which trace it belongs to.
    trace: Option<Arc<TraceContext>>,
    /// With which key the ids of what it leads to are derived, if with one.
    id_key: Option<IdKey>,
    /// Whether reasons and problems may quote its values.
    shows_values: bool,
    /// The first field that could not be set, and why.
    fault: Option<Box<(String, String)>>,
}

impl Packet {
    /// Begins a packet that states a fact.
    pub fn event(name: impl Into<String>) -> Self {
        Self::begin(EVENT, &name.into())
    }

    /// Begins a packet that asks whoever can answer; one need or several.
    pub fn need(names: impl Names) -> Self {
        match names.into_names().as_slice() {
            [] => Self::begin(NEED, "").faulty(NEED, NOTHING.to_owned()),
            [name] => Self::begin(NEED, name),
            names => Self::begin(NEED, names),
        }
    }

    /// Begins a packet that directs somebody to act.
    pub fn command(name: impl Into<String>) -> Self {
        Self::begin(COMMAND, &name.into())
    }

    fn begin<T: Serialize + ?Sized>(kind: &str, name: &T) -> Self {
        Self {
            fields: Arc::new(Fields::new()),
            provenance: Arc::new(Provenance::fresh()),
            is_as_read: false,
            arrival: None,
            trace: None,
            id_key: None,
            shows_values: true,
            fault: None,
        }
        .with(kind, name)
    }

    /// Reads a body that did not come through the stream.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the body is empty, not UTF-8, not a JSON object, or nested deeper
    /// than 127 levels. A byte order mark in front of it is ignored.
    pub fn from_bytes(body: impl Into<Bytes>) -> Result<Self> {
        Self::read(Fields::parse(body.into()), None)
    }

    /// Reads a body as the stream delivered it, with the stream's fall-backs for what the
    /// publisher left out.
    ///
    /// # Errors
    /// As for [`from_bytes`](Self::from_bytes).
    pub fn arrived(body: impl Into<Bytes>, arrival: Arrival) -> Result<Self> {
        Self::read(Fields::parse(body.into()), Some(arrival))
    }

    /// As [`arrived`](Self::arrived), and also for a packet [beyond the
    /// limits](Self::beyond_limits). Such a packet becomes a dead letter: nobody judges it, and no
    /// reaction sees it.
    pub(crate) fn arrived_unjudged(body: Bytes, arrival: Arrival) -> Result<Self> {
        Self::read(Fields::parse_any_depth(body), Some(arrival))
    }

    /// Why no river can take the packet, although it is a JSON object.
    pub(crate) fn beyond_limits(&self) -> Option<String> {
        self.fields.beyond_limits()
    }

    fn read(fields: Result<Fields, String>, arrival: Option<Arrival>) -> Result<Self> {
        let fields = fields.map_err(|reason| Error::Malformed { reason })?;
        Ok(Self {
            provenance: Arc::new(Provenance::read(&fields, arrival.as_ref())),
            fields: Arc::new(fields),
            is_as_read: true,
            arrival: arrival.map(Arc::new),
            trace: None,
            id_key: None,
            shows_values: true,
            fault: None,
        })
    }

    /// Sets a field: a key of the top level, or a path such as `@.solutions.car_rental_offer`
    /// (anything that begins with `@` or `$` is a path; objects on the way are made). A key that
    /// looks like a path, such as `a.b` or `@type`, is written as one: `@['a.b']`, `@['@type']`.
    ///
    /// A value that has no JSON (NaN, an infinity), a path that leads through a value that is no
    /// object, nesting deeper than 127 levels, and the key `rapids`, which belongs to the bus, are
    /// faults: they surface from [`check`](Self::check) and when the packet is published.
    #[must_use]
    pub fn with(mut self, path: &str, value: impl Serialize) -> Self {
        self.is_as_read = false;
        match self.set(path, &value) {
            Ok(()) => self,
            Err(reason) => self.faulty(path, reason),
        }
    }

    fn set(&mut self, path: &str, value: &impl Serialize) -> Result<(), String> {
        let field = Field::parse(path)?;
        let key = match &field {
            Field::Key(key) => key,
            Field::Path(path) => match path.steps() {
                [Step::Name(name), ..] => name,
                _ => "",
            },
        };
        if key == RAPIDS {
            return Err("belongs to the bus, which fills it when the packet is published".into());
        }
        let fields = Arc::make_mut(&mut self.fields);
        match &field {
            Field::Key(key) => fields.set(key, value),
            Field::Path(path) => fields.set_path(path.steps(), value),
        }
    }

    /// Keeps the first fault.
    fn faulty(mut self, path: &str, reason: String) -> Self {
        self.fault.get_or_insert_with(|| Box::new((path.to_owned(), reason)));
        self
    }

    /// Reports the first field that could not be set.
    ///
    /// # Errors
    /// [`Error::Field`] names the field and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        match self.fault.as_deref().cloned() {
            Some((path, reason)) => Err(Error::Field { path, reason }),
            None => Ok(()),
        }
    }

    /// Reads one field, by key or by path (see [`with`](Self::with)); `None` if it is missing.
    /// A field that is `null` is present: ask for an `Option` to tell it apart.
    ///
    /// # Errors
    /// [`Error::Parse`] if the value is not a `T`; [`Error::Field`] if the path is not one, or the
    /// key looks like one.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let fault = |reason| Error::Field { path: path.to_owned(), reason };
        let Some(node) = Field::parse(path).map_err(fault)?.get(self.node()) else {
            return Ok(None);
        };
        serde_json::from_str(&node.text()).map(Some).map_err(|source| Error::Parse {
            id: self.id().to_owned(),
            expected: format!("{path}: {}", std::any::type_name::<T>()),
            source: self.quotable(source),
        })
    }

    /// Reads the whole packet into a type that names the fields its reader needs.
    ///
    /// # Errors
    /// [`Error::Parse`]; returned from a reaction it rejects the packet at once, since no retry
    /// would change the outcome.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let does_not_count = self.claimed_id().is_some() || self.provenance.says_publisher;
        let body = if does_not_count { self.written() } else { self.body() };
        serde_json::from_slice(&body).map_err(|source| Error::Parse {
            id: self.id().to_owned(),
            expected: std::any::type_name::<T>().to_owned(),
            source: self.quotable(source),
        })
    }

    /// Sets whether reasons and problems may quote values of this packet.
    #[must_use]
    pub(crate) fn with_values_shown(self, shows_values: bool) -> Self {
        Self { shows_values, ..self }
    }

    /// Whether reasons and problems may quote values.
    pub(crate) fn shows_values(&self) -> bool {
        self.shows_values
    }

    fn quotable(&self, error: serde_json::Error) -> serde_json::Error {
        if self.shows_values { error } else { unquoted(&error) }
    }

    /// The name of the fact, if the packet states one.
    pub fn event_name(&self) -> Option<String> {
        self.name_at(EVENT)
    }

    /// The names of the needs, if the packet asks for something: its need, or those texts that
    /// stand in its list of needs.
    pub fn need_names(&self) -> Vec<String> {
        let Some(need) = self.fields.get(NEED) else {
            return Vec::new();
        };
        let name = |text: &str| serde_json::from_str::<String>(text).ok();
        let several = || Node::Raw(need).elements().into_iter();
        match name(need) {
            Some(name) => vec![name],
            None => several().filter_map(|element| name(&element.text())).collect(),
        }
    }

    /// Whether it is an event, a command or a need, as nearly every packet is. One that is none,
    /// such as `{"evnt":"order_placed"}`, reaches only rivers that name no kind.
    ///
    /// ```
    /// use rapids_client::Packet;
    ///
    /// assert!(Packet::from_bytes(r#"{"need":["car","hotel"]}"#)?.has_kind());
    /// assert!(!Packet::from_bytes(r#"{"evnt":"order_placed"}"#)?.has_kind());
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn has_kind(&self) -> bool {
        self.event_name().is_some()
            || self.command_name().is_some()
            || !self.need_names().is_empty()
    }

    /// The name of the directive, if the packet gives one.
    pub fn command_name(&self) -> Option<String> {
        self.name_at(COMMAND)
    }

    fn name_at(&self, kind: &str) -> Option<String> {
        serde_json::from_str(self.fields.get(kind)?).ok()
    }

    /// The name of its event, its command or its first need.
    pub(crate) fn first_name(&self) -> Option<Cow<'_, str>> {
        let plain = |kind| {
            let name = self.fields.get(kind)?.strip_prefix('"')?.strip_suffix('"')?;
            (!name.contains('\\')).then_some(Cow::Borrowed(name))
        };
        let name = |kind| plain(kind).or_else(|| self.name_at(kind).map(Cow::Owned));
        let need = || self.need_names().into_iter().next().map(Cow::Owned);
        name(EVENT).or_else(|| name(COMMAND)).or_else(need)
    }

    /// The unique id. UUIDv7 for a new packet; see the table in the crate's documentation for
    /// packets of other publishers.
    pub fn id(&self) -> &str {
        &self.provenance.id
    }

    /// What the body says to be the packet's id, if the message that it came in has another one:
    /// that one counts, and is [`id`](Self::id).
    pub fn claimed_id(&self) -> Option<&str> {
        self.provenance.claimed_id.as_deref()
    }

    /// When the packet came to be.
    pub fn created(&self) -> Timestamp {
        self.provenance.created
    }

    /// The id of the first packet of the conversation; its own if this is the first.
    pub fn correlation_id(&self) -> &str {
        self.provenance.correlation_id()
    }

    /// The id of the packet whose handling published this one.
    pub fn causation_id(&self) -> Option<&str> {
        self.provenance.causation_id.as_deref()
    }

    /// How many services were passed since the first packet.
    pub fn read_count(&self) -> u64 {
        self.provenance.read_count
    }

    /// The services passed, newest last, at most 16.
    pub fn breadcrumbs(&self) -> &[String] {
        &self.provenance.breadcrumbs
    }

    /// Who has published the packet, as the server says: the service, program or `operators` whose account
    /// it came from. Nothing in the body counts for that. `None` where services have no accounts of their own,
    /// and until the packet is stored. Expressions have it as `@.rapids.publisher`.
    ///
    /// ```
    /// use rapids_client::Packet;
    ///
    /// let body = r#"{"event":"paid","rapids":{"publisher":"payment"}}"#;
    /// assert_eq!(Packet::from_bytes(body)?.publisher(), None);
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn publisher(&self) -> Option<&str> {
        self.provenance.publisher.as_deref()
    }

    /// Who has published the packet, to be shown: the [`publisher`](Self::publisher), or else the last of the
    /// [`breadcrumbs`](Self::breadcrumbs), which is only as trustworthy as who wrote it; `None` if it came
    /// from outside.
    ///
    /// ```
    /// use rapids_client::Packet;
    ///
    /// let body = r#"{"event":"paid","rapids":{"breadcrumbs":["order","payment"]}}"#;
    /// assert_eq!(Packet::from_bytes(body)?.shown_publisher(), Some("payment"));
    /// assert_eq!(Packet::event("paid").shown_publisher(), None);
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn shown_publisher(&self) -> Option<&str> {
        self.publisher().or_else(|| self.breadcrumbs().last().map(String::as_str))
    }

    /// Where the stream keeps the packet; `None` until it is stored.
    pub fn arrival(&self) -> Option<&Arrival> {
        self.arrival.as_deref()
    }

    /// The JSON text: the original bytes, or, once something was changed, the kind first, the
    /// other fields in their order, and `rapids` last.
    pub fn body(&self) -> Bytes {
        if self.is_as_read {
            return self.fields.read().as_bytes().clone();
        }
        self.written()
    }

    /// The bytes to publish, with a complete `rapids` object.
    pub(crate) fn written(&self) -> Bytes {
        let mut text = String::with_capacity(self.fields.size() + RAPIDS_ROOM);
        text.push('{');
        self.write_facts(&mut text);
        write_key(&mut text, RAPIDS);
        self.provenance.write(&mut text);
        text.push('}');
        text.into()
    }

    /// The bytes of what the publisher says, without a `rapids` object: each time that they are stored they
    /// are another packet.
    pub(crate) fn facts(&self) -> Bytes {
        let mut text = String::with_capacity(self.fields.size());
        text.push('{');
        self.write_facts(&mut text);
        text.push('}');
        text.into()
    }

    fn write_facts(&self, text: &mut String) {
        let is_kind =
            |member: &Member<'_>| [EVENT, NEED, COMMAND].iter().any(|kind| member.name == *kind);
        let kinds = self.fields.iter().filter(is_kind);
        let facts = self.fields.iter().filter(|member| !is_kind(member) && member.name != RAPIDS);
        for member in kinds.chain(facts) {
            write_member(text, member.key, member.value);
        }
    }

    /// What is [`written`](Self::written), as a value within other JSON.
    pub(crate) fn to_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        RawValue::from_string(String::from_utf8_lossy(&self.written()).into_owned())
    }

    /// Which trace it belongs to: of a packet that arrived, what its headers say; `None` if it belongs to
    /// none.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }

    /// Whether somebody has sent it again: it is a replay, or was published in place of a dead letter's
    /// packet.
    #[must_use]
    pub fn is_sent_again(&self) -> bool {
        let is_replay = self.arrival.as_ref().is_some_and(|arrival| arrival.replay.is_some());
        is_replay || self.provenance.is_replacement()
    }

    /// Which timer brought it ([`Outputs::later`](crate::Outputs::later),
    /// [`Rapids::publish_later`](crate::Rapids::publish_later)), such as `order.payment_due:o-1`; `None` if none
    /// did, and of what comes again and again.
    #[must_use]
    pub fn timer(&self) -> Option<String> {
        self.provenance.timer()
    }

    /// Makes it part of a trace. What a reaction returns becomes part of that of the packet handled anyway.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceContext>) -> Self {
        self.in_trace(trace.map(Arc::new))
    }

    /// Which trace it belongs to, to be shared by others.
    pub(crate) fn shared_trace(&self) -> Option<Arc<TraceContext>> {
        self.trace.clone()
    }

    /// As [`with_trace`](Self::with_trace), of one that others share.
    pub(crate) fn in_trace(self, trace: Option<Arc<TraceContext>>) -> Self {
        Self { trace, ..self }
    }

    /// How many members of `rapids` had the wrong type and count as absent.
    pub(crate) fn mistyped(&self) -> usize {
        self.provenance.mistyped
    }

    /// The packet as expressions see it.
    pub(crate) fn node(&self) -> Node<'_> {
        Node::Top(Top { fields: &self.fields, rapids: &*self.provenance })
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(String::from_utf8_lossy(&self.body()).trim_end())
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Packet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::STREAM;
    use crate::stored::golden;
    use crate::{River, Verdict};
    use serde::Deserialize;

    fn read(body: &str) -> Packet {
        Packet::from_bytes(body.to_owned()).unwrap()
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read() {
        for message in golden::messages("shared", STREAM) {
            let packet = read(&message.body);
            let id = message.headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned());
            assert_eq!(id.as_deref(), Some(packet.id()), "{packet}");
            assert_eq!(packet.to_string(), message.body);
        }
    }

    /// The text up to `rapids`, which differs from run to run.
    fn facts(packet: &Packet) -> String {
        packet.to_string().split(r#","rapids":"#).next().unwrap().to_owned()
    }

    #[test]
    fn every_digit_key_and_blank_of_an_untouched_packet_survives() {
        let text =
            r#"{ "total" : 9007199254740993, "price": 1.10, "é\u0000":[1e400], "event":"x" }"#;
        assert_eq!(read(text).to_string(), text);
    }

    #[test]
    fn a_changed_packet_keeps_what_it_does_not_know_and_puts_its_kind_first() {
        let packet = read(r#"{"n":9007199254740993,"event":"x","p":1.10}"#).with("q", "new");
        assert_eq!(facts(&packet), r#"{"event":"x","n":9007199254740993,"p":1.10,"q":"new""#);
    }

    #[test]
    fn keys_of_a_changed_packet_stay_as_they_were_written() {
        let packet = read(r#"{"\u0061\ud800":1,"rapids":{},"\u0065vent":"x","o":{"\u006b":1}}"#);
        assert_eq!(
            facts(&packet.with("@.o.l", 2)),
            r#"{"\u0065vent":"x","\u0061\ud800":1,"o":{"\u006b":1,"l":2}"#
        );
    }

    #[test]
    fn fields_are_set_and_read_by_path() {
        let packet = read(r#"{"need":"car","solutions":{"other":1.50},"items":[{"sku":"a"}]}"#)
            .with("@.solutions.car.value", 3)
            .with("@.items[0].quantity", 2)
            .with("@.items[1]", "b")
            .with("@['a.b']", true);
        assert_eq!(
            facts(&packet),
            r#"{"need":"car","solutions":{"other":1.50,"car":{"value":3}},"items":[{"sku":"a","quantity":2},"b"],"a.b":true"#
        );
        assert_eq!(packet.get::<u8>("@.items[0].quantity").unwrap(), Some(2));
        assert_eq!(packet.get::<bool>("$['a.b']").unwrap(), Some(true));
        assert_eq!(packet.get::<bool>("@.a.b").unwrap(), None);
    }

    #[test]
    fn missing_differs_from_null_and_from_the_wrong_type() {
        let packet = read(r#"{"event":"x","coupon":null}"#);
        assert_eq!(packet.get::<Option<String>>("coupon").unwrap(), Some(None));
        assert_eq!(packet.get::<String>("voucher").unwrap(), None);
        let error = packet.get::<u64>("event").unwrap_err();
        assert!(error.to_string().contains("`event: u64`"), "{error}");
    }

    #[test]
    fn a_key_that_looks_like_a_path_is_refused_where_it_is_set_and_read() {
        let said =
            "looks like a path; write the path as `@.a.b`, or a key of this name as `@['a.b']`";
        let packet = read(r#"{"event":"x","a.b":1}"#);
        let error = packet.get::<u8>("a.b").unwrap_err().to_string();
        assert_eq!(error, format!("field `a.b` {said}"));
        let error = packet.clone().with("a.b", 2).check().unwrap_err().to_string();
        assert_eq!(error, format!("field `a.b` {said}"));
        assert_eq!(packet.get::<u8>("@['a.b']").unwrap(), Some(1));
        let error = packet.get::<u8>("@type").unwrap_err().to_string();
        assert!(error.contains("the key `@type` is `@['@type']`"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_in_front_is_no_part_of_the_packet() {
        let body = "\u{feff} {\"event\":\"x\",\"n\":1.10}";
        let packet = read(body);
        assert_eq!(packet.event_name().as_deref(), Some("x"));
        assert_eq!(packet.to_string(), body.trim_start_matches('\u{feff}'));
        assert!(packet.parse::<serde_json::Value>().is_ok());
        let river = crate::River::new("r").event("x");
        assert_eq!(river.judge(&packet), crate::Verdict::Matches);
        for (body, found) in [(body, 1), ("\u{feff}{\"event\":\"y\"}", 0)] {
            let candidates = crate::Matcher::new([&river]).candidates(body.as_bytes()).len();
            assert_eq!(candidates, found, "{body}");
        }
        let reason = |body: &[u8]| Packet::from_bytes(body.to_vec()).unwrap_err().to_string();
        for utf_16 in [&b"\xff\xfe{\0}\0"[..], &b"\xfe\xff\0{\0}"[..]] {
            assert_eq!(reason(utf_16), "body is not a packet: it is UTF-16; a packet is UTF-8");
        }
    }

    #[test]
    fn what_cannot_be_set_is_reported() {
        let fault = |packet: Packet| packet.check().unwrap_err().to_string();
        assert_eq!(
            fault(Packet::event("x").with("rapids", 1)),
            "field `rapids` belongs to the bus, which fills it when the packet is published"
        );
        assert_eq!(
            fault(Packet::event("x").with("rate", f64::NAN).with("@.rapids.id", "a")),
            "field `rate` has no JSON: it contains the number NaN"
        );
        assert_eq!(
            fault(Packet::event("x").with("@.event.name", 1)),
            "field `@.event.name` leads through `\"x\"`, no object"
        );
    }

    #[test]
    fn nothing_can_be_set_so_deep_that_nobody_could_read_it() {
        let list = |levels: usize| -> serde_json::Value {
            serde_json::from_str(&("[".repeat(levels) + &"]".repeat(levels))).unwrap()
        };
        for (levels, is_fine) in [(126, true), (127, false)] {
            let path = format!("@{}", ".a".repeat(levels + 1));
            for packet in [
                Packet::event("x").with("list", list(levels)),
                Packet::event("x").with("@.a.list", list(levels - 1)),
                Packet::event("x").with(&path, 1),
            ] {
                assert_eq!(packet.check().is_ok(), is_fine, "{levels}");
                assert!(!is_fine || Packet::from_bytes(packet.body()).is_ok());
            }
        }
        let error = Packet::event("x").with("list", list(127)).check().unwrap_err().to_string();
        assert_eq!(error, "field `list` would nest 128 levels deep, the limit is 127");
    }

    #[test]
    fn a_need_is_one_name_or_a_list() {
        assert_eq!(Packet::need("a").need_names(), ["a"]);
        let both = Packet::need(["a", "b"]);
        assert_eq!(both.need_names(), ["a", "b"]);
        assert_eq!(both.get::<Vec<String>>("need").unwrap().unwrap(), ["a", "b"]);
        assert!(Packet::event("x").need_names().is_empty());
    }

    #[test]
    fn a_parse_error_names_the_packet_and_the_type() {
        #[derive(Deserialize, Debug)]
        struct Order {
            #[allow(dead_code, reason = "only the error is looked at")]
            total: u64,
        }
        let packet = read(r#"{"event":"order_placed","total":"1","rapids":{"id":"p-1"}}"#);
        let error = packet.parse::<Order>().unwrap_err();
        assert!(error.to_string().starts_with("packet `p-1` does not parse as `"), "{error}");
    }

    #[test]
    fn the_id_of_the_message_counts_everywhere() {
        let at = "2026-11-21T09:30:00Z".parse().unwrap();
        let arrival = Arrival { message_id: Some("m-1".to_owned()), ..Arrival::at(7, at) };
        let body = r#"{"event":"a","rapids":{"id":"p-1","read_count":2}}"#;
        let packet = Packet::arrived(body, arrival.clone()).unwrap();
        assert_eq!((packet.id(), packet.correlation_id()), ("m-1", "m-1"));
        assert_eq!(packet.claimed_id(), Some("p-1"));
        assert_eq!(packet.get::<String>("@.rapids.id").unwrap().as_deref(), Some("m-1"));
        let seen = River::new("r").when("@.rapids.id == 'm-1'").judge(&packet);
        assert_eq!(seen, Verdict::Matches);
        #[derive(Deserialize)]
        struct Told {
            rapids: std::collections::BTreeMap<String, serde_json::Value>,
        }
        assert_eq!(packet.parse::<Told>().unwrap().rapids["id"], "m-1");
        let effect = Packet::event("b").caused_by(&packet, "payment", "charge", 0);
        let honest = Packet::arrived(r#"{"event":"a","rapids":{"id":"m-1"}}"#, arrival).unwrap();
        let same = Packet::event("b").caused_by(&honest, "payment", "charge", 0);
        assert_eq!((effect.id(), effect.causation_id()), (same.id(), Some("m-1")));
        assert_eq!(packet.body(), body, "the bytes stay as they are");
    }

    #[test]
    fn an_effect_carries_the_conversation_on() {
        let cause = read(r#"{"event":"a","rapids":{"id":"p-1","correlation_id":"c-1"}}"#);
        let effect = Packet::event("b").caused_by(&cause, "payment", "charge", 0);
        assert_eq!(effect.correlation_id(), "c-1");
        assert_eq!(effect.causation_id(), Some("p-1"));
        assert_eq!(effect.breadcrumbs(), ["payment"]);
        let read_back = Packet::from_bytes(effect.written()).unwrap();
        assert_eq!(read_back.id(), effect.id());
        assert_eq!(read_back.get::<u64>("@.rapids.read_count").unwrap(), Some(1));
    }
}
