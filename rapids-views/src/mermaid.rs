//! Texts that others wrote, in the language of [Mermaid](https://mermaid.js.org).

use rapids_client::printable;

/// Writes a text as it stands within quotes, in which only letters, digits and blanks stand for themselves: whatever has a
/// meaning in the language, in Markdown or in HTML becomes the number of the character.
#[must_use]
pub fn mermaid_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable(text).to_string().chars() {
        match character {
            _ if character.is_alphanumeric() => escaped.push(character),
            ' ' | '-' | '_' | '.' | ',' | '…' | '✗' => escaped.push(character),
            other => escaped.push_str(&format!("#{};", u32::from(other))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_becomes_a_number() {
        assert_eq!(mermaid_escaped("order o-1, für Ада_1.5"), "order o-1, für Ада_1.5");
        assert_eq!(mermaid_escaped(r#""]--> x[""#), "#34;#93;--#62; x#91;#34;");
        assert_eq!(
            mermaid_escaped("<b>&amp;`*#;%%{"),
            "#60;b#62;#38;amp#59;#96;#42;#35;#59;#37;#37;#123;"
        );
        // First the escapes of a terminal, of which nothing is left that has a meaning.
        assert_eq!(mermaid_escaped("end\nend\u{1b}[2J"), "end#92;nend#92;u#123;1b#125;#91;2J");
        assert_eq!(mermaid_escaped("a\u{202e}b"), "a#92;u#123;202e#125;b");
    }

    #[test]
    fn no_text_leaves_its_quotes() {
        let hostile = "a\"];x\n--> [b]\\{`&lt;}|#35;";
        assert_eq!(
            mermaid_escaped(hostile),
            "a#34;#93;#59;x#92;n--#62; #91;b#93;#92;#123;#96;#38;lt#59;#125;#124;#35;35#59;"
        );
        assert_eq!(mermaid_escaped("größe_1.a/b 注文"), "größe_1.a#47;b 注文");
    }
}
