#![cfg(test)]
//! A packet that nobody wants costs no allocation, and one that is answered a known number.
//!
//! A binary of its own, because it counts what the allocator of the process is asked for.

mod corpus;

use allocation_counter::measure;
use corpus::{EventPosition, WANTED, mixed, of_event, packets};
use futures::FutureExt;
use rapids_client::{Arrival, Matcher, Packet, Record, River};

fn matcher(conditions: impl IntoIterator<Item = String>) -> Matcher {
    let rivers: Vec<River> =
        conditions.into_iter().map(|condition| River::new("r").when(&condition)).collect();
    Matcher::new(&rivers)
}

/// The packets that are for nobody, after each was seen once.
fn rejected(matcher: &mut Matcher, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let is_rejected = |body: &Vec<u8>| matcher.candidates(body).is_empty();
    packets.into_iter().filter(is_rejected).collect()
}

#[test]
fn rejecting_a_packet_allocates_nothing() {
    let one = format!("@.event == '{WANTED}' && @.payment.amount > 1 && @.customer.vip");
    let many = |condition: fn(usize) -> (String, String)| {
        (0..1_000).map(move |number| condition(number).0).collect()
    };
    for conditions in [vec![one], many(mixed), many(of_event)] {
        let count = conditions.len();
        let mut matcher = matcher(conditions);
        for size in [300, 600, 8_000] {
            for place in [EventPosition::First, EventPosition::Last] {
                let packets = rejected(&mut matcher, packets(size, place));
                assert!(packets.len() > 50, "{} of {size} bytes", packets.len());
                let counted = measure(|| {
                    for body in &packets {
                        assert!(matcher.candidates(body).is_empty());
                    }
                });
                assert_eq!(counted.count_total, 0, "{count} rivers, {size} bytes");
            }
        }
    }
}

#[test]
fn escapes_lists_and_damage_allocate_nothing_either() {
    let mut matcher = matcher([
        "@.event == 'order_placed'".to_owned(),
        "@.need == 'car' || @.need[0] && @.need[?@ == 'car']".to_owned(),
        "@.a < 'b' && @.l[3].x == 1e400".to_owned(),
    ]);
    let bodies: [&[u8]; 5] = [
        br#"{"\u0065vent":"order\u005fpaid","a":"\u0063","l":[1,2,3,{"x":1e401}]}"#,
        br#"{"need":["b\u0069ke",["car"],{"car":"car"}],"a":"\ud83e\udd80"}"#,
        br#"{"event":"order_placed","need":["car","car"],"a":"a","l":[0,0,0,{"x":10e399}]}"#,
        br#"{"event": damaged"#,
        b"",
    ];
    for body in bodies {
        matcher.candidates(body);
    }
    let counted = measure(|| {
        for body in bodies {
            matcher.candidates(body);
        }
    });
    assert_eq!(counted.count_total, 0);
}

/// What reading, judging, reacting to and answering one packet asks the allocator for, without what
/// goes to the server and comes from it. A reaction that reads two fields and sets two has its share.
const ANSWER: u64 = 40;

#[test]
fn answering_a_packet_allocates_a_known_number_of_times() {
    let river = River::new("check").event("order_placed").react(|packet: Packet| async move {
        let order: String = packet.get("order_id")?.unwrap_or_default();
        let total: u64 = packet.get("total")?.unwrap_or_default();
        Ok(Packet::event("order_checked").with("order_id", order).with("total", total))
    });
    let placed = Packet::event("order_placed").with("order_id", "o-1").with("total", 7550);
    let stored = placed.created();
    let (id, body) = (placed.id().to_owned(), placed.body());
    let answer = || {
        let arrival = Arrival { message_id: Some(id.clone()), ..Arrival::at(1, stored) };
        let packet = Packet::arrived(body.clone(), arrival).expect("it is a packet");
        assert_eq!(river.judge(&packet), rapids_client::Verdict::Matches);
        let mut record = Record::default();
        let handling = river.handle("service", &packet, &mut record, stored).now_or_never();
        let answers = handling.expect("it waits for nothing").expect("it succeeds");
        assert!(answers.packets[0].body().len() > 200);
    };
    answer();
    let counted = measure(answer);
    assert!(counted.count_total <= ANSWER, "{} allocations", counted.count_total);
}
