//! The map of small windows.

mod limits;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Observation, Oddity, RapidsMap, Shapes, Window, asyncapi};
use crate::ServiceInfo;
use crate::packet::{Arrival, Packet, PacketKind, PacketName};
use crate::river::River;

fn service(name: &str, rivers: impl IntoIterator<Item = River>) -> ServiceInfo {
    ServiceInfo {
        name: name.to_owned(),
        id: format!("{name}-1"),
        version: "1.0.0".to_owned(),
        rivers: BTreeMap::new(),
        rules: rivers.into_iter().map(|river| river.rules()).collect(),
        facts: BTreeMap::new(),
        repetitions: BTreeMap::new(),
    }
}

fn river(name: &str) -> River {
    River::new(name)
}

fn event(name: &str) -> PacketName {
    PacketName::new(PacketKind::Event, name)
}

/// An observation of a stream that will end with this sequence, in a window of ten seconds.
struct Seen {
    observation: Observation,
    sequence: u64,
}

impl Seen {
    fn by(services: &[ServiceInfo], last_sequence: u64) -> Self {
        let from: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        let to = "2026-11-21T09:30:10Z".parse().unwrap();
        let window = Window::new(from, to, last_sequence);
        Self { observation: Observation::new(services, window), sequence: 0 }
    }

    fn publish(&mut self, packet: &Packet) -> Packet {
        self.sequence += 1;
        let arrival = Arrival {
            stream_created: Timestamp::UNIX_EPOCH,
            ..Arrival::at(self.sequence, self.observation.window.from)
        };
        let packet = Packet::arrived(packet.written(), arrival).unwrap();
        self.observation.packet(&packet);
        packet
    }

    /// Publishes so many packets of this body.
    fn bodies(&mut self, count: usize, body: &str) {
        for _ in 0..count {
            self.publish(&Packet::from_bytes(body.to_owned()).unwrap());
        }
    }

    fn map(&self) -> RapidsMap {
        self.observation.map()
    }

