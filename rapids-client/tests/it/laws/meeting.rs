//! Bodies and conditions that meet: of few keys and values, each in several spellings.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::damage::{changed, cut};

/// Keys of bodies; the last are halves of surrogate pairs.
const KEYS: &[&str] = &[
    "a",
    "a",
    "\\u0061",
    "b",
    "event",
    "ev\\u0065nt",
    "need",
    "🦀",
    "\\uD83E\\udd80",
    "it's",
    "\\\"",
    "",
    "rapids",
    "x",
    "\\ud800",
    "\\uDBFF",
];

/// Values of bodies; several are the same in another spelling.
const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "0.0e9",
    "1",
    "1.0",
    "0.1e1",
    "-1",
    "100",
    "1e2",
    "100.0",
    "99.999999999999999999999",
    "1.1",
    "1.10",
    "9007199254740992",
    "9007199254740993",
    "1e400",
    "10E399",
    "1e-400",
    r#""""#,
    r#""x""#,
    r#""\u0078""#,
    r#""car""#,
    r#""c\u0061r""#,
    r#""🦀""#,
    r#""\ud83e\udd80""#,
    r#""\uffee""#,
    r#""it's \"x\" \\ \/""#,
    r#""1""#,
    r#""null""#,
    r#""\ud800""#,
    r#""\udc00""#,
    r#""\ufffd""#,
    r#""car \ud800""#,
    r#""a text that is longer than the words which are looked at one by one""#,
];

const LITERALS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "-1",
    "100",
    "1e2",
    "1.10",
    "100.000",
    "9007199254740991",
    "1e400",
    "-1E-400",
    "''",
    "'x'",
    "'car'",
    "'c\\u0061r'",
    "'🦀'",
    "'\\uD83E\\uDD80'",
    "'it\\'s \"x\" \\\\ /'",
    "'1'",
    "'null'",
    "'\\uFFEE'",
    "'\u{FFFD}'",
    "'a text that is longer than the words which are looked at one by one'",
];

const STEPS: &[&str] = &[
    ".a",
    ".a",
    ".b",
    ".event",
    ".need",
    "['🦀']",
    "['it\\'s']",
    "['\"']",
    "['']",
    ".x",
    ".rapids",
    "[0]",
    "[1]",
    "[-1]",
    "['\u{FFFD}']",
];

const BLANKS: &[&str] = &["", "", "", "", " ", "\n\t", "\r\n  "];
const COMPARISONS: &[&str] = &["==", "==", "==", " != ", "<", " <= ", "> ", ">="];

/// A JSON object in some spelling.
pub(crate) fn object() -> impl Strategy<Value = String> {
    let value = select(SCALARS).prop_map(str::to_owned).prop_recursive(3, 24, 4, |inner| {
        let element = (inner.clone(), select(BLANKS)).prop_map(|(value, blank)| value + blank);
        let elements = vec(element, 0..4).prop_map(|parts| format!("[{}]", parts.join(",")));
        prop_oneof![elements, members(inner)]
    });
    let deep = (0..120_usize).prop_map(|levels| {
        format!("{{\"a\":{}7{},\"b\":1}}", "[".repeat(levels), "]".repeat(levels))
    });
    prop_oneof![30 => members(value), 1 => deep]
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (select(KEYS), value, select(BLANKS))
        .prop_map(|(key, value, blank)| format!("{blank}\"{key}\"{blank}:{blank}{value}{blank}"));
    vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// A body that is an object, or was one before it was damaged.
pub(crate) fn body() -> impl Strategy<Value = Vec<u8>> {
    let bytes = object().prop_map(String::into_bytes).boxed();
    let (cut, changed) = (cut(bytes.clone()), changed(bytes.clone()));
    prop_oneof![8 => bytes, 1 => cut, 2 => changed]
}

/// A condition that compares with constants, or asks whether something is there.
pub(crate) fn plain() -> impl Strategy<Value = String> {
    let compared = (place(), select(COMPARISONS), literal(), any::<bool>()).prop_map(
        |(place, operator, literal, turned)| {
            if turned {
                format!("{literal}{operator}{place}")
            } else {
                format!("{place}{operator}{literal}")
            }
        },
    );
    let presence =
        (select(vec!["", "!"]), place()).prop_map(|(not, place)| not.to_owned() + &place);
    let need = (place(), literal())
        .prop_map(|(place, literal)| format!("({place} == {literal} || {place}[?@ == {literal}])"));
    let element = (place(), select(COMPARISONS), literal())
        .prop_map(|(place, operator, literal)| format!("{place}[?@{operator}{literal}]"));
    let names = (place(), vec(literal(), 1..4)).prop_map(|(place, literals)| {
        let tests: Vec<_> =
            literals.iter().map(|literal| format!("{place} == {literal}")).collect();
        format!("({})", tests.join(" || "))
    });
    let range = (place(), literal(), literal())
        .prop_map(|(place, low, high)| format!("{place} >= {low} && {place} < {high}"));
    prop_oneof![
        4 => compared, 2 => presence, 1 => need, 1 => element, 1 => names, 1 => range
    ]
}

/// A condition of plain ones and of such as are left to the exact evaluator.
pub(crate) fn condition() -> impl Strategy<Value = String> {
    let other = (place(), select(OTHERS)).prop_map(|(place, other)| other.replace('_', &place));
    let places = (place(), select(COMPARISONS), place())
        .prop_map(|(left, operator, right)| format!("{left}{operator}{right}"));
    let test = prop_oneof![6 => plain(), 1 => places, 1 => other];
    test.prop_recursive(2, 8, 3, |inner| {
        let group = (select(vec!["(", "!("]), inner.clone())
            .prop_map(|(open, condition)| format!("{open}{condition})"));
        let joined = (vec(inner, 2..4), select(vec![" && ", " || "]))
            .prop_map(|(parts, operator)| format!("({})", parts.join(operator)));
        prop_oneof![1 => group, 3 => joined]
    })
}

/// What is left to the exact evaluator, with a place for `_`.
const OTHERS: &[&str] = &[
    "_[*]",
    "_..a",
    "_[?@.a == 'x']",
    "_[0:2]",
    "length(_) > 1",
    "count(_.*) == 0",
    "match(_, 'c.r')",
    "!search(_, 'x')",
    "_[?@ == $.b]",
    "@..b",
];

fn place() -> impl Strategy<Value = String> {
    let steps = prop_oneof![4 => vec(select(STEPS), 1..2), 2 => vec(select(STEPS), 0..4)];
    (select(vec!["@", "@", "$"]), steps).prop_map(|(root, steps)| root.to_owned() + &steps.concat())
}

fn literal() -> impl Strategy<Value = String> {
    select(LITERALS).prop_map(str::to_owned)
}
