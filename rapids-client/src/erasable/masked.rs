//! An expression without what it compares with, for the log of operations.

/// The expression with each text in quotes and each number replaced: `@.customer == 'ada'` becomes
/// `@.customer == '…'`. A name in a path that is not in quotes stays.
pub(crate) fn masked(expression: &str) -> String {
    let mut shown = String::with_capacity(expression.len());
    let mut rest = expression.chars().peekable();
    let mut is_in_name = false;
    while let Some(character) = rest.next() {
        match character {
            quote @ ('\'' | '"') => {
                shown.extend([quote, '…', quote]);
                let mut is_escaped = false;
                for inner in rest.by_ref() {
                    if inner == quote && !is_escaped {
                        break;
                    }
                    is_escaped = inner == '\\' && !is_escaped;
                }
                is_in_name = false;
            }
            digit if digit.is_ascii_digit() && !is_in_name => {
                shown.push('…');
                let is_of_number = |it: &char| it.is_ascii_alphanumeric() || ".+-".contains(*it);
                while rest.next_if(is_of_number).is_some() {}
            }
            other => {
                shown.push(other);
                is_in_name = other.is_alphanumeric() || other == '_';
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn nothing_is_left_of_what_an_expression_compares_with() {
        for (expression, expected) in [
            ("@.customer == 'ada'", "@.customer == '…'"),
            (r#"@.customer == "a'd\"a" || @.id2 == 17"#, r#"@.customer == "…" || @.id2 == …"#),
            (r"@['a.b'] == 'it\'s' && @.n > -1.5e+3", "@['…'] == '…' && @.n > -…"),
            ("match(@.mail, 'ada@.*') && !@.x", "match(@.mail, '…') && !@.x"),
            (r"@.a == '\\' && @.b == 'c'", "@.a == '…' && @.b == '…'"),
            ("@.a == 'open", "@.a == '…'"),
        ] {
            assert_eq!(masked(expression), expected, "{expression}");
        }
    }
}
