//! How RFC 9535 writes strings, names and steps.

use std::fmt::{self, Formatter, Write};

use crate::json::Step;

/// Writes the query of a key of the packet: `@.total`, or `@['a.b']` where it has to be.
pub(crate) fn key_query(key: &str) -> String {
    let mut query = String::from("@");
    // Writing to a string cannot fail.
    let _ = name(key, &mut query);
    query
}

/// Writes a text as a string literal of RFC 9535, in single quotes.
pub(crate) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("\\'"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            control if control < ' ' => {
                literal.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => literal.push(plain),
        }
    }
    literal.push('\'');
    literal
}

/// Writes steps as they follow `@`.
pub(super) fn steps(steps: &[Step], out: &mut Formatter<'_>) -> fmt::Result {
    steps.iter().try_for_each(|step| match step {
        Step::Name(key) => name(key, out),
        Step::Index(index) => write!(out, "[{index}]"),
    })
}

/// Writes the step to a member: `.total` or `['a.b']`.
pub(super) fn name(key: &str, out: &mut impl Write) -> fmt::Result {
    let mut characters = key.chars();
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let short = characters.next().is_some_and(begins)
        && characters.all(|c| begins(c) || c.is_ascii_digit());
    if short { write!(out, ".{key}") } else { write!(out, "[{}]", string_literal(key)) }
}

#[cfg(test)]
mod tests {
    use super::super::path::Path;
    use super::*;

    #[test]
    fn keys_are_short_where_the_rfc_allows_it() {
        for (key, query) in [
            ("total", "@.total"),
            ("_a1", "@._a1"),
            ("größe", "@.größe"),
            ("", "@['']"),
            ("1a", "@['1a']"),
            ("a.b", "@['a.b']"),
            ("order-id", "@['order-id']"),
            ("it's", r"@['it\'s']"),
            ("a\\b\n\u{1}\"", r#"@['a\\b\n\u0001"']"#),
        ] {
            assert_eq!(key_query(key), query);
            let path = Path::parse(query).unwrap();
            assert_eq!(path.steps(), [Step::Name(key.to_owned())]);
        }
    }
}
