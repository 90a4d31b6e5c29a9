//! Bodies of packets, sound and damaged.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use super::damage::{changed, cut};

/// Keys that rivers look at, more often than once in an object, and odd ones.
const KEYS: &[&str] = &[
    "a",
    "b",
    "event",
    "need",
    "command",
    "rapids",
    "id",
    "order",
    "order_id",
    "items",
    "sku",
    "quantity",
    "total",
    "a.b",
    "",
    "\\u0061",
    "\\ud83e\\udd80",
    "é\\\"\\\\",
];

const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0e-7",
    "7",
    "1.10",
    "9007199254740993",
    "-9223372036854775809",
    "1e400",
    "1E-400",
    "0.1000000000000000055511151231257827",
    "1e99999999999999999999999999999999999999999",
    r#""""#,
    r#""order_placed""#,
    r#""car""#,
    r#""[a-z]+""#,
    r#""(a{9}){9}""#,
    r#""\u0000\n\"\\\/""#,
    r#""\ud83e\udd80""#,
    r#""\ud800""#,
    r#""\udc00\ud800x""#,
    r#""é\u007f""#,
];

const BLANKS: &[&str] = &["", "", "", " ", "\n\t", "\r\n  "];

/// A JSON object in some spelling.
pub(crate) fn object() -> impl Strategy<Value = String> {
    let value = scalar().prop_recursive(6, 48, 6, |inner| {
        let elements = vec(inner.clone(), 0..5).prop_map(|parts| format!("[{}]", parts.join(",")));
        prop_oneof![elements, members(inner)]
    });
    prop_oneof![9 => members(value), 1 => nested(0..=126)]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(SCALARS).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => any::<f64>().prop_map(|number| serde_json::Value::from(number).to_string()),
    ]
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (select(KEYS), value, select(BLANKS))
        .prop_map(|(key, value, blank)| format!("{blank}\"{key}\"{blank}:{blank}{value}{blank}"));
    vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// An object whose values nest this deep.
fn nested(levels: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    let (arrays, objects) = (("[", "]"), (r#"{"a":"#, "}"));
    (levels, select(vec![arrays, objects]), select(KEYS)).prop_map(
        |(levels, (open, close), key)| {
            format!("{{\"{key}\":{}0{}}}", open.repeat(levels), close.repeat(levels))
        },
    )
}

/// A body that was cut, changed or nested beyond the limit on its way.
pub(crate) fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let bytes = object().prop_map(String::into_bytes).boxed();
    let (cut, changed) = (cut(bytes.clone()), changed(bytes.clone()));
    let spliced =
        (bytes.clone(), bytes.clone(), any::<Index>()).prop_map(|(mut one, other, at)| {
            let at = at.index(one.len());
            one.splice(at..at, other);
            one
        });
    let around = (bytes, select(BLANKS), select(vec!["\u{feff}", "\0", "{}", "]", "//", "\u{a0}"]))
        .prop_map(|(body, blank, odd)| [blank.as_bytes(), &body, odd.as_bytes()].concat());
    let deep = nested(127..=2_000).prop_map(String::into_bytes);
    let open = (Just("[{\"a\":"), 1..5_000_usize).prop_map(|(open, times)| open.repeat(times));
    prop_oneof![cut, changed, spliced, around, deep, open.prop_map(String::into_bytes)]
}
