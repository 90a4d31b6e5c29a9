//! A value in a body: its kind, where it stands, and its elements.
//!
//! What values mean to each other is left to [`compare`](super::compare).

use super::skip;
use super::text::Text;
use super::unreadable::Unreadable;

/// The kind of a value, as its first byte tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number,
    String { escaped: bool },
    Array,
    Object,
}

/// A value by its place in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) start: usize,
    /// Where it ends; the place behind the opening bracket of an array or object.
    pub(super) end: usize,
}

impl Value {
    /// The packet itself, which begins at `start`.
    #[inline]
    pub(super) fn packet(start: usize) -> Self {
        Self { kind: Kind::Object, start, end: start + 1 }
    }

    /// Reads the value that begins at `start`.
    #[inline(always)]
    pub(super) fn read(body: &[u8], start: usize) -> Result<Self, Unreadable> {
        let (kind, end) = match body.get(start).ok_or(Unreadable)? {
            b'"' => {
                let (quote, escaped) = skip::string(body, start + 1)?;
                (Kind::String { escaped }, quote + 1)
            }
            b'{' => (Kind::Object, start + 1),
            b'[' => (Kind::Array, start + 1),
            b'n' => (Kind::Null, skip::scalar(body, start)),
            b't' => (Kind::Bool(true), skip::scalar(body, start)),
            b'f' => (Kind::Bool(false), skip::scalar(body, start)),
            b'-' | b'0'..=b'9' => (Kind::Number, skip::scalar(body, start)),
            _ => return Err(Unreadable),
        };
        Ok(Self { kind, start, end })
    }

    /// The value as it was sent; the opening bracket of an array or object.
    #[inline]
    pub(super) fn bytes(self, body: &[u8]) -> &[u8] {
        &body[self.start..self.end]
    }

    #[inline]
    pub(super) fn is_composite(self) -> bool {
        matches!(self.kind, Kind::Array | Kind::Object)
    }

    /// The inside of a string.
    #[inline]
    pub(super) fn text(self, body: &[u8]) -> Text<'_> {
        let escaped = self.kind == Kind::String { escaped: true };
        Text::sent(&body[self.start + 1..self.end - 1], escaped)
    }

    /// The place behind the value.
    pub(super) fn behind(self, body: &[u8]) -> Result<usize, Unreadable> {
        if self.is_composite() { skip::composite(body, self.end) } else { Ok(self.end) }
    }

    /// The elements of an array, the members of an object; nothing of any other value.
    pub(super) fn children(self, body: &[u8]) -> Children<'_> {
        Children { body, of: self.kind, at: self.end, last: None }
    }
}

/// The values of an array or object, one after the other.
#[derive(Debug)]
pub(super) struct Children<'b> {
    body: &'b [u8],
    of: Kind,
    at: usize,
    last: Option<Value>,
}

impl<'b> Children<'b> {
    /// The next value, behind its key in an object.
    pub(super) fn next(&mut self) -> Result<Option<(Option<Text<'b>>, Value)>, Unreadable> {
        if let Some(last) = self.last.take() {
            self.at = last.behind(self.body)?;
        }
        let key = match self.of {
            Kind::Object => match next_key(self.body, self.at)? {
                Some((key, value)) => {
                    self.at = value;
                    Some(key)
                }
                None => return Ok(None),
            },
            Kind::Array => match next_element(self.body, self.at)? {
                Some(value) => {
                    self.at = value;
                    None
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let value = Value::read(self.body, self.at)?;
        self.last = Some(value);
        Ok(Some((key, value)))
    }
}

/// Reads the next key of an object and finds its value; `None` at the object's end.
///
/// `at` is behind a value or behind the opening bracket.
#[inline(always)]
pub(super) fn next_key(body: &[u8], at: usize) -> Result<Option<(Text<'_>, usize)>, Unreadable> {
    let start = match next(body, at)? {
        (b'"', quote) => quote + 1,
        (b'}', _) => return Ok(None),
        _ => return Err(Unreadable),
    };
    let (end, escaped) = skip::string(body, start)?;
    let key = Text::sent(&body[start..end], escaped);
    match skip::blanks(body, end + 1)? {
        (b':', colon) => Ok(Some((key, skip::blanks(body, colon + 1)?.1))),
        _ => Err(Unreadable),
    }
}

/// Finds the next element of an array; `None` at the array's end.
#[inline]
pub(super) fn next_element(body: &[u8], at: usize) -> Result<Option<usize>, Unreadable> {
    match next(body, at)? {
        (b']', _) => Ok(None),
        (_, start) => Ok(Some(start)),
    }
}

/// The next byte that is no blank, and one behind a comma.
#[inline(always)]
fn next(body: &[u8], at: usize) -> Result<(u8, usize), Unreadable> {
    match skip::blanks(body, at)? {
        (b',', comma) => skip::blanks(body, comma + 1),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(body: &str) -> Result<Vec<(String, &str)>, Unreadable> {
        let mut children = Value::read(body.as_bytes(), 0)?.children(body.as_bytes());
        let mut found = Vec::new();
        while let Some((key, value)) = children.next()? {
            let mut memory = Vec::new();
            let key = key.map_or(Ok(&b""[..]), |key| key.content(&mut memory))?;
            let key = String::from_utf8(key.to_vec()).unwrap();
            found.push((key, &body[value.start..value.behind(body.as_bytes())?]));
        }
        Ok(found)
    }

    #[test]
    fn children_are_shown_in_their_order() {
        let shown = |body| {
            let children = children(body).unwrap();
            children.iter().map(|(key, value)| format!("{key}={value} ")).collect::<String>()
        };
        assert_eq!(shown(r#"[1, [2,{}] ,"a,]",{"b":[]}]"#), r#"=1 =[2,{}] ="a,]" ={"b":[]} "#);
        assert_eq!(shown("{ \"a\" :\n1,\"\\u0062\":{\"c\":2} }"), "a=1 b={\"c\":2} ");
        assert_eq!(shown("[ ]") + &shown("{}") + &shown("1") + &shown("\"[1]\""), "");
    }

    #[test]
    fn damage_on_the_way_is_unreadable() {
        for body in ["[1", "[x]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\" 1}", "{\"a\":1"] {
            assert_eq!(children(body), Err(Unreadable), "{body}");
        }
    }
}
