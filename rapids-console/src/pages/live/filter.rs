//! The expression that says which packets are shown, and what is wrong with one.

use std::sync::Arc;

use rapids_client::{ExpressionError, Packet, River, Verdict};

use crate::fault::{Fault, Result};
use crate::text::{Mask, shown};

/// The longest expression, in bytes.
const LONGEST: usize = 4_000;
/// So much of it is shown on each side of a fault, in characters.
const AROUND: usize = 30;

/// Which packets are shown. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// `None` takes every packet.
    river: Option<Arc<River>>,
}

/// What is wrong with an expression, fit to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) said: String,
    /// The expression around the character at fault, if that is known.
    pub(super) before: String,
    pub(super) at: String,
    pub(super) behind: String,
}

impl Filter {
    /// Reads an expression; an empty one takes every packet.
    pub(super) fn read(text: &str, mask: &Mask) -> std::result::Result<Self, Wrong> {
        if text.trim().is_empty() {
            return Ok(Self { river: None });
        }
        let refused = |said: &str| Wrong { said: said.to_owned(), ..Wrong::default() };
        if text.len() > LONGEST {
            return Err(refused("The expression is too long: at most 4,000 bytes are read."));
        }
        River::check_expression(text).map_err(|error| Wrong::of(text, &error))?;
        if mask.may_be_read_by(text) {
            return Err(refused(
                "This could read a masked value, and which packets match would tell what it is. With a mask, \
                 expressions may not name a masked field, nor reach fields without their name (`..`, `*`, `[?`).",
            ));
        }
        Ok(Self { river: Some(Arc::new(River::new("live").when(text))) })
    }

    /// The packets that match, in their order. A packet on which the expression is too costly does not.
    ///
    /// # Errors
    /// If evaluating it panics.
    pub(super) async fn sift(&self, mut packets: Vec<Packet>) -> Result<Vec<Packet>> {
        let Some(river) = self.river.clone() else { return Ok(packets) };
        // One packet can take most of a second, which other pages are not to wait for.
        let sifting = tokio::task::spawn_blocking(move || {
            packets.retain(|packet| river.judge(packet) == Verdict::Matches);
            packets
        });
        sifting.await.map_err(Fault::internal)
    }
}

impl Wrong {
    fn of(text: &str, error: &ExpressionError) -> Self {
        let reason = error.reason();
        let Some(column) = error.column() else {
            let said = match error.clause() {
                Some(clause) => format!("In `{clause}`: {reason}"),
                None => reason.to_owned(),
            };
            return Self { said: shown(said), ..Self::default() };
        };
        let characters: Vec<char> = text.chars().collect();
        let at = column.saturating_sub(1).min(characters.len());
        let part = |from: usize, to: usize| -> String { characters[from..to].iter().collect() };
        let next = (at + 1).min(characters.len());
        let (first, last) = (at.saturating_sub(AROUND), (next + AROUND).min(characters.len()));
        Self {
            said: shown(format!("Column {column}: {reason}")),
            before: shown(part(first, at)),
            // A fault at the end has no character of its own.
            at: if at == next { "␣".to_owned() } else { shown(part(at, next)) },
            behind: shown(part(next, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str, mask: &str) -> Wrong {
        Filter::read(text, &mask.parse().unwrap()).unwrap_err()
    }

    #[test]
    fn a_fault_is_told_with_its_column_and_shown_at_its_place() {
        let fault = wrong("@.total >> 1", "");
        assert!(fault.said.starts_with("Column 10: "), "{fault:?}");
        assert_eq!((&*fault.before, &*fault.at, &*fault.behind), ("@.total >", ">", " 1"));
        let at_the_end = wrong("@.total >", "");
        assert!(at_the_end.said.starts_with("Column "), "{at_the_end:?}");
        assert_eq!(&*at_the_end.at, "␣");
    }

    #[test]
    fn what_could_tell_a_masked_value_is_refused() {
        assert!(wrong("@.customer == 'ada'", "customer").said.contains("masked"));
        assert!(Filter::read("@.total > 1", &"customer".parse().unwrap()).is_ok());
        assert!(Filter::read(" ", &"customer".parse().unwrap()).unwrap().river.is_none());
        assert!(wrong(&"@".repeat(4_001), "").said.contains("too long"));
    }

    #[tokio::test]
    async fn packets_that_match_keep_their_order() {
        let packet = |body: &str| Packet::from_bytes(body.to_owned()).unwrap();
        let all = vec![packet(r#"{"a":1}"#), packet(r#"{"a":5}"#), packet(r#"{"a":3}"#)];
        let filter = Filter::read("@.a > 2", &Mask::default()).unwrap();
        let found = filter.sift(all.clone()).await.unwrap();
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [r#"{"a":5}"#, r#"{"a":3}"#]
        );
        assert_eq!(Filter::read("", &Mask::default()).unwrap().sift(all).await.unwrap().len(), 3);
    }
}
