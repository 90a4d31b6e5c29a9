//! I-Regexp (RFC 9485), the regular expressions of `match` and `search`.
//!
//! An I-Regexp is checked against its own grammar and rewritten for the `regex` crate, whose richer
//! language would otherwise decide what an expression means. Matching takes time in proportion to
//! the text and to the pattern. `^` and `$` are the ends of the text: there the JSONPath compliance
//! test suite is followed, not the letter of the RFC.

use std::iter::Peekable;
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};

use super::budget::{Budget, NODE, TooCostly};
use crate::json::Text;

/// The largest compiled pattern of an expression, in bytes.
pub(super) const MAX_CONSTANT: usize = 8 << 20;
/// The largest compiled pattern that stands in a packet.
pub(super) const MAX_FOUND: usize = 1 << 20;
/// The first size that is tried. Each further one is four times as large.
const SMALLEST: usize = 16 << 10;
/// Up to this size a pattern takes one step for each byte of the text. A larger one takes more, in
/// proportion.
const LIGHT: usize = 64 << 10;
/// The steps that compiling takes for each byte of the compiled pattern.
const MAKE_BYTE: usize = 8;

/// How much of the text a pattern covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: `match`.
    Whole,
    /// Some part of it: `search`.
    Part,
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Compiled {
    regex: Regex,
    /// It takes at most so many bytes.
    size: usize,
}

impl Compiled {
    /// What it cost to compile it.
    pub(super) fn cost(&self) -> usize {
        self.size * MAKE_BYTE
    }

    /// Tells whether a text matches. Nothing matches half of a surrogate pair, not even `.`.
    pub(super) fn is_match(&self, text: &Text<'_>, budget: &Budget) -> Result<bool, TooCostly> {
        let weight = self.size.div_ceil(LIGHT);
        budget.spend(NODE.saturating_add(text.bytes().len().saturating_mul(weight)))?;
        Ok(self.regex.is_match(text.bytes()))
    }
}

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not in RFC 9485, with the reason in plain words.
    Unsound(String),
    /// It grows too large.
    TooLarge,
}

/// Compiles an I-Regexp of at most so many bytes.
pub(super) fn compile(pattern: &str, extent: Extent, limit: usize) -> Result<Compiled, Fault> {
    let translation = Translation { rest: pattern.chars().peekable(), regex: String::new() };
    let body = translation.run().map_err(Fault::Unsound)?;
    let regex = match extent {
        Extent::Whole => format!(r"\A(?:{body})\z"),
        Extent::Part => body,
    };
    let mut size = SMALLEST;
    loop {
        // The crate does not tell the size of a pattern, so the smallest limit that suffices does.
        match RegexBuilder::new(&regex).size_limit(size).build() {
            Ok(regex) => return Ok(Compiled { regex, size }),
            Err(regex::Error::CompiledTooBig(_)) if size >= limit => return Err(Fault::TooLarge),
            Err(regex::Error::CompiledTooBig(_)) => size = (size * 4).min(limit),
            Err(_) => {
                let reason = "a range or a repetition in it runs backwards, or it nests too deep";
                return Err(Fault::Unsound(reason.to_owned()));
            }
        }
    }
}

impl Fault {
    /// The reason in plain words.
    pub(super) fn reason(self) -> String {
        match self {
            Fault::Unsound(reason) => reason,
            Fault::TooLarge => "it grows too large".to_owned(),
        }
    }
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    regex: String,
}

