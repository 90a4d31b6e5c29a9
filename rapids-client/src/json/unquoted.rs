//! The errors of serde without the values that they quote.

use serde::de::Error as _;
use serde_json::error::Category;

/// The error without the value that serde quotes in it: the types, the key and the place remain.
pub(crate) fn unquoted(error: &serde_json::Error) -> serde_json::Error {
    let (line, column) = (error.line(), error.column());
    let place = format!(" at line {line} column {column}");
    let text = error.to_string();
    let words = text.strip_suffix(&place).unwrap_or(&text);
    let words = match error.classify() {
        Category::Data => without_quotes(words),
        _ => words.to_owned(),
    };
    // serde_json reads line and column back from the end of the text.
    serde_json::Error::custom(format!("{words}{place}"))
}

/// The types that serde names before the value itself.
const FOUND: [&str; 12] = [
    "string",
    "integer",
    "floating point",
    "boolean",
    "null",
    "sequence",
    "map",
    "character",
    "unit value",
    "Option value",
    "enum",
    "byte array",
];

fn without_quotes(words: &str) -> String {
    let says = |beginning: &str| words.starts_with(beginning);
    if says("missing field `") || says("unknown field `") || says("duplicate field `") {
        return words.to_owned();
    }
    // The last `expected` is that of the reader's type; a value may hold the word, too.
    let expected = words.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    for (fault, plain) in [("invalid type: ", "invalid type"), ("invalid value: ", "invalid value")]
    {
        if let Some(found) = words.strip_prefix(fault) {
            let found = found.split(['"', '`', ',']).next().unwrap_or_default().trim();
            let found = if FOUND.contains(&found) { found } else { "another" };
            return format!("{plain}: {found}, expected {expected}");
        }
    }
    if says("unknown variant `") {
        return format!("unknown variant, expected {expected}");
    }
    if says("invalid length ") {
        return words.to_owned();
    }
    // The reader's own type made this text, which may quote anything.
    "a value that its type does not take".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use std::fmt::Debug;
    use std::net::IpAddr;

    #[derive(Deserialize, Debug)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Colour {
        Red,
        #[serde(untagged)]
        Mixed {
            _parts: Vec<u8>,
        },
    }

    #[derive(Deserialize, Debug)]
    enum Plain {
        Red,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Order {
        _total: u8,
    }

    fn told<T: for<'a> Deserialize<'a> + Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).unwrap_err();
        let unquoted = unquoted(&error);
        assert_eq!((unquoted.line(), unquoted.column()), (error.line(), error.column()));
        unquoted.to_string()
    }

    #[test]
    fn an_error_of_serde_keeps_types_keys_and_place_and_no_value() {
        let column = "at line 1 column";
        assert_eq!(
            told::<u64>(r#""SECRET, expected x""#),
            format!("invalid type: string, expected u64 {column} 20")
        );
        assert_eq!(told::<u8>("4711"), format!("invalid value: integer, expected u8 {column} 4"));
        assert_eq!(
            told::<String>("null"),
            format!("invalid type: null, expected a string {column} 4")
        );
        assert_eq!(
            told::<bool>("[1]"),
            format!("invalid type: sequence, expected a boolean {column} 0")
        );
        assert_eq!(
            told::<Plain>(r#""SECRET""#),
            format!("unknown variant, expected `Red` {column} 8")
        );
        assert_eq!(told::<Order>("{}"), format!("missing field `_total` {column} 2"));
        assert!(told::<Order>(r#"{"x":"SECRET"}"#).starts_with("unknown field `x`, expected"));
        assert!(told::<[u8; 2]>("[1]").starts_with("invalid length 1, expected an array"));
        for told in [
            told::<IpAddr>(r#""SECRET""#),
            told::<Colour>(r#""SECRET""#),
            told::<BTreeMap<u8, u8>>(r#"{"SECRET":1}"#),
            told::<jiff::Timestamp>(r#""SECRET""#),
        ] {
            assert!(!told.contains("SECRET"), "{told}");
        }
        assert_eq!(told::<u8>("{"), "invalid type: map, expected u8 at line 1 column 0");
        assert_eq!(told::<u8>("x"), "expected value at line 1 column 1");
    }
}
