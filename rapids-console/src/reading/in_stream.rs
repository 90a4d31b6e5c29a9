//! Reading the stream for what the index does not have: only on request, few at once, and not for long.

use std::future::Future;
use std::time::Duration;

use axum::http::StatusCode;
use rapids_client::{Conversation, Conversations, Error, Found, Rapids, Reference, Start};
use tokio::time::timeout;

use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};

/// How many may read at once: each reading takes as much of the server as a service that begins.
pub(crate) const MOST_READINGS: usize = 3;
/// How long a reading may take, with the waiting for room. Pages must begin some time after that.
const LONGEST: Duration = Duration::from_secs(45);
/// How long to look for the first packet of the stream.
const MOMENT: Duration = Duration::from_secs(2);
/// A conversation that was quiet for so long, and handled by every service, is read no further.
const QUIET: Duration = Duration::from_secs(60);

/// Whether all packets of the stream are found at once.
pub(crate) fn is_indexed(console: &Console) -> bool {
    let indexed = console.packets.extent().packets as u64;
    let status = console.status.latest();
    status.contents.as_ref().is_some_and(|contents| indexed >= contents.packets)
}

/// The first and the last sequence that the stream holds; `None` if it is empty.
///
/// # Errors
/// Those of [`Rapids::contents`].
pub(crate) async fn extent(rapids: &Rapids) -> Result<Option<(u64, u64)>> {
    let Some(contents) = rapids.contents().await?.filter(|contents| contents.packets > 0) else {
        return Ok(None);
    };
    let first = async {
        let mut tail = Box::pin(rapids.tail(Start::Beginning)).await.ok()?;
        let packet = tail.next_stored().await.ok()??;
        packet.arrival().map(|arrival| arrival.sequence)
    };
    // Without an answer, and if the first is no packet: where it would be if none between were deleted.
    let counted = contents.last_sequence.saturating_sub(contents.packets) + 1;
    let first = timeout(MOMENT, Box::pin(first)).await.ok().flatten().unwrap_or(counted);
    Ok(Some((first, contents.last_sequence)))
}

/// A conversation as the stream has it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) conversation: Conversation,
    /// What could not be read, and why.
    pub(crate) missing: Option<String>,
}

/// Reads the conversation of a packet, or of a correlation id; `None` if the stream holds nothing of it.
///
/// # Errors
/// If it takes too long, and those of [`Conversations::find`] and [`Conversations::read`].
pub(crate) async fn conversation(console: &Console, reference: &Reference) -> Result<Option<Read>> {
    let rapids = console.link.rapids()?;
    let (letters, missing) = match console.link.dead_letters().await {
        Ok(letters) => (letters.cloned(), None),
        Err(error @ Error::NotPermitted { .. }) => {
            (None, Some(format!("Its letters are not shown: {}", with_causes(&error))))
        }
        Err(error) => return Err(error.into()),
    };
    let conversations = Conversations::new(rapids, letters).quiet(QUIET);
    let reading = async {
        let Some(found) = conversations.find(reference).await? else { return Ok(None) };
        first_of(&conversations, found).await
    };
    let read = in_time(console, &conversations, Box::pin(reading)).await?;
    Ok(read.map(|conversation| Read { conversation, missing }))
}

/// What an id turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A packet, with its sequence.
    Packet(u64),
    /// A conversation, of which no packet has the id.
    Conversation(String),
}

/// Looks for the packet of an id in the whole stream.
///
/// # Errors
/// As for [`conversation`].
pub(crate) async fn packet(console: &Console, id: &str) -> Result<Option<Known>> {
    let rapids = console.link.rapids()?;
    let patient = Conversations::new(rapids.clone(), None);
    let hasty = Conversations::new(rapids, None).quiet(QUIET);
    let reference = Reference::Id(id.to_owned());
    let reading = async {
        let Some(found) = hasty.find(&reference).await? else { return Ok(None) };
        let name = found.conversation.clone();
        // Most packets are near the beginning of their conversation.
        for conversations in [&hasty, &patient] {
            let read = first_of(conversations, found.clone()).await?;
            let packets = read.map(|conversation| conversation.packets).unwrap_or_default();
            let packet = packets.iter().find(|packet| packet.id() == id);
            if let Some(arrival) = packet.and_then(|packet| packet.arrival()) {
                return Ok(Some(Known::Packet(arrival.sequence)));
            }
        }
        Ok((name == id).then_some(Known::Conversation(name)))
    };
    in_time(console, &hasty, Box::pin(reading)).await
}

async fn first_of(
    conversations: &Conversations,
    found: Found,
) -> rapids_client::Result<Option<Conversation>> {
    Ok(Box::pin(conversations.read(vec![found])).await?.into_iter().next())
}

/// Waits for a reading, but not too long.
async fn in_time<T>(
    console: &Console,
    conversations: &Conversations,
    reading: impl Future<Output = rapids_client::Result<T>>,
) -> Result<T> {
    let progress = conversations.progress();
    let reading = async {
        // It is never closed.
        let _room = console.reading_places.acquire().await;
        reading.await
    };
    match timeout(LONGEST, reading).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(Fault::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!(
                "the stream is too long to be read for a page: {} of {} packets in {} seconds",
                progress.passed(),
                progress.total(),
                LONGEST.as_secs()
            ),
        )
        .remedy("`rapids trace ID` reads on for as long as it takes.")),
    }
}
