//! Texts of conditions as people write them, and as nobody would.
//!
//! All of them valid; texts that need not be are in `tokens`.

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_oneof};
use proptest::sample::select;

const NUMBERS: &[&str] = &["0", "-0", "7", "-1", "1.50", "2e0", "-0.5E+10", "1e400", "0.1e-7"];
const STRINGS: &[&str] =
    &["''", "'a'", "\"it's\"", r"'it\'s'", r"'\uD83E\uDD80\n'", "'a && ]'", "'[a-z]+'", "\"\\\"\""];
const PATTERNS: &[&str] =
    &["''", "'[a-z]+'", "\"(a|b){2,}\"", r"'\\p{Lu}.'", "@.a", "$.items[1].sku"];
const NAMES: &[&str] = &[
    ".a",
    ".b",
    ".items",
    ".order_id",
    ".rapids",
    ".é",
    " .n",
    "['a']",
    "[\"b\"]",
    "['']",
    r"['it\'s']",
    "[0]",
    "[-1]",
];
const OTHERS: &[&str] =
    &[".*", "..a", "..*", "[*]", "[1:]", "[::-1]", "[:2:1]", "['a', 0]", "..['a']", "[ * , -1 ]"];
const COMPARISONS: &[&str] = &["==", " != ", "<", " <= ", "> ", ">="];

/// A condition of the grammar of RFC 9535, of the right types.
pub(crate) fn condition() -> impl Strategy<Value = String> {
    test().prop_recursive(3, 24, 3, |inner| {
        let group = (select(vec!["(", "!(", "! ( "]), inner.clone())
            .prop_map(|(open, condition)| format!("{open}{condition})"));
        let filter = (place(), inner.clone(), select(vec!["", ".a", "[*]"]))
            .prop_map(|(place, condition, rest)| format!("{place}[?{condition}]{rest}"));
        let counted = (place(), inner.clone(), select(COMPARISONS), select(NUMBERS)).prop_map(
            |(place, condition, operator, number)| {
                format!("count({place}[? {condition}]){operator}{number}")
            },
        );
        let joined = (vec(inner, 2..4), select(vec![" && ", "||", "\n&&\t"]))
            .prop_map(|(conditions, operator)| conditions.join(operator));
        prop_oneof![group, filter, counted, joined]
    })
}

/// A condition without others in it.
fn test() -> impl Strategy<Value = String> {
    let comparison = (value(), select(COMPARISONS), value())
        .prop_map(|(left, operator, right)| format!("{left}{operator}{right}"));
    let presence =
        (select(vec!["", "!", "! "]), query()).prop_map(|(not, query)| not.to_owned() + &query);
    let matches = (select(vec!["match", "!search"]), value(), select(PATTERNS))
        .prop_map(|(function, text, pattern)| format!("{function}({text}, {pattern})"));
    prop_oneof![comparison, presence, matches]
}

fn value() -> impl Strategy<Value = String> {
    let simple = prop_oneof![
        select(NUMBERS).prop_map(str::to_owned),
        select(STRINGS).prop_map(str::to_owned),
        select(vec!["true", "false", "null"]).prop_map(str::to_owned),
        place(),
    ];
    let of_query = (select(vec!["count", "value"]), query())
        .prop_map(|(function, query)| format!("{function}( {query} )"));
    let length = simple.clone().prop_map(|value| format!("length({value})"));
    prop_oneof![4 => simple, 1 => of_query, 1 => length]
}

/// A query of one place.
fn place() -> impl Strategy<Value = String> {
    (select(vec!["@", "$"]), names()).prop_map(|(root, names)| root.to_owned() + &names)
}

fn names() -> impl Strategy<Value = String> {
    vec(select(NAMES), 0..4).prop_map(|names| names.concat())
}

fn query() -> impl Strategy<Value = String> {
    (place(), vec(select([NAMES, OTHERS].concat()), 0..3))
        .prop_map(|(place, others)| place + &others.concat())
}
