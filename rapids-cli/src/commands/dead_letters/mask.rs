//! What two reasons have in common, once what differs from packet to packet is left out.

/// The reason with numbers as `<n>`, ids as `<id>` and what stands in quotes as `…`, unless it is an
/// expression.
pub(super) fn masked(reason: &str) -> String {
    let mut masked = String::with_capacity(reason.len());
    let mut rest = reason;
    let mut before = ' ';
    while let Some(character) = rest.chars().next() {
        let length = match quoted(rest, before) {
            // A rule, which is the same for all packets that it refuses.
            Some(length) if rest.starts_with("`@") || rest.starts_with("`$") => {
                masked.push_str(&rest[..length]);
                length
            }
            Some(length) => {
                masked.extend([character, '…', character]);
                length
            }
            None if character.is_alphanumeric() => {
                let length = word(rest);
                masked.push_str(&mask_of(&rest[..length]));
                length
            }
            None => {
                masked.push(if character.is_whitespace() { ' ' } else { character });
                character.len_utf8()
            }
        };
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    masked
}

/// The length of the quotation at the beginning of the text, if there is one. An apostrophe within
/// a word begins none.
fn quoted(text: &str, before: char) -> Option<usize> {
    let quote = text.chars().next().filter(|quote| ['"', '`', '\''].contains(quote))?;
    if quote == '\'' && before.is_alphanumeric() {
        return None;
    }
    text[1..].find(quote).map(|end| end + 2)
}

/// The length of the word at the beginning of the text: letters and digits, and what joins them
/// within ids and numbers.
fn word(text: &str) -> usize {
    let mut length = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let joins = matches!(character, '-' | '_' | '.' | ',')
            && next.is_some_and(|next| next.is_ascii_alphanumeric())
            // `3, 4` and `done.Then` are words; `3.14`, `1,000` and `o-1` are one.
            && (matches!(character, '-' | '_') || next.is_some_and(|next| next.is_ascii_digit()));
        if !character.is_alphanumeric() && !joins {
            break;
        }
        length = position + character.len_utf8();
    }
    length
}

fn mask_of(word: &str) -> String {
    let digits = word.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).count();
    let (number, unit) = word.split_at(digits);
    if !number.is_empty() && unit.chars().count() <= 3 && unit.chars().all(char::is_alphabetic) {
        return format!("<n>{unit}");
    }
    let is_id = word.chars().any(|character| character.is_ascii_digit());
    if is_id { "<id>".to_owned() } else { word.to_owned() }
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
            assert_eq!(masked(reason), expected);
        }
    }
}
