//! The members of an object in their order and their original text: the fields of a packet.
//!
//! What the keys mean is left to [`packet`](crate::packet).

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use super::depth::{MAX_DEPTH, check_depth, deepest};
use super::finite;
use super::member::{Member, each_member, write_string};
use super::nested::replaced;
use super::step::Step;
use super::text::Text;
use super::unquoted::unquoted;

/// Some programs write it in front of UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Room for the members of most packets, and for the text that most packets set.
const MEMBERS: usize = 12;
const ROOM: usize = 256;

/// Top-level members in order. A repeated key stays, so that bytes and meaning survive.
///
/// All of them share two texts, one that was read and one that was set, so a field costs no
/// allocation of its own.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    read: ByteString,
    /// How deep it nests, if that is deeper than it may.
    beyond: Option<usize>,
    /// The keys and values that were set. The spans count its bytes on from those of `read`.
    set: String,
    members: Vec<Spans>,
}

/// Where the key and the value of a member stand in the two texts.
#[derive(Debug, Clone)]
struct Spans {
    /// With its quotes.
    key: Range<usize>,
    value: Range<usize>,
    /// What a key with escapes stands for.
    unescaped: Option<Box<[u8]>>,
}

impl Fields {
    pub(crate) fn new() -> Self {
        Self {
            read: ByteString::new(),
            beyond: None,
            set: String::with_capacity(ROOM),
            members: Vec::with_capacity(MEMBERS),
        }
    }

    /// Reads a body, or says what is wrong with it.
    pub(crate) fn parse(body: Bytes) -> Result<Self, String> {
        let fields = Self::parse_any_depth(body)?;
        fields.beyond_limits().map_or(Ok(fields), Err)
    }

    /// Reads a body, or says why it is no JSON object. It may nest too deep to be looked into: see
    /// [`beyond_limits`](Self::beyond_limits).
    pub(crate) fn parse_any_depth(body: Bytes) -> Result<Self, String> {
        let body = without_mark(body)?;
        let Some(first) = body.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return Err("it is empty".into());
        };
        let is_array = *first == b'[';
        let read = ByteString::try_from(body)
            .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
        if is_array {
            return Err("a JSON array, not an object".into());
        }
        let mut members = Vec::with_capacity(MEMBERS);
        let shown = each_member(&read, |member| {
            members.push(Spans {
                key: range(&read, member.key),
                value: range(&read, member.value),
                unescaped: match member.name {
                    Text::Sent(_) => None,
                    Text::Decoded(name) => Some((*name).into()),
                },
            });
        });
        shown.map_err(|error| format!("not a JSON object: {}", unquoted(&error)))?;
        let beyond = Some(deepest(&read)).filter(|depth| *depth > MAX_DEPTH);
        Ok(Self { read, beyond, set: String::new(), members })
    }

    /// Why nobody may look into the body, although it is JSON.
    pub(crate) fn beyond_limits(&self) -> Option<String> {
        self.beyond.map(|depth| format!("nested {depth} levels deep, the limit is {MAX_DEPTH}"))
    }

    /// The body that was read.
    pub(crate) fn read(&self) -> &ByteString {
        &self.read
    }

    /// How many bytes all keys and values have at most.
    pub(crate) fn size(&self) -> usize {
        self.read.len() + self.set.len()
    }

    /// How many members there are.
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.members.iter().map(|spans| {
            let key = self.text(&spans.key);
            let name = spans.unescaped.as_deref().unwrap_or(&key.as_bytes()[1..key.len() - 1]);
            Member { name: Text::Sent(name), key, value: self.text(&spans.value) }
        })
    }

    /// The first value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|member| member.name == key).map(|member| member.value)
    }

    fn text(&self, span: &Range<usize>) -> &str {
        match span.start.checked_sub(self.read.len()) {
            Some(start) => &self.set[start..span.end - self.read.len()],
            None => &self.read[span.clone()],
        }
    }

    /// Replaces every occurrence of a key by one value, or appends it.
    pub(crate) fn set<T: Serialize + ?Sized>(
        &mut self,
        key: &str,
        value: &T,
    ) -> Result<(), String> {
        if self.get(key).is_some() {
            let value = finite::to_json(value)?;
            check_depth(1, &value)?;
            self.replace(key, &value);
            return Ok(());
        }
        let begin = self.set.len();
        write_string(&mut self.set, key);
        let end = self.set.len();
        let written =
            finite::write(&mut self.set, value).and_then(|()| check_depth(1, &self.set[end..]));
        if written.is_err() {
            self.set.truncate(begin);
            return written;
        }
        let at = |start: usize, end: usize| self.read.len() + start..self.read.len() + end;
        let unescaped = (end - begin != key.len() + 2).then(|| key.as_bytes().into());
        self.members.push(Spans { key: at(begin, end), value: at(end, self.set.len()), unescaped });
        Ok(())
    }

    /// Sets a value below a top-level key, making the objects on the way.
    pub(crate) fn set_path<T: Serialize + ?Sized>(
        &mut self,
        steps: &[Step],
        value: &T,
    ) -> Result<(), String> {
        let (key, rest) = match steps {
            [Step::Name(key)] => return self.set(key, value),
            [Step::Name(key), rest @ ..] => (key, rest),
            _ => return Err("does not begin with the name of a field".into()),
        };
        let value = finite::to_json(value)?;
        check_depth(steps.len(), &value)?;
        let value = replaced(self.get(key), rest, value)?;
        if self.get(key).is_none() {
            // Adds the key, so that there is a value to replace.
            self.set(key, "")?;
        }
        self.replace(key, &value);
        Ok(())
    }

    /// Replaces every occurrence of a key that is there by one value.
    fn replace(&mut self, key: &str, value: &str) {
        let is_here: Vec<bool> = self.iter().map(|member| member.name == key).collect();
        let Some(first) = is_here.iter().position(|is_here| *is_here) else {
            return;
        };
        let old = self.members[first].value.clone();
        let read = self.read.len();
        if old.start < read {
            let start = read + self.set.len();
            self.set.push_str(value);
            self.members[first].value = start..start + value.len();
        } else {
            self.set.replace_range(old.start - read..old.end - read, value);
            let moved = |at: usize| {
                if at >= old.end { at - old.end + old.start + value.len() } else { at }
            };
            for spans in &mut self.members {
                for range in [&mut spans.key, &mut spans.value] {
                    *range = moved(range.start)..moved(range.end);
                }
            }
        }
        let mut position = 0;
        self.members.retain(|_| {
            position += 1;
            position <= first + 1 || !is_here[position - 1]
        });
    }
}

