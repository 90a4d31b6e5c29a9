//! Tells from the bytes of a message which conversations it may belong to.
//!
//! Nearly every message belongs to a conversation that nobody waits for, and reading a packet takes longer
//! than a look for one key.

use memchr::{memchr, memmem};

/// The key, as nearly every packet has it. A backslash in the body is taken for another way to write it.
const KEY: &[u8] = b"\"correlation_id\"";

/// Whether a message names a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Certainly none of those.
    Nothing,
    Perhaps,
}

/// Whether a message with this id of its own may belong to a conversation that `is_one` is true of.
pub(super) fn named(own: Option<&str>, body: &[u8], is_one: impl Fn(&str) -> bool) -> Named {
    if own.is_some_and(&is_one) || memchr(b'\\', body).is_some() {
        return Named::Perhaps;
    }
    let (mut rest, mut names) = (body, 0);
    while let Some(at) = memmem::find(rest, KEY) {
        rest = &rest[at + KEY.len()..];
        if let Some(id) = text_behind_colon(rest) {
            names += 1;
            if is_one(id) {
                return Named::Perhaps;
            }
        }
    }
    // A packet that names no conversation begins one, with the id that its message or its body has.
    if names == 0 && own.is_none() { Named::Perhaps } else { Named::Nothing }
}

/// The text of a member, from behind its key.
fn text_behind_colon(rest: &[u8]) -> Option<&str> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let text = value.strip_prefix(b"\"")?;
    std::str::from_utf8(&text[..memchr(b'"', text)?]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;

    fn is_possible(own: Option<&str>, body: &str) -> bool {
        named(own, body.as_bytes(), |id| id == "c-1") == Named::Perhaps
    }

    #[test]
    fn whatever_may_belong_to_a_conversation_is_read() {
        for (own, body, expected) in [
            (Some("x"), r#"{"event":"x","rapids":{"id":"x","correlation_id":"c-1"}}"#, true),
            (Some("x"), r#"{"event":"x","rapids":{"id":"x","correlation_id":"c-2"}}"#, false),
            (Some("x"), r#"{"rapids":{"correlation_id" : "c-1"},"event":"x"}"#, true),
            (Some("x"), r#"{"correlation_id":"c-2","rapids":{"correlation_id":"c-1"}}"#, true),
            (Some("x"), r#"{"rapids":{"correlation_id":"c-1"},"correlation_id":"c-2"}"#, true),
            (Some("x"), r#"{"rapids":{"correlation_id":"c\u002d1"}}"#, true),
            (Some("x"), r#"{"rapids":{"correlation\u005fid":"c-1"}}"#, true),
            (Some("x"), r#"{"event":"x"}"#, false),
            (Some("c-1"), r#"{"event":"x"}"#, true),
            (None, r#"{"event":"x","rapids":{"id":"c-1"}}"#, true),
            (None, r#"{"event":"x"}"#, true),
            (Some("x"), r#"{"correlation_id"#, false),
            (Some("x"), "", false),
        ] {
            assert_eq!(is_possible(own, body), expected, "{own:?} {body}");
        }
    }

    #[test]
    fn what_the_library_writes_is_told_apart() {
        let packet = Packet::event("x").with("text", "y");
        let written = packet.written();
        let of = |id: &str| named(Some("m"), &written, |asked| asked == id);
        assert_eq!(of(packet.correlation_id()), Named::Perhaps);
        assert_eq!(of("another"), Named::Nothing);
    }
}
