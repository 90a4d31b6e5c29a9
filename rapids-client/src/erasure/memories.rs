//! The memories of all services, also of those that were retired.

use async_nats::jetstream::message::StreamMessage;

use super::done::Done;
use crate::Result;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::bucket::Bucket;
use crate::jetstream::end_ages::EndAges;
use crate::jetstream::names::names;
use crate::jetstream::scan::Scan;
use crate::jetstream::stream;
use crate::letter_action::Note;
use crate::memory::{Dropped, Floors, MemoryKey, Reason, Record};
use crate::names::memory_bucket;
use crate::stored;

/// Of one that has no other: why a memory has ended.
const REASON: &str = "erased";

pub(super) async fn erase(
    done: &mut Done<'_>,
    meant: &Meant,
    note: Option<&Note>,
    tally: &mut Tally,
) -> Result<()> {
    let prefix = format!("KV_{}", memory_bucket(""));
    for stream in names(done.connection).await? {
        if let Some(service) = stream.strip_prefix(&prefix) {
            Box::pin(erase_of(done, service, (meant, note), tally)).await?;
        }
    }
    Ok(())
}

/// Those of one service.
async fn erase_of(
    done: &mut Done<'_>,
    service: &str,
    (meant, note): (&Meant, Option<&Note>),
    tally: &mut Tally,
) -> Result<()> {
    let connection = done.connection;
    let bucket_name = memory_bucket(service);
    let Some(bucket) = Bucket::existing(connection, &bucket_name).await? else { return Ok(()) };
    let floors = done.floors(service).await?;
    let packets = stream::present(connection).await?.config.max_age;
    let ages = EndAges::of(connection, service, packets).await?;
    let prefix = format!("$KV.{bucket_name}.");
    let mut scan = Scan::new(connection, &format!("KV_{bucket_name}"), format!("{prefix}>"));
    while let Some(StreamMessage { subject, payload, sequence, .. }) = scan.next().await? {
        let key = subject.strip_prefix(&prefix).unwrap_or_default();
        // What was deleted leaves a message without a value.
        if payload.is_empty() {
            continue;
        }
        let record = match stored::read::<Record>(&bucket_name, key, &payload) {
            Ok(record) => record,
            Err(error) => {
                tally.unread(&error);
                continue;
            }
        };
        let reason = note.map_or(REASON, |note| note.why.as_deref().unwrap_or(REASON));
        let Some(mut left) = left(service, (key, record), (meant, floors, reason), tally) else {
            continue;
        };
        if note.is_some() {
            let keep = ages.keep(left.kept_as());
            // What was written since comes yet.
            bucket.save_kept(key, left.json().into(), (sequence, keep)).await?;
        }
    }
    Ok(())
}

/// What is to be left of a record; `None` if nothing is to be removed from it.
fn left(
    service: &str,
    (key, mut record): (&str, Record),
    (meant, floors, reason): (&Meant, Option<Floors>, &str),
    tally: &mut Tally,
) -> Option<Record> {
    let (memory, entry) = key.split_once('.').unwrap_or((key, ""));
    let of = format!("{service}/{memory}");
    let judged = match record.current() {
        Some(_) if meant.key(entry) => Judged::Meant,
        Some(value) => meant.value(&value),
        None => Judged::Other,
    };
    match judged {
        Judged::Meant => tally.found(HeldIn::Memory, &of),
        Judged::Unknown => tally.unjudged(),
        Judged::Other => {}
    }
    let is_meant = judged == Judged::Meant;
    // What was returned is gone through before ids are forgotten: those tell what is done.
    let Dropped { dropped, needed } =
        record.drop_returned(floors, |effects| meant.effects(effects) == Judged::Meant);
    (0..needed).for_each(|_| tally.in_hand(HeldIn::Returned, &of));
    (0..dropped).for_each(|_| tally.found(HeldIn::Returned, &of));
    if !is_meant && dropped == 0 {
        return None;
    }
    let epoch = record.epoch();
    let mut record = record.of_key(&MemoryKey::stored(key), epoch);
    if is_meant {
        record.end(Reason::from(reason));
    }
    record.forget_below(floors.unwrap_or_default());
    Some(record.marker().unwrap_or(record))
}