/// The body without its byte order mark, which RFC 8259 lets readers ignore.
fn without_mark(body: Bytes) -> Result<Bytes, String> {
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16; a packet is UTF-8".into());
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        return Ok(body.slice(BYTE_ORDER_MARK.len()..));
    }
    Ok(body)
}

/// Where a part of a text stands in it.
fn range(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(body: &[u8]) -> String {
        Fields::parse(Bytes::copy_from_slice(body)).unwrap_err()
    }

    #[test]
    fn bodies_that_are_no_object_are_refused_with_the_reason() {
        assert_eq!(reason(b" \n"), "it is empty");
        assert_eq!(reason(b"[]"), "a JSON array, not an object");
        assert!(reason(b"not json").starts_with("not a JSON object: "));
        assert!(reason(b"{\"a\":1} x").starts_with("not a JSON object: trailing"));
        assert_eq!(reason(b"{\"a\":\"\xff\"}"), "not UTF-8 from byte 7 on");
        for unescaped in ["{\"\u{0}\":1}", "{\"\\n\n\":1}", "{\"a\":\"\t\"}"] {
            let reason = reason(unescaped.as_bytes());
            assert!(reason.contains("control character"), "{unescaped:?}: {reason}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(reason(deep.as_bytes()), "nested 10001 levels deep, the limit is 127");
    }

    #[test]
    fn brackets_inside_strings_do_not_count_as_depth() {
        let body = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(500));
        assert!(Fields::parse(body.into()).is_ok());
    }

    fn members(fields: &Fields) -> Vec<String> {
        fields.iter().map(|member| format!("{}={}", member.key, member.value)).collect()
    }

    #[test]
    fn setting_a_repeated_key_leaves_one() {
        let mut fields = Fields::parse(r#"{"a":1,"b":2,"\u0061":3}"#.into()).unwrap();
        fields.set("a", &9).unwrap();
        assert_eq!(members(&fields), [r#""a"=9"#, r#""b"=2"#]);
        let mut fields = Fields::parse(r#"{"o":{"a":1,"b":2,"a":{"c":3}}}"#.into()).unwrap();
        let steps = ["o", "a"].map(|name| Step::Name(name.to_owned()));
        fields.set_path(&steps, &9).unwrap();
        assert_eq!(fields.get("o"), Some(r#"{"a":9,"b":2}"#));
    }

    #[test]
    fn fields_that_are_set_again_and_again_keep_their_places_and_their_room() {
        let mut fields = Fields::parse(r#"{"r":"read","\u0073":0}"#.into()).unwrap();
        for round in 0..3 {
            for key in ["a", "r", "b\n", "s", "c"] {
                let long = key.repeat(7 - 2 * round);
                fields.set(key, &long).unwrap();
                assert_eq!(fields.get(key), Some(&*format!("{long:?}")));
            }
            assert!(fields.set("never", &f64::NAN).is_err());
        }
        let last = [
            r#""r"="rrr""#,
            r#""\u0073"="sss""#,
            r#""a"="aaa""#,
            r#""b\n"="b\nb\nb\n""#,
            r#""c"="ccc""#,
        ];
        assert_eq!(members(&fields), last);
        let live: usize = fields.iter().map(|member| member.key.len() + member.value.len()).sum();
        assert!(fields.set.len() <= live, "{}", fields.set);
    }
}
