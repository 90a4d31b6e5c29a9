//! Reads the tokens of an expression before the parser sees it.
//!
//! It does three things for [`parse`](super::parse). It reports faults that the parser would miss
//! (a blank inside a name) or report far from their cause. It finds the numbers, which the parser
//! rounds or refuses. And it finds the clauses between `&&` and `||`. [`literal`] reads numbers and
//! strings, [`word`] keys and functions; the grammar is left to the parser.

mod literal;
mod methods;
mod word;

use std::ops::Range;

/// The parser's limit of 128, less the bracket that [`parse`](super::parse) puts around the text.
const MAX_NESTING: usize = 127;
/// The parser tries each call up to three times, and each time all calls inside of it, too.
const MAX_CALLS: usize = 5;
/// The functions of RFC 9535 with the number of their arguments.
const FUNCTIONS: [(&str, usize); 5] =
    [("length", 1), ("count", 1), ("value", 1), ("match", 2), ("search", 2)];

/// What the parser does not tell about a text.
#[derive(Debug, Default)]
pub(crate) struct Lexis<'t> {
    /// Where numbers stand that are compared or handed to functions, in their order.
    pub(crate) numbers: Vec<Range<usize>>,
    /// The parts between `&&` and `||` outside of all brackets, trimmed.
    pub(crate) clauses: Vec<&'t str>,
}

/// A fault with its byte offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) reason: String,
}

/// Reads the tokens of an expression.
pub(crate) fn read(text: &str) -> Result<Lexis<'_>, Fault> {
    let mut reader = Reader {
        text,
        at: 0,
        clause: 0,
        query: 0,
        ended: false,
        open: Vec::new(),
        lexis: Lexis::default(),
    };
    while let Some(character) = reader.peek() {
        reader.token(character)?;
    }
    if let Some(open) = reader.open.first() {
        return fault(open.at, format!("`{}` is never closed", open.bracket));
    }
    reader.lexis.clauses.push(text[reader.clause..].trim());
    Ok(reader.lexis)
}

fn fault<T>(at: usize, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { at, reason: reason.into() })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Where the current clause begins.
    clause: usize,
    /// Where the current query begins.
    query: usize,
    /// The token before ends an operand, so that an operator must follow.
    ended: bool,
    open: Vec<Open<'t>>,
    lexis: Lexis<'t>,
}

