//! An expression taken apart at its outermost `&&`, so that each part can be told of by itself.
//!
//! Takes an expression that is valid; whether it is, is for the library to say.

use rapids_client::Rules;

/// The same rules, in as many clauses as there are.
pub(crate) fn apart(rules: &Rules) -> Rules {
    let apart = |rules: &[String]| rules.iter().flat_map(|rule| parts(rule)).collect();
    Rules {
        conditions: apart(&rules.conditions),
        requirements: apart(&rules.requirements),
        ..rules.clone()
    }
}

/// The parts of a conjunction; the expression itself if it is none. `@.a && @.a != null` is one
/// part: that is how rivers require a field.
fn parts(expression: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in split(expression) {
        match parts.last_mut() {
            Some(last) if part == format!("{last} != null") => *last = format!("{last} && {part}"),
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

fn split(expression: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    let mut characters = expression.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' | '"' => skip_string(character, &mut characters),
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            // It binds less than `&&`, so the whole is a choice.
            '|' if depth == 0 => return vec![expression.trim()],
            '&' if depth == 0 => {
                characters.next();
                parts.push(&expression[begin..at]);
                begin = at + 2;
            }
            _ => {}
        }
    }
    parts.push(&expression[begin..]);
    parts.into_iter().map(str::trim).collect()
}

/// Passes over a string literal up to its closing quote.
fn skip_string(quote: char, characters: &mut impl Iterator<Item = (usize, char)>) {
    while let Some((_, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conjunction_is_taken_apart_at_its_outermost_level_only() {
        assert_eq!(parts("@.a"), ["@.a"]);
        assert_eq!(parts(" @.a > 1 && !@.b&&@.c "), ["@.a > 1", "!@.b", "@.c"]);
        assert_eq!(
            parts("(@.a && @.b) && @.items[?@.q > 1 && @.p < 2]"),
            ["(@.a && @.b)", "@.items[?@.q > 1 && @.p < 2]"]
        );
        assert_eq!(parts("@.a && @.b || @.c"), ["@.a && @.b || @.c"]);
        assert_eq!(parts("(@.a || @.b) && @.c"), ["(@.a || @.b)", "@.c"]);
    }

    #[test]
    fn a_required_field_is_one_part() {
        assert_eq!(
            parts("@.a && @.a != null && @.b && @.c != null"),
            ["@.a && @.a != null", "@.b", "@.c != null"]
        );
    }

    #[test]
    fn what_stands_in_a_string_is_text() {
        let expression = r#"@.a == 'x && \'(' && @["b && ]"] == "\" || ""#;
        assert_eq!(parts(expression), [r"@.a == 'x && \'('", r#"@["b && ]"] == "\" || ""#]);
    }
}