    fn odd(&self) -> Vec<String> {
        self.map().odd.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn who_published_what_and_what_followed_is_counted() {
    let charge = river("charge").event("order_placed").publishes(["paid", "declined"]);
    let all = river("show");
    let mut seen = Seen::by(&[service("payment", [charge]), service("monitor", [all])], 30);
    for _ in 0..10 {
        let placed = seen.publish(&Packet::event("order_placed"));
        let paid = Packet::event("paid").caused_by(&placed, "payment", "charge", 0);
        seen.publish(&paid);
        let asked = Packet::need(["car", "hotel"]).caused_by(&placed, "payment", "charge", 1);
        seen.publish(&asked);
    }
    let map = seen.map();
    let [charge, show] = map.rivers.as_slice() else { panic!("{map:?}") };
    assert_eq!(charge.admits, Some([event("order_placed")].into()));
    assert_eq!(charge.publishes, Some(vec![event("paid"), event("declined")]));
    assert_eq!((charge.came, charge.took), (10, 10));
    let [taken] = charge.taken.as_slice() else { panic!("{charge:?}") };
    assert_eq!((taken.name.as_ref(), taken.packets), (Some(&event("order_placed")), 10));
    assert!(show.taken.is_empty());
    assert_eq!((&show.admits, &show.publishes, show.came, show.took), (&None, &None, 30, 30));
    assert_eq!(map.packets_of(&event("order_placed")), 10);
    assert_eq!(map.published[1].publisher.as_deref(), Some("payment"));
    assert_eq!((map.published[0].publisher.as_ref(), map.published[0].per_second), (None, 1.0));
    let follows = map.follows(&event("order_placed"));
    let follows: Vec<_> = follows
        .iter()
        .map(|flow| (flow.effect.clone().unwrap().to_string(), flow.packets))
        .collect();
    let expected = [("paid", 10), ("need car", 10), ("need hotel", 10)];
    assert_eq!(follows, expected.map(|(name, packets)| (name.to_owned(), packets)));
    assert!(!map.left_out.is_limited());
}

#[test]
fn names_that_nobody_reads_or_publishes_are_odd_and_the_likely_name_is_told() {
    let place = river("place").command("place_order").publishes("order_placed");
    let charge = river("charge").event("order_plcaed");
    let services = [service("order", [place]), service("payment", [charge])];
    let mut seen = Seen::by(&services, 2);
    let place = seen.publish(&Packet::command("place_order"));
    seen.publish(&Packet::event("order_placed").caused_by(&place, "order", "place", 0));
    assert_eq!(
        seen.odd(),
        [
            "nobody reacts to `order_placed`, of order: 1 packet; is `order_plcaed` meant?",
            "payment/charge waits for `order_plcaed`, which nobody publishes; is `order_placed` meant?",
        ]
    );
    let odd = seen.map().odd;
    assert!(odd[1].is_about("payment/charge") && odd[1].is_about("order_plcaed"));
    assert!(odd[0].is_about("order_placed") && !odd[0].is_about("payment/charge"));
}

#[test]
fn a_declaration_is_enough_to_find_a_name_that_nobody_reads() {
    let place = river("place").command("place_order").publishes(["order_placed", "order_refused"]);
    let charge = river("charge").event("order_placed");
    let seen = Seen::by(&[service("order", [place, charge])], 0);
    assert_eq!(
        seen.odd(),
        [
            "nobody reacts to `order_refused`, of order: declared, none published",
            "order/place waits for `command place_order`, which nobody publishes",
        ]
    );
}

#[test]
fn a_monitor_reads_nothing_and_a_river_without_a_name_what_it_takes() {
    let show = service("monitor", [river("show")]);
    let large = service("audit", [river("large").when("@.total > 100")]);
    let mut seen = Seen::by(std::slice::from_ref(&show), 1);
    seen.publish(&Packet::event("paid"));
    assert_eq!(seen.odd(), ["nobody reacts to `paid`, of outside: 1 packet"]);
    let mut seen = Seen::by(&[show.clone(), large.clone()], 2);
    seen.publish(&Packet::event("paid").with("total", 7));
    seen.publish(&Packet::event("refunded").with("total", 700));
    assert_eq!(seen.odd(), ["nobody reacts to `paid`, of outside: 1 packet"]);
    let unknown = ServiceInfo { rules: Vec::new(), ..large };
    let mut seen = Seen::by(&[show, unknown], 1);
    seen.publish(&Packet::event("paid"));
    assert!(seen.odd().is_empty(), "what it takes is not known");
    assert_eq!(seen.map().unreadable, ["audit"]);
}

#[test]
fn a_river_that_took_nothing_is_odd_unless_there_was_nothing_at_all() {
    let charge = river("charge").event("placed").when("@.total > 100").publishes("paid");
    let thank = river("thank").event("paid");
    let services = [service("payment", [charge, thank])];
    let mut seen = Seen::by(&services, 3);
    seen.bodies(3, r#"{"event":"placed","total":1}"#);
    assert_eq!(
        seen.odd(),
        [
            "payment/charge took nothing: none of 3 packets whose names it admits met its \
             conditions and requirements",
            "payment/thank took nothing: there was no packet of its names",
        ]
    );
    let quiet = Seen::by(&services, 0).odd();
    assert_eq!(quiet, ["payment/charge waits for `placed`, which nobody publishes"]);
}

#[test]
fn a_renamed_key_starves_a_river_and_the_clause_is_told() {
    let river = river("large").event("placed").when("@.total > 100 && @.vip != true");
    let mut seen = Seen::by(&[service("audit", [river])], 80);
    seen.bodies(20, r#"{"event":"placed","total":200}"#);
    seen.bodies(20, r#"{"event":"placed","total":50}"#);
    // One fails for another reason.
    seen.bodies(1, r#"{"event":"placed","total":200,"vip":true}"#);
    seen.bodies(39, r#"{"event":"placed","sum":200}"#);
    let map = seen.map();
    let [Oddity::Starved(change)] = map.odd.as_slice() else { panic!("{:?}", map.odd) };
    assert_eq!((change.earlier, change.met, change.later), (40, 20, 40));
    assert_eq!(
        map.odd[0].to_string(),
        "audit/large: of `placed`, 20 of 40 packets met its conditions in the earlier half of the \
         window, and none of 40 in the later; it takes only `@.total > 100`, but @.total is missing"
    );
}

#[test]
fn requirements_that_are_met_no_more_are_told_apart_from_conditions() {
    let river = river("charge").event("placed").require("order_id");
    let mut seen = Seen::by(&[service("payment", [river])], 50);
    seen.bodies(25, r#"{"event":"placed","order_id":1}"#);
    seen.bodies(25, r#"{"event":"placed","id":1}"#);
    let odd = seen.map().odd;
    let [Oddity::Invalid(change)] = odd.as_slice() else { panic!("{odd:?}") };
    let clause = change.clause.as_deref().unwrap();
    assert_eq!(clause, "requires `@.order_id && @.order_id != null`, but @.order_id is missing");
}

#[test]
fn few_packets_and_rare_ones_are_no_reason_to_worry() {
    let rules = || [service("audit", [river("large").event("placed").when("@.total > 100")])];
    let (large, small) = (r#"{"event":"placed","total":200}"#, r#"{"event":"placed","total":1}"#);
    let mut few = Seen::by(&rules(), 38);
    few.bodies(19, large);
    few.bodies(19, small);
    assert!(few.odd().is_empty(), "{:?}", few.odd());
    let mut rare = Seen::by(&rules(), 60);
    rare.bodies(2, large);
    rare.bodies(58, small);
    assert!(rare.odd().is_empty(), "{:?}", rare.odd());
    let mut again = Seen::by(&rules(), 60);
    again.bodies(30, large);
    again.bodies(29, small);
    again.bodies(1, large);
    assert!(again.odd().is_empty(), "{:?}", again.odd());
}

#[test]
fn nothing_is_told_to_be_odd_where_the_rivers_are_not_known() {
    let mut seen = Seen::by(&[], 1);
    seen.observation = Observation::without_rivers(seen.observation.window);
    seen.publish(&Packet::event("paid"));
    let map = seen.map();
    assert_eq!((map.rivers_known, map.odd.len(), map.published.len()), (false, 0, 1));
}

#[test]
fn a_mark_in_front_of_a_body_is_no_part_of_its_shape() {
    let mut shapes = Shapes::new();
    shapes.packet(&Packet::from_bytes("\u{feff}{\"event\":\"paid\"}").unwrap());
    let schema = shapes.schema(&event("paid")).unwrap();
    assert_eq!((&schema["type"], schema.get("x-rapids-left-out")), (&json!("object"), None));
}

#[test]
fn a_packet_that_follows_from_one_before_the_window_is_counted_as_such() {
    let before = Packet::event("placed");
    let mut seen = Seen::by(&[], 1);
    seen.publish(&Packet::event("paid").caused_by(&before, "payment", "charge", 0));
    let map = seen.map();
    assert_eq!((map.flows.len(), map.left_out.causes), (0, 1));
    assert!(!map.left_out.is_limited());
}

#[test]
fn the_document_names_messages_operations_and_rules() {
    let place = river("place").command("place_order").publishes("order_placed");
    let charge = river("charge").event("order_placed").require_that("@.total > 0");
    let services = [
        service("order", [place]),
        service("payment", [charge]),
        service("monitor", [river("show")]),
    ];
    let (mut seen, mut shapes) = (Seen::by(&services, 2), Shapes::new());
    let placed = Packet::event("order_placed").with("total", 7).with("rapids_note", "x");
    let command = seen.publish(&Packet::command("place_order"));
    let placed = seen.publish(&placed.caused_by(&command, "order", "place", 0));
    shapes.packet(&placed);
    let document = asyncapi(&services, &seen.map(), &shapes);
    assert_eq!(document["asyncapi"], "3.0.0");
    let messages = document["channels"]["rapids"]["messages"].as_object().unwrap();
    let keys: Vec<_> = messages.keys().map(String::as_str).collect();
    assert_eq!(keys, ["command.place_order", "order_placed"]);
    assert_eq!(messages["order_placed"]["$ref"], "#/components/messages/order_placed");
    let payload = &document["components"]["messages"]["order_placed"]["payload"];
    assert_eq!(payload["required"], json!(["event", "rapids_note", "total"]));
    assert_eq!(payload["properties"]["event"], json!({"const": "order_placed"}));
    assert_eq!(payload["properties"].get("rapids"), None);
    let operations = &document["operations"];
    let names: Vec<_> = operations.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["monitor.receive", "order.receive", "order.send", "payment.receive"]);
    assert_eq!(operations["monitor.receive"].get("messages"), None, "all of them");
    let of_payment = &operations["payment.receive"];
    let message = json!([{"$ref": "#/channels/rapids/messages/order_placed"}]);
    assert_eq!((&of_payment["action"], &of_payment["messages"]), (&json!("receive"), &message));
    assert_eq!(of_payment["x-rapids-rivers"][0]["requirements"], json!(["@.total > 0"]));
    assert_eq!(operations["order.send"]["messages"], message);
}
