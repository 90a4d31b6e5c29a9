//! The key under which a packet's memory is kept.

use std::fmt;

use crate::condition::{Evaluation, Path, TooCostly, is_path, text_literal};
use crate::json::Kind;
use crate::memory::EntryKey;
use crate::memory::entry_key::MAX_KEY_BYTES;
use crate::packet::Packet;

/// The steps that encoding takes for each byte of a key.
const ENCODE_BYTE: usize = 50;

/// The name of a memory and the [key](EntryKey) within it, encoded for the server's key-value store: what is
/// not a letter, a digit, `-` or `_` becomes `=` and two hex digits per byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryKey(String);

impl MemoryKey {
    /// The key of an entry in the memory of this name.
    #[must_use]
    pub fn new(memory: &str, key: impl Into<EntryKey>) -> Self {
        Self(format!("{memory}.{}", key.into().encoded()))
    }
}

impl fmt::Display for MemoryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for MemoryKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl MemoryKey {
    /// The key of a record that is stored under this name.
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// Where a river finds the key.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    Constant(Box<str>),
    Path(Path),
}

impl KeySource {
    /// A text in quotes is the one key of all packets; anything else has to be a path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with(['\'', '"']) {
            return text_literal(text).map(Self::Constant).map_err(|error| error.to_string());
        }
        Path::to_field(text).map(Self::Path).map_err(|error| match is_path(text) {
            true => error.to_string(),
            false => format!("{error}; one memory for all packets has a text as its key"),
        })
    }

    /// The key of a packet, or the problem with it.
    pub(crate) fn of(&self, memory: &str, packet: &Packet) -> Result<MemoryKey, String> {
        self.found(memory, packet.shows_values(), &Evaluation::of(packet.node(), 1))
            .unwrap_or_else(|error| Err(format!("the key of memory `{memory}` {error}")))
    }

    /// As [`of`](Self::of), as part of an evaluation.
    pub(crate) fn found<'a>(
        &'a self,
        memory: &str,
        shows_values: bool,
        evaluation: &Evaluation<'a>,
    ) -> Result<Result<MemoryKey, String>, TooCostly> {
        Ok(self.entry_key(evaluation)?.and_then(|key| {
            if key.is_too_long() {
                let begins = format!(": {:.40}...", key.encoded());
                let begins = if shows_values { begins.as_str() } else { "" };
                return Err(format!("memory key is longer than {MAX_KEY_BYTES} bytes{begins}"));
            }
            Ok(MemoryKey::new(memory, key))
        }))
    }

    /// The key, the same for equal values only, or why the value cannot be one.
    pub(crate) fn entry_key<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Result<EntryKey, String>, TooCostly> {
        let path = match self {
            Self::Constant(text) => return Ok(Ok(EntryKey::from(&**text))),
            Self::Path(path) => path,
        };
        let node = path.find(evaluation)?;
        if let Some(repeated) = path.repeated_key(evaluation)? {
            return Ok(Err(format!("the body repeats the key `{repeated}`")));
        }
        let Some(node) = node else {
            return Ok(Err(format!("memory key {path} is missing")));
        };
        let kind = node.kind();
        if !matches!(kind, Kind::Array | Kind::Object) {
            evaluation.spend(node.raw().map_or(0, str::len).saturating_mul(ENCODE_BYTE))?;
        }
        Ok(match kind {
            Kind::Null => Err(format!("memory key {path} is null")),
            Kind::String(text) => Ok(EntryKey::of_bytes(text.bytes())),
            Kind::Number(literal) => Ok(EntryKey::of_number(literal)),
            Kind::Bool(value) => Ok(EntryKey::from(value)),
            Kind::Array | Kind::Object => {
                Err(format!("memory key {path} is no string, number or boolean"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(body: &str) -> Result<String, String> {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        KeySource::parse("@.k").unwrap().of("m", &packet).map(|key| key.to_string())
    }

    #[test]
    fn keys_stay_readable_and_apart() {
        assert_eq!(key(r#"{"k":"o-1_A"}"#).unwrap(), "m.o-1_A");
        assert_eq!(key(r#"{"k":"a.b =é"}"#).unwrap(), "m.a=2Eb=20=3D=C3=A9");
        assert_eq!(key(r#"{"k":""}"#).unwrap(), "m.=");
        assert_eq!(key(r#"{"k":true}"#).unwrap(), "m.=btrue");
        assert_eq!(key(r#"{"k":7}"#), key(r#"{"k":7.0}"#));
        assert_ne!(key(r#"{"k":7}"#), key(r#"{"k":"7"}"#));
        assert_ne!(key(r#"{"k":"\ud800"}"#), key(r#"{"k":"\ud801"}"#));
    }

    #[test]
    fn a_key_that_is_none_is_a_problem() {
        assert_eq!(key("{}").unwrap_err(), "memory key @.k is missing");
        assert_eq!(key(r#"{"k":null}"#).unwrap_err(), "memory key @.k is null");
        assert_eq!(
            key(r#"{"k":[]}"#).unwrap_err(),
            "memory key @.k is no string, number or boolean"
        );
        assert_eq!(key(r#"{"k":1,"k":2}"#).unwrap_err(), "the body repeats the key `@.k`");
        assert!(key(&format!(r#"{{"k":"{}"}}"#, "x".repeat(600))).unwrap_err().contains("longer"));
    }

    #[test]
    fn a_constant_key_serves_every_packet() {
        for text in ["'stock'", "\"stock\""] {
            let source = KeySource::parse(text).unwrap();
            assert_eq!(source.of("m", &Packet::event("x")).unwrap().to_string(), "m.stock");
        }
        let quoted = KeySource::parse(r"'it\'s'").unwrap();
        assert_eq!(quoted.of("m", &Packet::event("x")).unwrap().to_string(), "m.it=27s");
    }

    #[test]
    fn a_key_that_is_neither_path_nor_text_is_refused_with_the_form_meant() {
        let said = |text: &str| KeySource::parse(text).unwrap_err();
        assert_eq!(
            said("order_id"),
            "expression `order_id` is wrong at column 1: `order_id` stands alone; the key of a \
             packet is `@.order_id`, a text is `'order_id'`; one memory for all packets has a \
             text as its key"
        );
        assert!(said("'a").contains("the string that begins here never ends"));
        assert!(said("'a' == @.b").contains("is no text alone"), "{}", said("'a' == @.b"));
        assert!(said("@type").contains("`@['@type']`"));
        assert!(said("@").contains("the whole packet"));
        assert!(said("@.a[*]").contains("several places"));
    }
}
