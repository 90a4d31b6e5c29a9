//! What holds of every body, whoever sent it.
//!
//! Of the public interface only: the fuzz target `packet` holds the library to the same laws.

use std::fmt;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use rapids_client::{Arrival, Packet, Record, River, Timestamp, Verdict};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Rivers that look at bodies in every way an expression can, each behind one read back from its rules.
static RIVERS: LazyLock<Vec<(River, River)>> = LazyLock::new(|| {
    let answering = |river: River| {
        river.react(|packet: Packet| async move { Ok([packet, Packet::event("answered")]) })
    };
    let rivers = vec![
        answering(River::new("all")),
        answering(
            River::new("charge")
                .event("order_placed")
                .forbid(["coupon", "@.order['a.b']"])
                .require(["order_id", "@.order.id"])
                .require_that("@.total > 0"),
        ),
        answering(River::new("need").need(["car", "hotel"]).ignore_invalid().require("a")),
        answering(River::new("items").when("@.items[?@.quantity > 10 && @.sku != $.order.sku]")),
        answering(River::new("deep").when("@..a || count(@..*) > 3").require_that("@..id")),
        answering(River::new("equal").when("@.a == @.b || @.order >= @.items[-1]")),
        answering(River::new("sized").when("length(@.a) >= length(@) && @.items[1:9:2]")),
        answering(River::new("text").when("search(@.sku, '[a-z]+') || match(@.a, @.sku)")),
        answering(River::new("whose").when("@.rapids.publisher == 'orders'")),
        answering(River::new("bus").when("@.rapids.read_count < 9 && @.rapids.breadcrumbs")),
        River::new("count").when("@.a != null").memory("counts", "@.order_id").react(
            |count: &mut Value, packet: &Packet| {
                *count = packet.get("a")?.unwrap_or_default();
                anyhow::Ok(Packet::event("counted").with("a", &*count))
            },
        ),
    ];
    let paired = |river| (read_back(&river), river);
    rivers.into_iter().map(paired).collect()
});

fn read_back(river: &River) -> River {
    river.check().expect("a river without faults");
    let json = serde_json::to_string(&river.rules()).expect("rules have JSON");
    River::from_rules(serde_json::from_str(&json).expect("rules are read back"))
}

/// Whether the body is a packet; asserts what must then hold of it.
pub(crate) fn hold(body: &[u8]) -> bool {
    let stored = Timestamp::UNIX_EPOCH;
    let arrival = Arrival { publisher: Some("orders".into()), ..Arrival::at(7, stored) };
    let arrived = Packet::arrived(body.to_vec(), arrival);
    let Ok(packet) = Packet::from_bytes(body.to_vec()) else {
        assert!(arrived.is_err(), "a packet by way of the stream only");
        assert!(!matches!(serde_json::from_slice(body), Ok(Value::Object(_))), "a JSON object");
        return false;
    };
    serde_json::from_slice::<&RawValue>(body).expect("a packet is JSON");
    assert_eq!(&*packet.body(), body);
    reads(&packet, None);
    changes(&packet);
    let arrived = arrived.expect("a packet also by way of the stream");
    reads(&arrived, Some("orders"));
    for (again, river) in RIVERS.iter() {
        for packet in [&packet, &arrived] {
            let verdict = judges(river, packet);
            // Rules do not tell the memory's key, without which a packet is malformed.
            let keyless = river.memory_key(packet).is_none() && verdict != Verdict::NotForMe;
            assert!(again.judge(packet) == verdict || keyless, "{river:?} on {packet}");
        }
    }
    true
}

