//! Whether anything in a backup names a packet that the backup does not hold.
//!
//! In the order in which backups are taken nothing does. In a folder that somebody has put together from two backups
//! something may, and then a service would take packets that are yet to come for those that it knows.

use async_nats::HeaderMap;

use super::manifest::Manifest;
use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::sequence_of;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::scan::Scan;
use crate::memory::{Floors, Record};
use crate::names::{DEAD_LETTERS, POSITIONS, REPLAYS, SERVICES, STREAM, memory_bucket};
use crate::position::entry::ServiceEntry;
use crate::position::record::PositionRecord;
use crate::stored;

/// So many are told of, and how many more there are.
const TOLD: usize = 5;

/// What was found beyond the end.
#[derive(Default)]
pub(super) struct Beyond {
    first: Vec<String>,
    count: usize,
}

impl Beyond {
    fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(what());
        }
    }

    /// In words, if anything was found.
    pub(super) fn words(self, end: u64) -> Option<String> {
        let more = match self.count - self.first.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        (self.count > 0).then(|| {
            format!(
                "is not of one moment: the rapids end with sequence {end}, but {}{more}; restore another one",
                self.first.join(", ")
            )
        })
    }
}

/// What the manifest alone tells: how far consumers and services were.
pub(super) fn of_manifest(manifest: &Manifest) -> Beyond {
    let mut beyond = Beyond::default();
    for consumer in &manifest.consumers {
        let (stream, name, floor) = (&consumer.stream, &consumer.name, consumer.floor);
        let end = manifest.stream(stream).map_or(0, |stream| stream.last_sequence);
        if floor > end {
            beyond.add(|| match stream.as_str() {
                STREAM => format!("the position of `{name}` is {floor}"),
                _ => format!(
                    "the position of `{name}` on {stream}, which ends with {end}, is {floor}"
                ),
            });
        }
    }
    for record in manifest.exclusive.iter().filter(|record| record.floor > manifest.end()) {
        beyond.add(|| format!("the position of `{}` is {}", record.service, record.floor));
    }
    beyond
}

/// What the restored streams tell: all but the rapids, which are restored once nothing is beyond their end.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn of_streams(connection: &Connection, manifest: &Manifest) -> Result<Beyond> {
    let (mut beyond, end) = (Beyond::default(), manifest.end());
    positions(connection, end, &mut beyond).await?;
    let replays = manifest.stream(REPLAYS).map_or(0, |replays| replays.last_sequence);
    let ends = Floors { rapids: end, replays };
    for stream in &manifest.streams {
        let bucket = stream.name.strip_prefix("KV_").unwrap_or_default();
        if bucket.starts_with(&memory_bucket("")) {
            memories(connection, bucket, ends, &mut beyond).await?;
        }
    }
    for stream in [DEAD_LETTERS, REPLAYS] {
        if manifest.stream(stream).is_some() {
            letters(connection, stream, end, &mut beyond).await?;
        }
    }
    Ok(beyond)
}

async fn positions(connection: &Connection, end: u64, beyond: &mut Beyond) -> Result<()> {
    for name in [SERVICES, POSITIONS] {
        let Some(bucket) = Bucket::existing(connection, name).await? else { continue };
        for service in bucket.keys().await? {
            let Some((json, _)) = bucket.written(&service).await? else { continue };
            // What cannot be read its service tells of.
            let reached = match name {
                SERVICES => {
                    let entry = stored::read::<ServiceEntry>(name, &service, &json).ok();
                    entry.and_then(|entry| entry.floor()).map(|floor| floor.sequence)
                }
                _ => PositionRecord::read(&json).ok().map(|record| record.reached()),
            };
            if let Some(reached) = reached.filter(|reached| *reached > end) {
                beyond.add(|| format!("`{service}` in `{name}` is at {reached}"));
            }
        }
    }
    Ok(())
}

async fn memories(
    connection: &Connection,
    name: &str,
    ends: Floors,
    beyond: &mut Beyond,
) -> Result<()> {
    let prefix = format!("$KV.{name}.");
    let mut scan = Scan::new(connection, &format!("KV_{name}"), format!("{prefix}>"));
    while let Some(message) = scan.next().await? {
        let key = message.subject.strip_prefix(prefix.as_str()).unwrap_or_default();
        let Ok(record) = stored::read::<Record>(name, key, &message.payload) else { continue };
        let reached = record.reached();
        if !reached.are_below(ends) {
            let Floors { rapids, replays } = reached;
            beyond.add(|| match rapids > ends.rapids {
                true => format!("`{key}` in `{name}` knows of packet {rapids}"),
                false => format!("`{key}` in `{name}` knows of replay {replays}"),
            });
        }
    }
    Ok(())
}

async fn letters(
    connection: &Connection,
    stream: &str,
    end: u64,
    beyond: &mut Beyond,
) -> Result<()> {
    let mut scan = Scan::new(connection, stream, ">".to_owned());
    while let Some(message) = scan.next().await? {
        let headers: &HeaderMap = &message.headers;
        if let Some(sequence) = sequence_of(headers).filter(|sequence| *sequence > end) {
            let subject = &message.subject;
            beyond.add(|| format!("`{subject}` in `{stream}` is about packet {sequence}"));
        }
    }
    Ok(())
}
