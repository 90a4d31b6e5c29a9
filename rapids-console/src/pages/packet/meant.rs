//! Which packet an address means: by its sequence or its id, as far as that is known at once.

use rapids_client::{Packet, Rapids, RawMessage, Reference};

use crate::console::Console;
use crate::fault::Result;
use crate::reading::in_stream::is_indexed;

/// What an address means.
#[derive(Debug)]
pub(crate) enum Meant {
    /// What the stream has, be it a packet or not.
    Stored(Box<RawMessage>),
    /// No packet, but the conversation of this id.
    Conversation,
    /// Nothing that is found at once; it may be further back in the stream.
    Older,
    /// The stream has nothing of it.
    Nothing,
}

impl Meant {
    /// # Errors
    /// Those of [`Rapids::packets`].
    pub(crate) async fn of(console: &Console, rapids: &Rapids, text: &str) -> Result<Self> {
        let reference = text.parse().unwrap_or_else(|never| match never {});
        if let Reference::Sequence(sequence) = reference
            && let Some(message) = rapids.raw(sequence).await?
        {
            return Ok(Self::Stored(Box::new(message)));
        }
        if let Some(packet) = packet_of(console, rapids, text).await?
            && let Some(arrival) = packet.arrival()
            && let Some(message) = rapids.raw(arrival.sequence).await?
        {
            return Ok(Self::Stored(Box::new(message)));
        }
        let (begun, _) = console.packets.conversation(text, 1);
        let of_it = |packet: &Packet| packet.correlation_id() == text;
        if rapids.packets(&begun).await?.iter().any(of_it) {
            return Ok(Self::Conversation);
        }
        let is_sequence = matches!(reference, Reference::Sequence(_));
        Ok(if is_sequence || is_indexed(console) { Self::Nothing } else { Self::Older })
    }
}

/// The packet of an id, if it is found at once: in the index, or because the id tells the sequence.
///
/// # Errors
/// Those of [`Rapids::packets`].
pub(crate) async fn packet_of(
    console: &Console,
    rapids: &Rapids,
    id: &str,
) -> Result<Option<Packet>> {
    let sequences: Vec<u64> =
        console.packets.sequence_of(id).into_iter().chain(derived_sequence(id)).collect();
    let packets = rapids.packets(&sequences).await?;
    Ok(packets.into_iter().find(|packet| packet.id() == id))
}

/// The sequence in an id that the stream derived: `RAPIDS-1793491200-17`.
fn derived_sequence(id: &str) -> Option<u64> {
    let (created, sequence) = id.strip_prefix("RAPIDS-")?.split_once('-')?;
    created.parse::<i64>().ok()?;
    sequence.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_the_stream_derived_tells_the_sequence() {
        assert_eq!(derived_sequence("RAPIDS-1793491200-17"), Some(17));
        for other in ["RAPIDS-17", "RAPIDS-x-17", "RAPIDS-1-2-3", "17", "o-RAPIDS-1-2"] {
            assert_eq!(derived_sequence(other), None, "{other}");
        }
    }
}
