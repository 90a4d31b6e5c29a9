//! Reads the keys, functions and words of an expression.
//!
//! The error for a word of another language (`and`, `in`, a bare `total`) says what to write
//! instead.

use super::super::notation::string_literal;
use super::{FUNCTIONS, Fault, Reader, begins_name, continues_name, fault, methods};

impl Reader<'_> {
    /// Reads a literal word or a function; other words are mistakes with a likely meaning.
    pub(super) fn word(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let word = self.take_while(continues_name);
        let called = self.next_is(|next| next == '(');
        let arity = FUNCTIONS.iter().find(|(name, _)| *name == word);
        match word {
            "and" => return fault(at, "`and` is written `&&`"),
            "or" => return fault(at, "`or` is written `||`"),
            "not" => return fault(at, "`not` is written `!`"),
            "in" | "nin" | "none_of" | "any_of" | "subset_of" => {
                let reason = format!("`{word}` is not in RFC 9535; join comparisons with `||`");
                return fault(at, reason);
            }
            _ => {}
        }
        if self.ended && self.text[..at].ends_with(['@', '$']) {
            return fault(at - 1, key_or_path(&self.text[at - 1..self.at]));
        }
        self.operand(at)?;
        match word {
            _ if called && arity.is_some() => {
                self.ended = false;
                let bracket = self.at;
                self.at += 1;
                self.opens(bracket, '(', Some((word, at)))
            }
            _ if called => {
                let argument = self.text[self.at + 1..].split([',', ')']).next();
                let argument = argument.filter(|text| text.starts_with(['@', '$']));
                fault(at, methods::no_function(word, argument.unwrap_or("@.text")))
            }
            "true" | "false" | "null" => Ok(()),
            _ if arity.is_some() => {
                fault(at, format!("`{word}` is a function; its `(` must follow"))
            }
            _ => {
                let text = string_literal(word);
                let reason = format!(
                    "`{word}` stands alone; the key of a packet is `@.{word}`, a text is `{text}`"
                );
                fault(at, reason)
            }
        }
    }

    /// Reads what follows a point.
    pub(super) fn name(&mut self, at: usize) -> Result<(), Fault> {
        if !self.ended {
            return fault(at, "a query begins with `@` or `$`");
        }
        let descends = self.next_is(|next| next == '.');
        self.at += usize::from(descends);
        match self.peek() {
            Some('*') => self.at += 1,
            Some('[') if descends => {}
            Some(first) if begins_name(first) => {
                let start = self.at;
                let name = self.take_while(continues_name);
                if self.next_is(|next| next == '(') {
                    return fault(start, methods::no_method(name, self.query_before(at)));
                }
            }
            Some(first) if first.is_ascii_digit() => {
                let start = self.at;
                let name = string_literal(self.take_while(continues_name));
                let reason = format!("a key that begins with a digit is written `[{name}]`");
                return fault(start, reason);
            }
            _ => return fault(self.at, "a key or `*` must follow the point"),
        }
        Ok(())
    }
}

/// Says what `@type` can be.
fn key_or_path(word: &str) -> String {
    let (key, text) = (&word[1..], string_literal(word));
    format!("the key `{key}` of a packet is `@.{key}`, the key `{word}` is `@[{text}]`")
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn any_name_can_follow_a_point() {
        for text in ["@.and", "@.in == true", "@.length.match", "@..null", "@._1.\u{e9}2", "@.a .b"]
        {
            read(text).unwrap();
        }
    }

    #[test]
    fn words_by_themselves_are_answered_with_what_is_meant() {
        for (text, reason) in [
            ("@.a or @.b", "`or` is written `||`"),
            (
                "@.a == none",
                "`none` stands alone; the key of a packet is `@.none`, a text is `'none'`",
            ),
            ("@.a.2", "a key that begins with a digit is written `['2']`"),
            ("count > 1", "`count` is a function; its `(` must follow"),
        ] {
            assert_eq!(read(text).unwrap_err().reason, reason, "{text}");
        }
    }
}
