//! The ids of packets.

use bytestring::ByteString;
use uuid::Uuid;

/// The longest id that counts as one: the rest of a subject or of a header needs room, too.
pub(super) const MAX_ID_BYTES: usize = 256;

/// The name space of the ids that are derived from a handled packet.
const DERIVED_IDS: Uuid = Uuid::from_u128(0x7f0a_53d1_8b64_5c1e_9d0e_6f1d_9b5f_3a27);

/// Whether a text can be an id: it must fit into a header and a log line.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains(char::is_control)
}

/// An id that no other packet has.
pub(super) fn new_id() -> ByteString {
    written(Uuid::now_v7())
}

/// An id that is the same for the same name.
pub(super) fn derived_id(name: &str) -> ByteString {
    written(Uuid::new_v5(&DERIVED_IDS, name.as_bytes()))
}

fn written(id: Uuid) -> ByteString {
    (&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).into()
}
