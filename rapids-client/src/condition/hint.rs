//! Guesses what somebody meant who compares several places at once: `@.items[*].q > 10`.

/// The same question as a filter, `@.items[?@.q > 10]`, if the operator at this offset follows a
/// query of several places.
pub(super) fn any_of(text: &str, at: usize, operator: &str) -> Option<String> {
    let left = query_before(text[..at].trim_end());
    let right = value_at(&text[at + operator.len()..]).trim();
    let (list, place) = left.rsplit_once("[*]")?;
    // Inside of the filter, `@` would stand for something else.
    (!right.contains('@')).then(|| format!("{list}[?@{place} {operator} {right}]"))
}

/// The query that ends with the text.
fn query_before(text: &str) -> &str {
    let mut depth = 0_usize;
    let begins = text.char_indices().rev().find(|(_, character)| {
        match character {
            ']' => depth += 1,
            '[' if depth > 0 => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(character, '@' | '$')
    });
    begins.map_or("", |(begin, _)| &text[begin..])
}

/// The value that the text begins with, up to what closes or joins a comparison.
fn value_at(text: &str) -> &str {
    let (mut quote, mut depth) = (None, 0_usize);
    let ends = text.char_indices().find(|(_, character)| {
        match (quote, character) {
            (Some(open), _) if open == *character => quote = None,
            (Some(_), _) => return false,
            (None, '\'' | '"') => quote = Some(*character),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') if depth > 0 => depth -= 1,
            (None, ']' | ')' | '&' | '|' | ',') => return depth == 0,
            _ => {}
        }
        false
    });
    ends.map_or(text, |(end, _)| &text[..end])
}
