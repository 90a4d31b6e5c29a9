//! What a live page shows before anything comes: found with bounded effort.

use std::time::Duration;

use jiff::Timestamp;
use rapids_client::{Error, Packet, Rapids, Start, Tail};
use tokio::time::{Instant, timeout_at};

use super::filter::Filter;
use super::place::Place;
use super::row::Row;
use crate::console::Console;
use crate::fault::Result;
use crate::times::count;

/// So many rows are shown at first.
const MOST: usize = 100;
/// So many packets are looked at for them, and for so long.
const MOST_LOOKED: usize = 2_000;
const LONGEST: Duration = Duration::from_millis(60);
/// How long the first packet may take to come.
const FIRST: Duration = Duration::from_secs(2);
/// So many packets are read at a time.
const AT_A_TIME: usize = 100;

/// What a live page shows at first.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// The newest first.
    pub(super) rows: Vec<Row>,
    /// The last sequence that was looked at: what comes behind it is followed.
    pub(super) after: u64,
    /// What was looked at, in words.
    pub(super) said: String,
    /// What is otherwise than asked for: a sequence that is gone.
    pub(super) notice: Option<String>,
    /// Whether more follows than is shown, so that it is not to go on before somebody says so.
    pub(super) is_paused: bool,
}

impl Beginning {
    /// Finds what to show.
    ///
    /// # Errors
    /// If the stream cannot be read.
    pub(super) async fn read(console: &Console, filter: &Filter, place: Place) -> Result<Self> {
        let rapids = console.link.rapids()?;
        let start = match place {
            Place::Newest => return newest(console, &rapids, filter).await,
            Place::Sequence(sequence) => Start::Sequence(sequence),
            Place::Time(time) => Start::Time(time.min(Timestamp::now())),
        };
        let last = rapids.contents().await?.map_or(0, |contents| contents.last_sequence);
        match place {
            Place::Sequence(sequence) if sequence > last => Ok(Self {
                after: last,
                notice: Some(format!(
                    "Sequence {sequence} is not stored yet; the last one is {last}."
                )),
                ..Self::default()
            }),
            _ => Box::pin(following(console, &rapids, filter, start, last)).await,
        }
    }
}

/// The newest packets that match. Their sequences are counted back from the last one: the index in memory may
/// still be an hour behind, just after the console has started.
async fn newest(console: &Console, rapids: &Rapids, filter: &Filter) -> Result<Beginning> {
    let last = rapids.contents().await?.map_or(0, |contents| contents.last_sequence);
    let sequences: Vec<u64> = (1..=last).rev().take(MOST_LOOKED).collect();
    let began = Instant::now();
    let (mut found, mut looked) = (Vec::new(), 0);
    for some in sequences.chunks(AT_A_TIME) {
        if found.len() >= MOST || (looked > 0 && began.elapsed() > LONGEST) {
            break;
        }
        let packets = rapids.packets(some).await?;
        looked += packets.len();
        found.extend(filter.sift(packets).await?);
    }
    found.truncate(MOST);
    let said = format!(
        "{} shown; the newest {} packets were looked at.",
        count(found.len() as u64),
        count(looked as u64)
    );
    Ok(Beginning { rows: rows(console, &found), after: last, said, ..Beginning::default() })
}

/// The first packets that match, from a place on; `last` is the last sequence of the stream.
async fn following(
    console: &Console,
    rapids: &Rapids,
    filter: &Filter,
    start: Start,
    last: u64,
) -> Result<Beginning> {
    let mut tail = rapids.tail(start).await?;
    let began = Instant::now();
    let (mut found, mut looked, mut first) = (Vec::new(), 0, None);
    let mut after = last;
    let mut has_more = true;
    while has_more
        && found.len() < MOST
        && looked < MOST_LOOKED
        && (looked == 0 || began.elapsed() < LONGEST)
    {
        let until = began + if looked == 0 { FIRST } else { LONGEST };
        let (some, is_all) = some(&mut tail, until).await?;
        has_more = !is_all;
        let Some(end) = some.last().map(sequence) else { break };
        first = first.or(some.first().map(sequence));
        looked += some.len();
        after = end;
        found.extend(filter.sift(some).await?);
    }
    let is_full = found.len() > MOST;
    if is_full {
        found.truncate(MOST);
        after = found.last().map_or(after, sequence);
    }
    let has_more = looked > 0 && (is_full || has_more);
    let notice = match (start, first) {
        (Start::Sequence(asked), Some(first)) if first > asked => Some(format!(
            "The stream has nothing at sequence {asked} any more; the first behind it is {first}."
        )),
        _ => None,
    };
    let looked = if is_full { after - first.unwrap_or(after) + 1 } else { looked as u64 };
    let said = format!(
        "{} shown; {} packets from there on were looked at.{}",
        count(found.len() as u64),
        count(looked),
        if has_more { " More follow: Resume goes on from here." } else { "" }
    );
    found.reverse();
    let rows = rows(console, &found);
    Ok(Beginning { rows, after, said, notice, is_paused: has_more })
}

/// The next packets, and whether they are the last that are stored.
async fn some(tail: &mut Tail, until: Instant) -> Result<(Vec<Packet>, bool)> {
    let mut some = Vec::with_capacity(AT_A_TIME);
    while some.len() < AT_A_TIME {
        match timeout_at(until, Box::pin(tail.next_stored())).await {
            Err(_) => break,
            Ok(Ok(None)) => return Ok((some, true)),
            Ok(Ok(Some(packet))) => some.push(packet),
            Ok(Err(Error::Malformed { .. })) => {}
            Ok(Err(error)) => return Err(error.into()),
        }
    }
    Ok((some, false))
}

fn sequence(packet: &Packet) -> u64 {
    packet.arrival().map_or(0, |arrival| arrival.sequence)
}

fn rows(console: &Console, packets: &[Packet]) -> Vec<Row> {
    packets.iter().map(|packet| Row::of(packet, console.base(), &console.mask)).collect()
}