struct Open<'t> {
    bracket: char,
    at: usize,
    /// Where the query around it begins.
    query: usize,
    /// A call's function and its place.
    function: Option<(&'t str, usize)>,
    commas: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next_is(&self, expected: impl Fn(char) -> bool) -> bool {
        self.peek().is_some_and(expected)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let taken = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn token(&mut self, character: char) -> Result<(), Fault> {
        let at = self.at;
        let negative = character == '-'
            && !self.ended
            && self.text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        if character.is_ascii_digit() || negative {
            return self.number();
        }
        if begins_name(character) {
            return self.word();
        }
        self.at += character.len_utf8();
        match character {
            ' ' | '\t' | '\n' | '\r' => Ok(()),
            '@' | '$' => {
                self.operand(at)?;
                self.query = at;
                Ok(())
            }
            '\'' | '"' => {
                self.operand(at)?;
                self.string(at, character)
            }
            '*' if !self.ended => self.operand(at),
            '.' => self.name(at),
            '(' if self.ended => fault(at, "an operator is missing before `(`"),
            '(' | '[' => self.opens(at, character, None),
            ')' | ']' => self.closes(at, character),
            ',' => self.comma(at),
            '?' | ':' => {
                self.ended = false;
                Ok(())
            }
            _ => self.operator(at, character),
        }
    }

    /// The query that ends here.
    fn query_before(&self, end: usize) -> &'t str {
        &self.text[self.query..end]
    }

    fn operand(&mut self, at: usize) -> Result<(), Fault> {
        if self.ended {
            let rest = &self.text[at..];
            let token = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
            return fault(at, format!("an operator is missing before `{token}`"));
        }
        self.ended = true;
        Ok(())
    }

    fn operator(&mut self, at: usize, character: char) -> Result<(), Fault> {
        let doubled = self.next_is(|next| next == character);
        match character {
            '&' | '|' if doubled => {
                self.at += 1;
                if self.open.is_empty() {
                    self.lexis.clauses.push(self.text[self.clause..at].trim());
                    self.clause = self.at;
                }
            }
            '&' | '|' => {
                return fault(at, format!("`{character}` is written `{character}{character}`"));
            }
            '=' if doubled => self.at += 1,
            '=' => return fault(at, "`=` is no operator; equality is `==`"),
            '<' | '>' | '!' => self.at += usize::from(self.next_is(|next| next == '=')),
            '-' if self.text[..at].ends_with(continues_name) && self.next_is(continues_name) => {
                return fault(at, "a key that holds a `-` is written in brackets: `@['order-id']`");
            }
            '+' | '-' | '*' | '/' | '%' => {
                return fault(
                    at,
                    format!("`{character}` is no operator; expressions do not calculate"),
                );
            }
            _ => return fault(at, format!("`{character}` means nothing here")),
        }
        self.ended = false;
        Ok(())
    }

    fn opens(
        &mut self,
        at: usize,
        bracket: char,
        function: Option<(&'t str, usize)>,
    ) -> Result<(), Fault> {
        if self.open.len() == MAX_NESTING {
            return fault(at, format!("brackets nest deeper than {MAX_NESTING}"));
        }
        let calls = || self.open.iter().filter(|open| open.function.is_some());
        if let Some((_, place)) = function
            && calls().count() == MAX_CALLS
        {
            return fault(place, format!("calls nest deeper than {MAX_CALLS}"));
        }
        self.open.push(Open { bracket, at, query: self.query, function, commas: 0 });
        self.ended = false;
        Ok(())
    }

    fn closes(&mut self, at: usize, bracket: char) -> Result<(), Fault> {
        let opening = if bracket == ')' { '(' } else { '[' };
        let Some(open) = self.open.pop_if(|open| open.bracket == opening) else {
            return fault(at, format!("`{bracket}` closes nothing"));
        };
        self.query = open.query;
        self.ended = true;
        let Some((function, place)) = open.function else {
            return Ok(());
        };
        let empty = self.text[open.at + 1..at].trim().is_empty();
        let given = if empty { 0 } else { open.commas + 1 };
        match FUNCTIONS.iter().find(|(name, _)| *name == function) {
            Some((_, wanted)) if *wanted != given => {
                let noun = if *wanted == 1 { "argument" } else { "arguments" };
                fault(place, format!("`{function}` takes {wanted} {noun}, not {given}"))
            }
            _ => Ok(()),
        }
    }

    fn comma(&mut self, at: usize) -> Result<(), Fault> {
        self.ended = false;
        match self.open.last_mut() {
            Some(open) => {
                open.commas += 1;
                Ok(())
            }
            None => fault(at, "`,` joins nothing; conditions are joined with `&&` or `||`"),
        }
    }
}

fn begins_name(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

fn continues_name(character: char) -> bool {
    begins_name(character) || character.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_indexes_and_keys() {
        let text = "@.a1.e5 == 1.50 && '2.5' != @[3] || @['4.5', 6, -7:8 : 9][?-6e-7 < @, 1] || \
                    0.1E+2 > 8 && match( @.a, 11)";
        let numbers = read(text).unwrap().numbers;
        let numbers: Vec<&str> = numbers.into_iter().map(|place| &text[place]).collect();
        assert_eq!(numbers, ["1.50", "-6e-7", "0.1E+2", "8", "11"]);
    }

    #[test]
    fn clauses_end_at_operators_outside_of_brackets_and_strings() {
        let lexis = read(" @.a && (@.b || @.c)||@[?@.d && @.e] && @.f == '&& ||' ").unwrap();
        assert_eq!(lexis.clauses, ["@.a", "(@.b || @.c)", "@[?@.d && @.e]", "@.f == '&& ||'"]);
    }

    #[test]
    fn faults_have_the_offset_of_their_cause() {
        for (text, at) in [
            ("@.é = 1", 5),
            ("@.a == 'é' @", 12),
            ("(@.a", 0),
            ("@.a ]", 4),
            ("@.a == 'x", 7),
            ("@.a.", 4),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
    }
}
