//! What holds of every expression, tried on generated ones.

use std::cmp::Ordering;

use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert_eq, proptest};
use proptest::sample::select;
use serde_json::value::RawValue;

use super::{Evaluation, Expression};
use crate::json::{Node, canonical, compare_numbers};

#[path = "../../tests/it/laws/texts.rs"]
pub(super) mod texts;

const BODY: &str = r#"{"x":[{"a":1.50,"b":"a","items":[0,{"a":null}]},{"order_id":"o-1","é":{}},[7,[]]],
    "a":{"a":true,"b":["a"]},"b":-1,"items":[{"sku":"[a-z]+"}],"":"it's"}"#;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normal_form_means_the_same(condition in texts::condition()) {
        // As a filter, because queries are what is written in normal form.
        let written = Expression::parse(&format!("@.x[?{condition}]")).unwrap();
        let normal = written.queries().remove(0);
        let again = Expression::parse(&normal).unwrap();
        prop_assert_eq!(again.queries(), written.queries());
        let body = RawValue::from_string(BODY.to_owned()).unwrap();
        let on = &Evaluation::of(Node::Raw(body.get()), 1);
        prop_assert_eq!(again.holds(on), written.holds(on), "{}", normal);
        prop_assert_eq!(again.findings(on, true, true), written.findings(on, true, true));
        prop_assert_eq!(again.repeated_key(on), written.repeated_key(on));
    }

    #[test]
    fn numbers_compare_by_their_value(left in number(), right in number()) {
        let ((left, left_value), (right, right_value)) = (left, right);
        let order = left_value.cmp(&right_value);
        prop_assert_eq!(compare_numbers(&left, &right), order, "{} and {}", left, right);
        prop_assert_eq!(canonical(&left) == canonical(&right), order.is_eq());
        prop_assert_eq!(compare_numbers(&canonical(&left), &left), Ordering::Equal);
    }
}

/// A literal, and its value times ten to the power of twelve.
fn number() -> impl Strategy<Value = (String, i128)> {
    let zeros = select(vec!["", "0", "000"]);
    (select(vec!["", "-"]), 0..2_000_u32, option::of((zeros, 0..200_u32)), option::of(-6..=6_i8))
        .prop_map(|(sign, whole, fraction, power)| {
            let digits = fraction.map_or(String::new(), |(zeros, rest)| format!("{zeros}{rest}"));
            let point = if digits.is_empty() { "" } else { "." };
            let exponent = power.map_or(String::new(), |power| format!("e{power}"));
            let shift = 12 + i32::from(power.unwrap_or(0)) - digits.len() as i32;
            let value = format!("{sign}{whole}{digits}").parse::<i128>().unwrap()
                * 10_i128.pow(shift.unsigned_abs());
            (format!("{sign}{whole}{point}{digits}{exponent}"), value)
        })
}
