//! A packet as a row of the live page.

use rapids_client::Packet;

use crate::frame::{Base, encoded};
use crate::text::{Mask, short};
use crate::times::Time;

/// So much of a body is shown, in bytes.
const LONGEST: usize = 240;
/// So many characters of the end of a conversation's id are shown.
const ID: usize = 6;

/// A packet as a row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) stored: Time,
    pub(super) sequence: u64,
    pub(super) address: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) publisher: String,
    pub(super) conversation: String,
    pub(super) conversation_address: String,
    pub(super) body: String,
}

impl Row {
    pub(super) fn of(packet: &Packet, base: &Base, mask: &Mask) -> Self {
        let (sequence, stored) = packet
            .arrival()
            .map_or((0, packet.created()), |arrival| (arrival.sequence, arrival.stored));
        let names = packet.names();
        let kind = names.first().map_or("", |name| name.kind.key());
        let is_hidden = |query: &str| mask.hides(query);
        let named: Vec<_> = names
            .iter()
            .map(|name| match is_hidden(&format!("@.{}", name.kind.key())) {
                true => "•••",
                false => name.name.as_str(),
            })
            .collect();
        let publisher = packet.shown_publisher().filter(|_| !is_hidden("@.rapids.breadcrumbs"));
        let conversation = packet.correlation_id();
        let begin = conversation.char_indices().rev().nth(ID - 1).map_or(0, |(begin, _)| begin);
        Self {
            stored: stored.into(),
            sequence,
            address: format!("{base}/packets/{sequence}"),
            kind,
            name: short(named.join(" + ")),
            publisher: short(publisher.unwrap_or("–")),
            conversation: short(format!("~{}", &conversation[begin..])),
            conversation_address: format!("{base}/conversations/{}", encoded(conversation)),
            body: mask.on_a_line(&packet.body(), LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str, mask: &str) -> Row {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        Row::of(&packet, &"/r".parse().unwrap(), &mask.parse().unwrap())
    }

    #[test]
    fn a_row_has_names_publisher_and_conversation() {
        let body = r#"{"need":["car","hotel"],"rapids":{"correlation_id":"a/b-3f2a9c","breadcrumbs":["x","trip"]}}"#;
        let row = row(body, "");
        assert_eq!((row.kind, &*row.name, &*row.publisher), ("need", "car + hotel", "trip"));
        assert_eq!(
            (&*row.conversation, &*row.conversation_address),
            ("~3f2a9c", "/r/conversations/a%2Fb-3f2a9c")
        );
        assert_eq!(row.body, body);
    }

    #[test]
    fn masked_values_are_in_no_column() {
        let row = row(r#"{"event":"ada_came","customer":"ada"}"#, "event,customer");
        assert_eq!(row.name, "•••");
        assert!(!row.body.contains("ada"), "{}", row.body);
    }
}
