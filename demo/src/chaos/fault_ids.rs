//! The ids that faults name, and the packets about them.

use std::collections::HashSet;

use anyhow::Result;
use rapids_client::{DeadLetter, Error, Packet, Rapids, Start};

use crate::verify::Fact;

/// The ids of packets, conversations and orders that faults name.
#[derive(Debug)]
pub(crate) struct FaultIds(HashSet<String>);

impl FaultIds {
    /// Finds the ids in the faults of these facts.
    pub(crate) fn of(facts: &[Fact]) -> Self {
        let faults = facts.iter().flat_map(|fact| &fact.faults);
        let is_of_an_id = |character: char| character.is_alphanumeric() || "-_".contains(character);
        let words = faults.flat_map(|fault| fault.split(move |c| !is_of_an_id(c)));
        // Shorter words are no ids.
        Self(words.filter(|word| word.len() >= 16).map(str::to_owned).collect())
    }

    /// Whether a fault names the packet, its order or its conversation.
    fn name_packet(&self, packet: &Packet) -> bool {
        let order_id = packet.get::<String>("order_id").ok().flatten().unwrap_or_default();
        let ids = [packet.id(), packet.correlation_id(), &order_id];
        ids.into_iter().chain(packet.causation_id()).any(|id| self.0.contains(id))
    }

    /// Whether a fault names the packet of the letter, or its conversation.
    pub(crate) fn name_letter(&self, letter: &DeadLetter) -> bool {
        self.0.contains(&letter.packet_id) || self.0.contains(&letter.correlation_id)
    }

    /// Reads every packet up to the sequence `last` that a fault names: its sequence and its body.
    ///
    /// # Errors
    /// If the rapids cannot be read.
    pub(crate) async fn history(&self, rapids: &Rapids, last: u64) -> Result<Vec<String>> {
        let mut history = Vec::new();
        let mut tail = rapids.tail(Start::Beginning).await?;
        for _ in 0..last {
            match tail.next().await {
                Ok(packet) if self.name_packet(&packet) => {
                    let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
                    history.push(format!("{sequence}\t{packet}"));
                }
                Ok(_) | Err(Error::Malformed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_conversation_that_a_fault_names_belong_to_its_history() {
        let command = Packet::command("place_order");
        let faults = vec![format!("order 1 ({}) has order_placed x2", command.id())];
        let ids = FaultIds::of(&[Fact { claim: "x".to_owned(), faults }]);
        assert!(ids.name_packet(&command));
        assert!(ids.name_packet(&Packet::event("order_placed").with("order_id", command.id())));
        assert!(!ids.name_packet(&Packet::event("order_placed").with("order_id", "o-2")));
    }
}
