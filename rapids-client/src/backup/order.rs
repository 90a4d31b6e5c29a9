//! In which order the streams of the bus are taken.
//!
//! Services go on meanwhile, so each stream is taken at another moment. What is taken first must tell of nothing that
//! what is taken later does not hold: a position that says "done" must not be newer than what was done. So the order
//! is that in which one thing vouches for another, the voucher first:
//!
//! 1. **Positions**: the consumers' floors, entries (`RAPIDS_SERVICES`), and records (`RAPIDS_POSITIONS`). They say
//!    that packets are done. Whatever was handled later is handled once more after a restore, and finds what is known
//!    of it in what follows.
//! 2. **Notes on packets in hand** (`RAPIDS_HANDLING`): that one river of several is done with a packet.
//! 3. **What people did** (`RAPIDS_OPERATIONS`), and **states of letters** (`RAPIDS_LETTERS`): they say that letters
//!    were acted on, that replays were sent, and that these were handled.
//! 4. **Claims of `once` reactions, and memories**: they say that a packet was taken, and, since they keep what is not
//!    known to be published, that everything else is: timers and packets. A packet that was taken after that moves
//!    the memory once more from where it was, and so to the same value.
//! 5. **Letters**, which name packets and replays; **replays**, which name packets.
//! 6. **Timers**: one that fires before they are taken lies in the rapids, which are taken later. One that is set
//!    later comes of a packet that is handled once more.
//! 7. **The rapids**, last: no sequence that anything else names lies beyond their end, and every packet that was
//!    acknowledged before the backup began is in them.
//!
//! The end of a stream is fixed when its snapshot begins, and what is stored in it later is not in the snapshot. A
//! stream that is created meanwhile takes its place in the order, as long as the rapids have not been taken.

use std::collections::BTreeSet;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::names::names;
use crate::jetstream::stream;
use crate::jetstream::timers::TimerPlace;
use crate::names::{
    DEAD_LETTERS, HANDLING, LETTERS_BUCKET, ONCE, OPERATIONS, POSITIONS, REPLAYS, SERVICES, STREAM,
    memory_bucket,
};

/// One of the streams of the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) stream: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of which only the last value of each key is there.
    Bucket,
    /// Letters and replays, which nothing replaces.
    Log,
    Timers(TimerPlace),
    Rapids,
}

/// The streams of the bus that are there now and were not taken yet, the next one first; empty once the rapids were
/// taken.
///
/// # Errors
/// `Stream` if there are no rapids; `NotPermitted`, `Server`.
pub(super) async fn remaining(
    connection: &Connection,
    taken: &BTreeSet<String>,
) -> Result<Vec<Content>> {
    if taken.contains(STREAM) {
        return Ok(Vec::new());
    }
    let rapids = stream::present(connection).await?;
    let places = TimerPlace::all(&rapids.config);
    let names = names(connection).await?.into_iter().filter(|name| !taken.contains(name));
    let mut ranked: Vec<_> =
        names.filter_map(|name| rank(&name, &places).map(|ranked| (ranked, name))).collect();
    ranked.sort_by(|one, other| (one.0.0, &one.1).cmp(&(other.0.0, &other.1)));
    Ok(ranked.into_iter().map(|((_, kind), stream)| Content { stream, kind }).collect())
}

/// The place of a stream in the order; `None` for one of others.
fn rank(name: &str, places: &[TimerPlace]) -> Option<(u8, Kind)> {
    if let Some(place) = places.iter().find(|place| place.stream == name) {
        return Some((6, Kind::Timers(place.clone())));
    }
    match name.strip_prefix("KV_") {
        Some(SERVICES | POSITIONS) => Some((0, Kind::Bucket)),
        Some(HANDLING) => Some((1, Kind::Bucket)),
        Some(OPERATIONS) => Some((2, Kind::Bucket)),
        Some(LETTERS_BUCKET) => Some((3, Kind::Bucket)),
        Some(ONCE) => Some((4, Kind::Bucket)),
        Some(bucket) if bucket.starts_with(&memory_bucket("")) => Some((4, Kind::Bucket)),
        Some(_) => None,
        None => match name {
            DEAD_LETTERS => Some((5, Kind::Log)),
            REPLAYS => Some((5, Kind::Log)),
            STREAM => Some((7, Kind::Rapids)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::form::Form;

    #[test]
    fn positions_come_first_and_the_rapids_last() {
        let places = [TimerPlace::shared(Form::Secured), TimerPlace::of(Form::Secured, "order")];
        let mut names = vec![
            "RAPIDS",
            "REPLAYS",
            "LATER_order",
            "LATER",
            "KV_RAPIDS_MEMORY_order",
            "KV_RAPIDS_ONCE",
            "KV_RAPIDS_SERVICES",
            "KV_RAPIDS_HANDLING",
            "DEAD_LETTERS",
            "KV_RAPIDS_LETTERS",
            "KV_OTHERS",
            "KV_RAPIDS_OPERATIONS",
            "LATER_other",
            "KV_RAPIDS_POSITIONS",
            "ORDERS",
        ];
        names.retain(|name| rank(name, &places).is_some());
        names.sort_by_key(|name| (rank(name, &places).unwrap().0, *name));
        let expected = [
            "KV_RAPIDS_POSITIONS",
            "KV_RAPIDS_SERVICES",
            "KV_RAPIDS_HANDLING",
            "KV_RAPIDS_OPERATIONS",
            "KV_RAPIDS_LETTERS",
            "KV_RAPIDS_MEMORY_order",
            "KV_RAPIDS_ONCE",
            "DEAD_LETTERS",
            "REPLAYS",
            "LATER",
            "LATER_order",
            "RAPIDS",
        ];
        assert_eq!(names, expected);
    }
}
