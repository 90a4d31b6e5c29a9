//! Masks what differs from packet to packet in a reason, so that letters can be grouped and chosen by it.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What is looked at as a whole. An apostrophe behind a word belongs to the word, and begins no
/// quotation.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let token = r#"(?x)
        (?<expression> `[@$][^`]*` )
        | (?<quotation> "[^"]*" | `[^`]*` | '[^']*' )
        | (?<word> [\p{Alphabetic}\p{N}]
                   (?: [\p{Alphabetic}\p{N}] | [-_][0-9A-Za-z] | [.,][0-9] )* ) '?
        | (?<blank> \s )"#;
    Regex::new(token).expect("the pattern is valid: a test uses it")
});

/// A word that is a number, perhaps with a unit.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[0-9][0-9.,]*(\p{Alphabetic}{0,3})$")
        .expect("the pattern is valid: a test uses it")
});

/// Writes the reason with `<n>` for numbers, `<id>` for other words with digits, and `…` for quotations.
/// Quoted expressions stay, because they are the same for all packets that they refuse.
#[must_use]
pub fn masked_reason(reason: &str) -> String {
    let mask = |found: &Captures<'_>| {
        let text = &found[0];
        if let Some(word) = found.name("word") {
            let apostrophe = &text[word.len()..];
            return format!("{}{apostrophe}", masked_word(word.as_str()));
        }
        match (found.name("quotation"), found.name("blank")) {
            (Some(_), _) => format!("{quote}…{quote}", quote = &text[..1]),
            (_, Some(_)) => " ".to_owned(),
            _ => text.to_owned(),
        }
    };
    TOKEN.replace_all(reason, mask).into_owned()
}

fn masked_word(word: &str) -> String {
    match NUMBER.captures(word) {
        Some(number) => format!("<n>{}", &number[1]),
        None if word.contains(|character: char| character.is_ascii_digit()) => "<id>".to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_packets_is_left_out() {
        for (reason, expected) in [
            ("no answer within 30s (attempt 5 of 7)", "no answer within <n>s (attempt <n> of <n>)"),
            ("order o-1 is unknown", "order <id> is unknown"),
            (
                "packet 0193a5c2-7d3e-7a41-9c55-2f6b8a1d0e77 of `ada` does not parse",
                "packet <id> of `…` does not parse",
            ),
            (
                "requires `@.total > 0`, but @.total = -1.10",
                "requires `@.total > 0`, but @.total = -<n>",
            ),
            ("it isn't Ada's: \"x\" and 'y'", "it isn't Ada's: \"…\" and '…'"),
            ("2,000 rows, 3 columns. Stop.", "<n> rows, <n> columns. Stop."),
            ("at line 1\ncolumn 2", "at line <n> column <n>"),
            ("an open ` quote", "an open ` quote"),
            ("RAPIDS-1793491200-17 über 4711€", "<id> über <n>€"),
            ("", ""),
        ] {
            assert_eq!(masked_reason(reason), expected);
        }
    }
}
