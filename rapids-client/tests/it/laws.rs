//! Laws that hold of every body and of every text, tried on generated ones.
//!
//! The laws are in [`packet`] and [`expression`], what they are tried on in [`bodies`], [`texts`]
//! and [`tokens`]. Fuzz targets try the same laws on more.

mod bodies;
mod expression;
mod packet;
mod texts;
mod tokens;

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
}
