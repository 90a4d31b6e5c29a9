//! The ids of packets.

use std::fmt::Display;

use bytestring::ByteString;
use jiff::Timestamp;
use uuid::Uuid;

use crate::derived_uuid::derived_uuid;
use crate::id_key::IdKey;

/// The longest id that counts as one: the rest of a subject or of a header needs room, too.
pub(super) const MAX_ID_BYTES: usize = 256;

/// The name space of the ids that are derived from a handled packet.
const DERIVED_IDS: Uuid = Uuid::from_u128(0x7f0a_53d1_8b64_5c1e_9d0e_6f1d_9b5f_3a27);

/// Stands between the parts of the name that an id is derived from.
const SEPARATOR: &str = "\u{1f}";

/// Whether a text can be an id: it must fit into a header and a log line.
pub(super) fn is_id(id: &str) -> bool {
    let is_plain = |plain, byte: u8| plain & (byte.wrapping_sub(b' ') < 0x7f - b' ');
    // Nearly all ids are of such characters only, which many bytes at once are seen to be.
    let has_control = || !id.bytes().fold(true, is_plain) && id.contains(char::is_control);
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !has_control()
}

/// An id that no other packet has.
pub(super) fn new_id() -> ByteString {
    written(Uuid::now_v7())
}

/// How the ids of what a packet leads to are derived: with this key, and the time at which the packet was
/// stored; `None` if from what everybody knows.
pub(crate) type Deriving<'a> = Option<(&'a IdKey, Timestamp)>;

/// The id of the packet at `position` among those that `river` of `service` publishes when it handles the
/// packet `cause`.
pub(crate) fn effect_id(
    deriving: Deriving<'_>,
    cause: &str,
    service: &str,
    river: &str,
    position: impl Display,
) -> ByteString {
    let position = position.to_string();
    derived(deriving, &[cause, SEPARATOR, service, SEPARATOR, river, SEPARATOR, &position])
}

/// The id that stands in for one which others have used first, and for as many that stood in for it before.
pub(crate) fn attempt_id(deriving: Deriving<'_>, first: &str, attempt: u32) -> ByteString {
    derived(deriving, &[first, SEPARATOR, &attempt.to_string()])
}

fn derived(deriving: Deriving<'_>, name: &[&str]) -> ByteString {
    written(match deriving {
        Some((key, time)) => key.uuid(time, name),
        None => derived_uuid(&DERIVED_IDS, name),
    })
}

fn written(id: Uuid) -> ByteString {
    (&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Worked out with the `hmac` and `uuid` of Python.
    #[test]
    fn with_a_key_and_without_one_ids_are_those_that_were_agreed_on() {
        let mut key = [0; 32];
        (0..).zip(&mut key).for_each(|(n, byte)| *byte = n);
        let key = IdKey::new(&key);
        let keyed = Some((&key, "2026-11-21T09:30:00.5Z".parse().unwrap()));
        let ids = |deriving| {
            let first = effect_id(deriving, "a", "payment", "charge", 0);
            let second = attempt_id(deriving, &first, 1);
            [first.to_string(), second.to_string()]
        };
        let expected =
            ["01a1fd70-f3b4-8d0b-b6bd-d07c4cb300d7", "01a1fd70-f3b4-80bf-b90f-ccf29a425810"];
        assert_eq!(ids(keyed), expected);
        let expected =
            ["98d766ea-ca6b-5454-874c-f04915c24e9b", "890d6234-83f4-5088-a99c-b17e892885be"];
        assert_eq!(ids(None), expected);
    }
}
