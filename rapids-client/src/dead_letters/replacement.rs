//! The ids of packets that operators send in place of others.

use uuid::Uuid;

use super::DeadLetter;
use crate::derived_uuid::derived_uuid;
use crate::letter_action::ActionKind;

/// The name space of these ids.
const REPLACEMENT_IDS: Uuid = Uuid::from_u128(0x2c1f_90a7_4be3_5d02_a6f4_31c8_77de_0b19);

/// The id of the packet that the `number`-th action on a letter sends in place of the letter's. It
/// is derived, so an action that is begun again sends the same id.
pub(super) fn id(letter: &DeadLetter, kind: ActionKind, number: usize) -> String {
    let name = format!("{}\u{1f}{}\u{1f}{kind}\u{1f}{number}", letter.packet_id, letter.id);
    derived_uuid(&REPLACEMENT_IDS, &[&name]).to_string()
}
