//! Splits an expression at its outermost `&&`, so that each part can be explained by itself.
//!
//! An expression that is not valid is split somehow: it is a fault of the river that is made of it.

use super::Rules;

impl Rules {
    /// The same rules, each split at its outermost `&&`, so that an
    /// [`Explanation`](crate::Explanation) tells of each part whether it held.
    ///
    /// ```
    /// use rapids_client::River;
    ///
    /// let split = River::new("large").when("@.total > 100 && @.customer").rules().split();
    /// assert_eq!(split.conditions, ["@.total > 100", "@.customer"]);
    /// ```
    #[must_use]
    pub fn split(&self) -> Self {
        let split = |rules: &[String]| rules.iter().flat_map(|rule| parts(rule)).collect();
        Self {
            conditions: split(&self.conditions),
            requirements: split(&self.requirements),
            ..self.clone()
        }
    }
}

/// The parts of a conjunction; the expression itself if it is none. `@.a && @.a != null` stays one
/// part, because rivers require a field in this way.
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
            // `||` binds less than `&&`, so the whole expression is no conjunction.
            '|' if depth == 0 => return vec![expression.trim()],
            '&' if depth == 0 && expression[at..].starts_with("&&") => {
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

/// Skips a string literal up to its closing quote.
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
    fn a_conjunction_is_split_at_its_outermost_level_only() {
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
    fn what_is_no_expression_is_split_without_harm() {
        assert_eq!(parts("@.a &"), ["@.a &"]);
        assert_eq!(parts("@.a &é"), ["@.a &é"]);
        assert_eq!(parts("@.a &&"), ["@.a", ""]);
        assert_eq!(parts("&&&é"), ["", "&é"]);
        assert_eq!(parts("@.a == 'é\\"), ["@.a == 'é\\"]);
    }

    #[test]
    fn operators_inside_a_string_are_text() {
        let expression = r#"@.a == 'x && \'(' && @["b && ]"] == "\" || ""#;
        assert_eq!(parts(expression), [r"@.a == 'x && \'('", r#"@["b && ]"] == "\" || ""#]);
    }
}
