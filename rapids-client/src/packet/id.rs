//! The ids of packets.

use std::fmt::Display;

use bytestring::ByteString;
use uuid::Uuid;

use crate::derived_uuid::derived_uuid;

/// The longest id that counts as one: the rest of a subject or of a header needs room, too.
pub(super) const MAX_ID_BYTES: usize = 256;

/// The name space of the ids that are derived from a handled packet.
const DERIVED_IDS: Uuid = Uuid::from_u128(0x7f0a_53d1_8b64_5c1e_9d0e_6f1d_9b5f_3a27);

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

/// The id of the packet at `position` among those that `river` of `service` publishes when it handles the
/// packet `cause`.
pub(crate) fn effect_id(
    cause: &str,
    service: &str,
    river: &str,
    position: impl Display,
) -> ByteString {
    let position = position.to_string();
    let name = [cause, "\u{1f}", service, "\u{1f}", river, "\u{1f}", &position];
    written(derived_uuid(&DERIVED_IDS, &name))
}

fn written(id: Uuid) -> ByteString {
    (&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).into()
}
