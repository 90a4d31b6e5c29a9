//! Where a conversation is read from: at once by the index, or on request from the stream.

use rapids_client::{Conversation, DeadLetter, Packet, Rapids, ReadingEnd, Reference};

use crate::console::Console;
use crate::fault::Result;
use crate::pages::packet::letters::Letters;
use crate::pages::packet::meant::packet_of;
use crate::reading::in_stream::{self, is_indexed};
use crate::times::count;

/// So many packets are shown; what is more is counted, up to so many.
const MOST: usize = 2_000;
const MOST_COUNTED: usize = 100_000;
/// More than this are not read before the page begins.
const MOST_AT_ONCE: usize = 600;

/// A conversation with what there is to say about it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) conversation: Conversation,
    pub(super) packets_left_out: usize,
    pub(super) letters_left_out: usize,
    /// How far the stream was read, and why no further.
    pub(super) reading: String,
    pub(super) missing: Option<String>,
}

/// What is known of an id before the stream is read.
#[derive(Debug)]
pub(super) enum AtOnce {
    Whole(Box<Source>),
    /// It is the packet with this sequence, of the conversation of another id.
    PacketOf {
        conversation: String,
        sequence: u64,
    },
    /// It takes a reading, with the reason in words.
    Later(String),
    Nothing,
}

/// Reads the conversation if it does not take long.
///
/// # Errors
/// Those of [`Rapids::packets`].
pub(super) async fn at_once(
    console: &Console,
    rapids: &Rapids,
    id: &str,
    most: usize,
) -> Result<AtOnce> {
    let extent = console.packets.extent();
    let (found, has_beginning) = console.packets.conversation(id, MOST_COUNTED);
    let is_whole = has_beginning || is_indexed(console);
    if !found.is_empty() && is_whole {
        if found.len() > most {
            let words = format!("It has {} packets, which are being read.", counted(&found));
            return Ok(AtOnce::Later(words));
        }
        let source = Box::pin(indexed(console, rapids, id, &found)).await?;
        if let Some(source) = source {
            return Ok(AtOnce::Whole(Box::new(source)));
        }
    }
    if let Some((conversation, sequence)) = other(console, rapids, id).await? {
        return Ok(AtOnce::PacketOf { conversation, sequence });
    }
    if is_indexed(console) {
        return Ok(AtOnce::Nothing);
    }
    let indexed = count(extent.packets as u64);
    Ok(AtOnce::Later(if found.is_empty() {
        format!(
            "It is not among the newest {indexed} packets, which are found at once, so the stream is \
             being read."
        )
    } else {
        format!(
            "{} of its packets are among the newest {indexed}, which are found at once. It began before \
             these, so the stream is being read.",
            counted(&found)
        )
    }))
}

/// How many packets are read before the page begins, and at most.
pub(super) fn most(is_reading: bool) -> usize {
    if is_reading { usize::MAX } else { MOST_AT_ONCE }
}

fn counted(found: &[u64]) -> String {
    count(found.len() as u64)
}

/// The conversation of a packet that is named by its id or sequence in place of a correlation id.
async fn other(console: &Console, rapids: &Rapids, id: &str) -> Result<Option<(String, u64)>> {
    let reference = id.parse().unwrap_or_else(|never| match never {});
    let packet = match (packet_of(console, rapids, id).await?, reference) {
        (None, Reference::Sequence(sequence)) => {
            rapids.packets(&[sequence]).await?.into_iter().next()
        }
        (packet, _) => packet,
    };
    let packet = packet.filter(|packet| packet.correlation_id() != id);
    Ok(packet.and_then(|packet| {
        let sequence = packet.arrival()?.sequence;
        Some((packet.correlation_id().to_owned(), sequence))
    }))
}

/// Reads what the index has of it; `None` if these packets are of another conversation.
async fn indexed(
    console: &Console,
    rapids: &Rapids,
    id: &str,
    found: &[u64],
) -> Result<Option<Source>> {
    let first = &found[..found.len().min(MOST)];
    let letters = console.letters.of_conversation(&DeadLetter::shortened_id(id));
    let reading = Box::pin(Letters::read(console, &letters));
    let (packets, letters) = tokio::join!(rapids.packets(first), reading);
    let is_of_it = |packet: &Packet| packet.correlation_id() == id;
    let packets: Vec<_> = packets?.into_iter().filter(is_of_it).collect();
    if packets.is_empty() {
        return Ok(None);
    }
    let has_expired = has_expired(console, rapids).await?;
    let last = console.packets.extent().last;
    let conversation = Conversation::of(id, packets, letters.letters, has_expired);
    Ok(Some(
        Source {
            conversation,
            packets_left_out: found.len() - first.len(),
            letters_left_out: letters.left_out,
            reading: format!(
                "Read up to sequence {last}, the end of the stream as far as it has come."
            ),
            missing: letters.missing,
        }
        .limited(),
    ))
}

/// Reads a conversation from the stream; `None` if that holds nothing of it.
///
/// # Errors
/// Those of [`in_stream::conversation`].
pub(super) async fn read(console: &Console, id: &str) -> Result<Option<Source>> {
    let reference = Reference::Id(id.to_owned());
    let Some(read) = Box::pin(in_stream::conversation(console, &reference)).await? else {
        return Ok(None);
    };
    let reading = ending(&read.conversation);
    let (conversation, missing) = (read.conversation, read.missing);
    let (packets_left_out, letters_left_out) = (0, 0);
    Ok(Some(
        Source { conversation, packets_left_out, letters_left_out, reading, missing }.limited(),
    ))
}

/// How far the stream was read.
fn ending(conversation: &Conversation) -> String {
    let to = conversation.read_to;
    match conversation.end {
        ReadingEnd::Stream => "Read up to the end of the stream.".to_owned(),
        ReadingEnd::Quiet => format!(
            "Read up to sequence {to}: it was quiet for a minute, and every service has handled it. \
             Later packets were not looked for."
        ),
        ReadingEnd::Limit => format!(
            "There is more than can be read for a page: read up to sequence {to}, the rest is left out."
        ),
        _ => format!("Read up to sequence {to}."),
    }
}

impl Source {
    /// With so much as can be shown, and the number of what is left out.
    fn limited(mut self) -> Self {
        let Conversation { packets, letters, .. } = &mut self.conversation;
        self.packets_left_out += packets.len().saturating_sub(MOST);
        packets.truncate(MOST);
        // Letters about packets that are left out would stand at the top, as if their packets had expired.
        let last = packets.last().and_then(Packet::arrival).map(|arrival| arrival.sequence);
        if let Some(last) = last.filter(|_| self.packets_left_out > 0) {
            let before = letters.len();
            letters.retain(|letter| letter.letter.sequence <= last);
            self.letters_left_out += before - letters.len();
        }
        self.letters_left_out += letters.len().saturating_sub(MOST);
        letters.truncate(MOST);
        self
    }
}

/// Whether packets of the stream have expired.
async fn has_expired(console: &Console, rapids: &Rapids) -> Result<bool> {
    let known = console.status.latest().contents.clone();
    let contents = match known {
        Some(contents) => Some(contents),
        None => rapids.contents().await?,
    };
    Ok(contents.is_some_and(|contents| contents.packets < contents.last_sequence))
}
