//! What stays in the stream of packets.

use jiff::Timestamp;

use crate::Result;
use crate::jetstream::stream;
use crate::rapids::Rapids;

/// The packets of the stream that are meant. Nobody can delete them: see [`until`](Self::until).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StayingPackets {
    /// How many.
    pub count: u64,
    /// The sequence of the first one, and when it was stored.
    pub first: (u64, Timestamp),
    /// The same of the last one.
    pub last: (u64, Timestamp),
    /// When the stream drops the last one, by its `max_age` as it is now; `None` if it keeps packets for ever.
    pub until: Option<Timestamp>,
    /// How many packets could not be judged.
    pub unjudged: u64,
    /// The services that have not handled all of them yet: they may remember something of them again.
    pub unread_by: Vec<String>,
}

pub(super) async fn staying(rapids: &Rapids, expression: &str) -> Result<Option<StayingPackets>> {
    let mut packets = Box::pin(rapids.history(expression).packets()).await?;
    let mut ends = None;
    while let Some(packet) = packets.next().await? {
        let place = packet.arrival().map(|arrival| (arrival.sequence, arrival.stored));
        if let Some(place) = place {
            let (first, _) = ends.unwrap_or((place, place));
            ends = Some((first, place));
        }
    }
    let Some((first, last)) = ends else { return Ok(None) };
    let max_age = stream::present(rapids.connection()).await?.config.max_age;
    let until = (!max_age.is_zero()).then(|| last.1.checked_add(max_age).unwrap_or(Timestamp::MAX));
    let positions = rapids.positions().await?.into_iter();
    let unread_by = positions.filter(|position| position.acknowledged < last.0);
    Ok(Some(StayingPackets {
        count: packets.packets(),
        first,
        last,
        until,
        unjudged: packets.malformed(),
        unread_by: unread_by.map(|position| position.service).collect(),
    }))
}
