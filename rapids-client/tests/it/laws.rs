//! Laws that hold of every body and of every text, tried on generated ones.
//!
//! The laws are in [`packet`], [`expression`] and [`matching`], what they are tried on in
//! [`bodies`], [`damage`], [`texts`], [`tokens`] and [`meeting`]. Fuzz targets try the same laws on more.

mod bodies;
mod damage;
mod expression;
mod matching;
mod meeting;
mod packet;
mod texts;
mod tokens;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

proptest! {
    // What fails becomes a test of its own name, rather than a line in a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_a_packet_or_an_error(body: Vec<u8>) {
        packet::hold(&body);
    }

    #[test]
    fn objects_are_packets(body in bodies::object()) {
        prop_assert!(packet::hold(body.as_bytes()), "{body}");
    }

    #[test]
    fn damaged_objects_are_packets_or_errors(body in bodies::damaged()) {
        packet::hold(&body);
    }

    #[test]
    fn texts_are_expressions_or_errors(text in any::<String>()) {
        expression::hold(&text);
    }

    #[test]
    fn tokens_in_any_order_are_expressions_or_errors(text in tokens::texts()) {
        expression::hold(&text);
    }

    #[test]
    fn conditions_are_expressions(text in texts::condition()) {
        prop_assert!(expression::hold(&text), "{text}");
    }

    #[test]
    fn nothing_that_a_river_takes_is_ruled_out(
        conditions in vec(texts::condition(), 1..4),
        body in bodies::object(),
        damaged in bodies::damaged(),
    ) {
        let conditions: Vec<&str> = conditions.iter().map(String::as_str).collect();
        prop_assert!(matching::hold(&conditions, body.as_bytes()), "{body}");
        matching::hold(&conditions, &damaged);
    }

    #[test]
    fn nothing_that_meets_is_ruled_out(
        conditions in vec(meeting::condition(), 1..4),
        plain in vec(meeting::plain(), 1..4),
        body in meeting::body(),
        object in meeting::object(),
    ) {
        let conditions: Vec<&str> = conditions.iter().chain(&plain).map(String::as_str).collect();
        matching::hold(&conditions, &body);
        prop_assert!(matching::hold(&conditions, object.as_bytes()), "{object}");
    }
}