/// Every accessor comes to an end, and the provenance is one.
fn reads(packet: &Packet, publisher: Option<&str>) {
    assert_eq!(packet.publisher(), publisher);
    let seen = packet.get::<String>("@.rapids.publisher").expect("no other value stands there");
    assert_eq!(seen.as_deref(), publisher);
    if let Ok(written) = serde_json::from_slice::<Value>(&packet.clone().with("added", 7).body()) {
        assert_eq!(written["rapids"].get("publisher"), None, "{packet}");
    }
    assert!(!packet.id().is_empty() && !packet.correlation_id().is_empty());
    assert!(packet.breadcrumbs().len() <= 16);
    let names = (packet.event_name(), packet.need_names(), packet.command_name());
    let value = packet.parse::<Value>();
    for path in ["a", "@.order.id", "@.items[0]", "$['a.b']", "@", "@.rapids.id"] {
        let field = packet.get::<Value>(path);
        assert!(field.is_ok() || value.is_err(), "{path} of {packet}");
    }
    assert!(!format!("{packet}{packet:?}{names:?}").is_empty());
}

/// A field that is set is there, and all others are as they were.
fn changes(packet: &Packet) {
    for (path, field) in [("added", "added"), ("order", "order"), ("@.order.id", "order")] {
        let changed = packet.clone().with(path, 7);
        if changed.check().is_err() {
            continue;
        }
        let again = Packet::from_bytes(changed.body()).expect("a written packet can be read");
        assert_eq!(again.body(), changed.body());
        assert_eq!(again.id(), packet.id());
        assert_eq!(again.get::<u8>(path).expect("a number"), Some(7));
        let others = |packet: &Packet| {
            let mut members = members(packet)?;
            members.retain(|(key, _)| key != field && key != "rapids");
            // The kind of a packet moves to its front.
            members.sort();
            Some(members)
        };
        let (before, after) = (others(packet), others(&again));
        assert!(before.is_none() || before == after, "{path}: {before:?} became {after:?}");
    }
}

/// What a river decides, and what it says about that, agree.
fn judges(river: &River, packet: &Packet) -> Verdict {
    let verdict = river.judge(packet);
    let told = river.explain(packet);
    assert_eq!(told.verdict, verdict);
    assert!(!format!("{told}{told:#}").is_empty());
    let held = |required| {
        told.clauses.iter().filter(|clause| clause.required == required).all(|clause| clause.held)
    };
    let rules = river.rules();
    match &verdict {
        Verdict::Matches => assert!(held(false) && held(true), "{told:#}"),
        Verdict::NotForMe => assert!(!held(false) || rules.ignore_invalid, "{told:#}"),
        Verdict::Invalid(problems) => {
            assert!(held(false) && !rules.ignore_invalid && !problems.is_empty(), "{told:#}");
            let about_keys = |problem: &String| {
                problem.starts_with("the body repeats") || problem.starts_with("memory key")
            };
            assert!(!held(true) || problems.iter().all(about_keys), "{told:#}");
        }
        Verdict::TooCostly(problem) => panic!("{problem} for {packet}"),
        Verdict::Looped => panic!("a river does not know the limit: {told:#}"),
    }
    if verdict == Verdict::Matches {
        handles(river, packet);
    }
    verdict
}

/// What a river publishes can be read, and leads back to its cause.
fn handles(river: &River, packet: &Packet) {
    let mut record = Record::default();
    let mut handling = pin!(river.handle("service", packet, &mut record, Timestamp::UNIX_EPOCH));
    let Poll::Ready(handled) = handling.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("these reactions wait for nothing");
    };
    for effect in handled.into_iter().flat_map(|effects| effects.packets) {
        let read = Packet::from_bytes(effect.body()).expect("an effect can be read");
        assert_eq!((read.id(), read.causation_id()), (effect.id(), Some(packet.id())));
        assert_eq!(read.correlation_id(), packet.correlation_id());
        assert_eq!(read.read_count(), packet.read_count().saturating_add(1));
    }
}

/// The members in their order, repeated keys included, with the text of their values; none if a
/// key holds half of a surrogate pair, which no string of Rust can.
fn members(packet: &Packet) -> Option<Vec<(String, String)>> {
    let Members(members) = serde_json::from_slice(&packet.body()).ok()?;
    Some(members)
}

struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((key, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