impl Translation<'_> {
    fn run(mut self) -> Result<String, String> {
        let mut open = 0_usize;
        let mut repeatable = false;
        while let Some(character) = self.rest.next() {
            match character {
                '(' => {
                    open += 1;
                    self.regex.push_str("(?:");
                }
                ')' if open == 0 => return Err("`)` closes nothing".to_owned()),
                ')' => {
                    open -= 1;
                    self.regex.push(')');
                }
                '|' => self.regex.push('|'),
                '.' => self.regex.push_str(r"[^\n\r]"),
                '^' | '$' => self.regex.push(character),
                '[' => self.class()?,
                '\\' => self.escape()?,
                '*' | '+' | '?' | '{' if !repeatable => {
                    return Err(format!("`{character}` repeats nothing"));
                }
                '*' | '+' | '?' => self.regex.push(character),
                '{' => self.quantity()?,
                ']' | '}' => return Err(format!("`{character}` must be written `\\{character}`")),
                literal => self.literal(literal),
            }
            repeatable = !matches!(character, '(' | '|' | '*' | '+' | '?' | '{');
        }
        if open > 0 { Err("`(` is never closed".to_owned()) } else { Ok(self.regex) }
    }

    /// Reads `{n}`, `{n,}` or `{n,m}` after its brace.
    fn quantity(&mut self) -> Result<(), String> {
        let inner = self.until_brace()?;
        let (least, most) = inner.split_once(',').unwrap_or((&inner, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if least.is_empty() || !digits(least) || !digits(most) {
            return Err(format!("`{{{inner}}}` is no repetition"));
        }
        self.regex.push_str(&format!("{{{inner}}}"));
        Ok(())
    }

    fn until_brace(&mut self) -> Result<String, String> {
        let mut inner = String::new();
        loop {
            match self.rest.next() {
                Some('}') => return Ok(inner),
                Some(character) => inner.push(character),
                None => return Err("`{` is never closed".to_owned()),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.next() {
            Some(kind @ ('p' | 'P')) => self.category(kind),
            next => {
                let literal = single_escape(next)?;
                self.literal(literal);
                Ok(())
            }
        }
    }

    fn category(&mut self, kind: char) -> Result<(), String> {
        let name =
            if self.rest.next_if_eq(&'{').is_some() { self.until_brace()? } else { String::new() };
        let minor = match name.chars().next() {
            Some('L') => "lmotu",
            Some('M') => "cen",
            Some('N') => "dlo",
            Some('P') => "cdefios",
            Some('Z') => "lps",
            Some('S') => "ckmo",
            Some('C') => "cfno",
            _ => "",
        };
        let mut rest = name.chars().skip(1);
        let known = match (rest.next(), rest.next()) {
            (None, _) => !minor.is_empty(),
            (Some(letter), None) => minor.contains(letter),
            _ => false,
        };
        if !known {
            return Err(format!("`\\{kind}{{{name}}}` is no Unicode category"));
        }
        self.regex.push_str(&format!("\\{kind}{{{name}}}"));
        Ok(())
    }

    /// Reads a character class after its bracket.
    fn class(&mut self) -> Result<(), String> {
        self.regex.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.regex.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next() {
                None => return Err("`[` is never closed".to_owned()),
                Some(']') if first => return Err("`[]` holds nothing".to_owned()),
                Some(']') => break,
                Some('-') if first || self.rest.peek() == Some(&']') => self.literal('-'),
                Some('\\') if matches!(self.rest.peek(), Some('p' | 'P')) => self.escape()?,
                Some(character) => {
                    let start = class_character(character, &mut self.rest)?;
                    self.literal(start);
                    self.range()?;
                }
            }
            first = false;
        }
        self.regex.push(']');
        Ok(())
    }

    /// Reads the rest of a range such as `a-z`, when there is one.
    fn range(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
            return Ok(());
        }
        self.rest.next();
        let end = match self.rest.next() {
            Some(character) => class_character(character, &mut self.rest)?,
            None => return Err("`[` is never closed".to_owned()),
        };
        self.regex.push('-');
        self.literal(end);
        Ok(())
    }

    fn literal(&mut self, character: char) {
        if character.is_alphanumeric() {
            self.regex.push(character);
        } else {
            self.regex.push_str(&format!("\\x{{{:X}}}", u32::from(character)));
        }
    }
}

fn class_character(character: char, rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    match character {
        '\\' => single_escape(rest.next()),
        '[' | '-' => Err(format!("`{character}` in a class must be written `\\{character}`")),
        plain => Ok(plain),
    }
}

fn single_escape(character: Option<char>) -> Result<char, String> {
    match character {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some(
            literal @ ('(' | ')' | '*' | '+' | '-' | '.' | '?' | '[' | '\\' | ']' | '^' | '{' | '|'
            | '}'),
        ) => Ok(literal),
        Some('d') => Err("`\\d` is not in RFC 9485; `[0-9]` is".to_owned()),
        Some(other) => Err(format!("`\\{other}` is not in RFC 9485")),
        None => Err("it ends with a `\\`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::STEPS;
    use super::*;

    fn compile(pattern: &str, extent: Extent) -> Result<Compiled, String> {
        super::compile(pattern, extent, MAX_CONSTANT).map_err(Fault::reason)
    }

    fn is_match(regex: &Compiled, text: &str) -> bool {
        regex.is_match(&Text::from(text), &Budget::new(STEPS, 1)).unwrap()
    }

    #[test]
    fn patterns_match_as_in_rfc_9485() {
        for (pattern, text, expected) in [
            ("a.c", "abc", true),
            ("a.c", "a\nc", false),
            ("a.c", "a\rc", false),
            ("a.c", "a\u{2028}c", true),
            ("a|bc", "bc", true),
            ("a|bc", "abc", false),
            ("", "", true),
            ("^a$", "a", true),
            ("^a$", "^a$", false),
            ("[$^]{2}", "$^", true),
            (r"\^", "^", true),
            ("(ab){2,3}", "abab", true),
            ("(ab){2,}", "ab", false),
            ("(ab){2}", "abab", true),
            ("[a-c]+", "abc", true),
            ("[^a-c]+", "abc", false),
            ("[-a]+", "-a", true),
            ("[a-]+", "-a", true),
            ("[^-]", "-", false),
            (r"[\]\-\\]+", r"]-\", true),
            ("[a&&b]+", "a&b", true),
            ("[a~~b]+", "~", true),
            (r"\p{Lu}+", "ÄÖ", true),
            (r"\P{Lu}+", "äö", true),
            (r"[\p{Nd}x]+", "1x٣", true),
            (r"\n\t\.", "\n\t.", true),
            ("ab c#d", "ab c#d", true),
            ("[0-9]{4}-[0-9]{2}", "2024-05", true),
            ("🦀+", "🦀🦀", true),
            (r"\p{L}{1,64}", "größe", true),
        ] {
            let regex = compile(pattern, Extent::Whole).unwrap();
            assert_eq!(is_match(&regex, text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn part_of_the_text_is_enough_for_a_search() {
        let regex = compile("b|x", Extent::Part).unwrap();
        assert!(is_match(&regex, "abc"));
        assert!(!is_match(&regex, "acd"));
    }

    #[test]
    fn every_category_of_the_rfc_compiles() {
        for (major, minor) in [
            ('L', "lmotu"),
            ('M', "cen"),
            ('N', "dlo"),
            ('P', "cdefios"),
            ('Z', "lps"),
            ('S', "ckmo"),
            ('C', "cfno"),
        ] {
            compile(&format!("\\p{{{major}}}"), Extent::Whole).unwrap();
            for minor in minor.chars() {
                compile(&format!("[\\P{{{major}{minor}}}]"), Extent::Whole).unwrap();
            }
        }
    }

    #[test]
    fn what_is_not_in_the_rfc_is_refused() {
        for (pattern, reason) in [
            (r"\d+", r"`\d` is not in RFC 9485; `[0-9]` is"),
            (r"\w", r"`\w` is not in RFC 9485"),
            ("a+?", "`?` repeats nothing"),
            ("*a", "`*` repeats nothing"),
            ("(?i)a", "`?` repeats nothing"),
            ("(a", "`(` is never closed"),
            ("a)", "`)` closes nothing"),
            ("[a", "`[` is never closed"),
            ("[]", "`[]` holds nothing"),
            ("[a[b]", r"`[` in a class must be written `\[`"),
            ("a]", r"`]` must be written `\]`"),
            ("a{x}", "`{x}` is no repetition"),
            ("a{1", "`{` is never closed"),
            ("a{2,1}", "a range or a repetition in it runs backwards, or it nests too deep"),
            ("[z-a]", "a range or a repetition in it runs backwards, or it nests too deep"),
            (r"\p{Greek}", r"`\p{Greek}` is no Unicode category"),
            (r"\pL", r"`\p{}` is no Unicode category"),
            (r"a\", r"it ends with a `\`"),
            ("((a{999}){999}){999}", "it grows too large"),
        ] {
            assert_eq!(compile(pattern, Extent::Whole).unwrap_err(), reason, "{pattern}");
        }
    }
}
