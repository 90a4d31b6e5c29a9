//! Lists the dead letters, oldest first.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::StreamExt;

use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::state_record::StateRecord;
use crate::dead_letters::state_store::StateStore;
use crate::dead_letters::stored::Message;
use crate::dead_letters::{Filter, LetterId, StoredLetter};
use crate::jetstream::header_scan::{HeaderScan, Scanned, Selection};
use crate::names::{DEAD_LETTER_PREFIX, DEAD_LETTERS};
use crate::river_name::RiverName;

/// Dead letters one after the other, oldest first, as they were when the listing began.
///
/// Their bodies stay on the server, so a listing of letters about large packets is quick, too.
pub struct Listing {
    scan: HeaderScan,
    filter: Filter,
    records: HashMap<LetterId, StateRecord>,
    /// The ids of all letters about replays.
    replays: HashSet<String>,
    given: usize,
}

impl Listing {
    pub(super) async fn open(
        connection: &Connection,
        states: &StateStore,
        filter: &Filter,
        behind: u64,
    ) -> Result<Self> {
        let subject = filter.subject()?;
        let (service, river) = filter.parts()?;
        let records = states.all(service, river).await?;
        let mut replays = HashSet::new();
        for river in replayed_to(&records) {
            let subject = format!("{DEAD_LETTER_PREFIX}{}.{}.*", river.service(), river.river());
            replays.extend(replays_of(connection, &subject).await?);
        }
        let selection = match behind {
            0 => Selection::since(subject, filter.since),
            behind => Selection::behind(subject, behind),
        };
        let scan = HeaderScan::open(connection, DEAD_LETTERS, selection).await?;
        Ok(Self { scan, filter: filter.clone(), records, replays, given: 0 })
    }

    /// The next letter that the filter means; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) for a message that is no letter, with its sequence: go on with
    /// the next one. [`Error::Server`](crate::Error::Server): it ends there.
    pub async fn next(&mut self) -> Result<Option<StoredLetter>> {
        while self.filter.limit.is_none_or(|limit| self.given < limit) {
            let Some(scanned) = self.scan.next().await? else {
                return Ok(None);
            };
            let stored = self.read(&scanned)?;
            if self.filter.takes(&stored) {
                self.given += 1;
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    fn read(&self, scanned: &Scanned) -> Result<StoredLetter> {
        let Scanned { message, sequence, stored } = scanned;
        let mut stored = StoredLetter::read(&Message::delivered(message, *sequence, *stored))?;
        if let Some(record) = self.records.get(&stored.letter.id) {
            stored.settle(record);
        }
        if let Some((again, _)) = stored.replayed_as()
            && self.replays.contains(&again.to_string())
        {
            stored.fail_again(again);
        }
        Ok(stored)
    }
}

/// The rivers to which something was sent again.
fn replayed_to(records: &HashMap<LetterId, StateRecord>) -> BTreeSet<RiverName> {
    let replayed = records.iter().filter(|(_, record)| record.action.replay.is_some());
    replayed.map(|(id, record)| id.sent_to(&record.action)).collect()
}

/// The ids of the letters about replays under a subject.
async fn replays_of(connection: &Connection, subject: &str) -> Result<HashSet<String>> {
    let request = connection.api(&format!("STREAM.INFO.{DEAD_LETTERS}"));
    let listing = async {
        let stream = connection.jetstream.get_stream_no_info(DEAD_LETTERS).await?;
        let mut subjects = stream.info_with_subjects(subject).await?;
        let mut ids = HashSet::new();
        while let Some(entry) = subjects.next().await {
            let (subject, _) = entry?;
            let Some(id) = subject.strip_prefix(DEAD_LETTER_PREFIX) else {
                continue;
            };
            if id.rsplit('.').next().is_some_and(|token| token.starts_with('r')) {
                ids.insert(id.to_owned());
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(ids)
    };
    connection.attempt("list the dead letters", &request, listing).await
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Listing").field("filter", &self.filter).finish_non_exhaustive()
    }
}
