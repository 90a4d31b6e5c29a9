//! Windows with more than is kept.

use super::Seen;
use crate::packet::Packet;

#[test]
fn what_is_beyond_the_limits_is_counted() {
    let mut seen = Seen::by(&[], 0);
    for n in 0..2_100 {
        seen.publish(&Packet::event(format!("e{n}")));
    }
    seen.publish(&Packet::event("e".repeat(300)));
    let map = seen.map();
    assert_eq!((map.packets, map.published.len()), (2_101, 2_000));
    assert_eq!(map.left_out.names, 101);
    assert!(map.left_out.is_limited());
}

#[test]
fn what_packets_of_many_names_expand_to_has_a_limit() {
    let needs = |prefix: &str, n: usize| {
        let names: Vec<_> = (0..16).map(|name| format!("{prefix}{n}-{name}")).collect();
        Packet::need(names)
    };
    let mut seen = Seen::by(&[], 0);
    for n in 0..100 {
        let cause = seen.publish(&needs("cause", n));
        seen.publish(&needs("effect", n).caused_by(&cause, "payment", "charge", 0));
    }
    let map = seen.map();
    assert_eq!((map.published.len(), map.flows.len()), (200 * 16, 20_000));
    assert_eq!(map.left_out.counts, 100 * 16 * 16 - 20_000);
}
