//! Whose contents are meant.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::condition::{Evaluation, Expression};
use crate::effects::Effects;
use crate::json::Node;
use crate::memory::{EntryKey, Json};
use crate::names::encoded;
use crate::packet::Packet;
use crate::river::{River, Verdict};
use crate::timer::TimerId;
use crate::{Error, Result};

/// What an expression is true of, and what has one of these keys.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    /// Its conditions are the expression.
    river: River,
    expression: Expression,
    /// Encoded.
    keys: BTreeSet<String>,
    given: usize,
}

/// Whether something is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    Meant,
    Other,
    /// It is no packet, repeats a key on a path of the expression, or takes too much to judge.
    Unknown,
}

impl From<bool> for Judged {
    fn from(is_meant: bool) -> Self {
        if is_meant { Self::Meant } else { Self::Other }
    }
}

impl Meant {
    /// # Errors
    /// `Definition` for a wrong expression, with the place of the fault.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let expression = Expression::parse(text).map_err(|error| Error::Definition {
            of: "the erasure".to_owned(),
            faults: vec![error.to_string()],
        })?;
        let river = River::new("erasure").when(text);
        Ok(Self { river, expression, keys: BTreeSet::new(), given: 0 })
    }

    /// Entries of memories and timers with this key are meant, too: a text, or the number or boolean that it reads
    /// as.
    pub(crate) fn add_key(&mut self, key: &str) {
        self.given += 1;
        self.keys.insert(encoded(key));
        self.keys.extend(EntryKey::number_or_boolean(key).map(|key| key.encoded().to_owned()));
    }

    pub(crate) fn text(&self) -> &str {
        self.expression.text()
    }

    /// How many keys were given.
    pub(crate) fn keys(&self) -> usize {
        self.given
    }

    /// A packet, as rivers judge it.
    pub(crate) fn packet(&self, packet: &Packet) -> Judged {
        match self.river.judge(packet) {
            Verdict::Matches => Judged::Meant,
            Verdict::NotForMe => Judged::Other,
            Verdict::Looped | Verdict::Invalid(_) | Verdict::TooCostly(_) => Judged::Unknown,
        }
    }

    /// The body of a packet.
    pub(crate) fn body(&self, body: &Bytes) -> Judged {
        let packet = Packet::from_bytes(body.clone());
        packet.map_or(Judged::Unknown, |packet| self.packet(&packet))
    }

    /// What a reaction led to: meant if one of its packets is.
    pub(crate) fn effects(&self, effects: &Effects) -> Judged {
        let judged: Vec<_> = effects.all_packets().map(|packet| self.packet(packet)).collect();
        match judged.contains(&Judged::Unknown) && !judged.contains(&Judged::Meant) {
            true => Judged::Unknown,
            false => judged.contains(&Judged::Meant).into(),
        }
    }

    /// The value of an entry of a memory.
    pub(crate) fn value(&self, value: &Json) -> Judged {
        let holds = self.expression.holds(&Evaluation::of(Node::Raw(value.get()), 1));
        holds.map_or(Judged::Unknown, Judged::from)
    }

    /// Whether the key of an entry, encoded, is meant.
    pub(crate) fn key(&self, encoded: &str) -> bool {
        self.keys.contains(encoded)
    }

    /// Whether the key of a timer is meant.
    pub(crate) fn timer(&self, timer: &TimerId) -> bool {
        timer.encoded_key().is_some_and(|key| self.keys.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_judged_as_rivers_judge_them_and_what_cannot_be_is_told() {
        let meant = Meant::parse("@.customer == 'ada'").unwrap();
        for (body, expected) in [
            (r#"{"customer":"ada"}"#, Judged::Meant),
            (r#"{"customer":"bob"}"#, Judged::Other),
            (r#"{"customer":"ada","customer":"bob"}"#, Judged::Unknown),
            (r#"["ada"]"#, Judged::Unknown),
        ] {
            assert_eq!(meant.body(&Bytes::from(body)), expected, "{body}");
        }
    }

    #[test]
    fn an_expression_can_look_at_every_depth() {
        let meant = Meant::parse("@..[?@.customer == 'ada']").unwrap();
        for (body, expected) in [
            (r#"{"orders":[{"customer":"bob"},{"for":{"customer":"ada"}}]}"#, Judged::Meant),
            (r#"{"orders":[{"customer":"bob"}]}"#, Judged::Other),
        ] {
            assert_eq!(meant.body(&Bytes::from(body)), expected, "{body}");
        }
    }

    #[test]
    fn of_what_a_reaction_returned_one_packet_that_is_meant_is_enough() {
        let meant = Meant::parse("@.customer == 'ada'").unwrap();
        let of = |customers: &[&str]| {
            let packet = |it: &&str| Packet::event("x").with("customer", *it);
            let packets = customers.iter().map(packet).collect();
            meant.effects(&Effects { packets, timers: Box::default() })
        };
        assert_eq!(of(&[]), Judged::Other);
        assert_eq!(of(&["bob"]), Judged::Other);
        assert_eq!(of(&["bob", "ada"]), Judged::Meant);
    }

    #[test]
    fn keys_are_meant_as_texts_and_as_what_they_read_as() {
        let mut meant = Meant::parse("@.x").unwrap();
        meant.add_key("ada l");
        meant.add_key("7");
        for key in [EntryKey::from("ada l"), EntryKey::from("7"), EntryKey::from(7_u64)] {
            assert!(meant.key(key.encoded()), "{key}");
        }
        assert!(!meant.key(EntryKey::from("ada").encoded()));
        assert!(meant.timer(&TimerId::new("order", "due", "ada l").unwrap()));
        assert!(!meant.timer(&TimerId::new("order", "due", "ada").unwrap()));
        assert!(!meant.timer(&TimerId::every("due").unwrap()));
    }

    #[test]
    fn a_wrong_expression_is_told_with_its_place() {
        let error = Meant::parse("@.total >> 1").unwrap_err().to_string();
        assert!(error.contains("expression `@.total >> 1` is wrong at column 10: "), "{error}");
    }
}
