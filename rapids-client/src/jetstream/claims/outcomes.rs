//! What reactions that run once have returned, all of it, and how it is dropped.

use jiff::Timestamp;

use super::entry::Entry;
use super::{read_parts, unwritten};
use crate::connection::Connection;
use crate::effects::Effects;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::scan::Scan;
use crate::jetstream::timestamp;
use crate::names::ONCE;
use crate::{Result, stored};

/// The outcomes of the reactions of all services, one after the other.
pub(crate) struct Outcomes {
    bucket: Bucket,
    scan: Scan,
}

/// What came of one reaction.
pub(crate) struct Outcome {
    key: String,
    revision: u64,
    /// When it was written.
    pub(crate) at: Timestamp,
    pub(crate) effects: Effects,
}

impl Outcome {
    /// Whose reaction it was: the service and the river.
    pub(crate) fn river(&self) -> (&str, &str) {
        let mut tokens = self.key.split('.');
        (tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default())
    }
}

impl Outcomes {
    /// Those that there are; `None` where no reaction runs once.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn open(connection: &Connection) -> Result<Option<Self>> {
        let Some(bucket) = Bucket::existing(connection, ONCE).await? else { return Ok(None) };
        let scan = Scan::new(connection, &format!("KV_{ONCE}"), format!("$KV.{ONCE}.*.*.*"));
        Ok(Some(Self { bucket, scan }))
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// `Record` for what cannot be read: go on with the next one. `NotPermitted`, `Server`: it ends there.
    pub(crate) async fn next(&mut self) -> Result<Option<Outcome>> {
        let prefix = format!("$KV.{ONCE}.");
        while let Some(message) = self.scan.next().await? {
            if message.payload.is_empty() {
                continue;
            }
            let key = message.subject.strip_prefix(&prefix).unwrap_or_default().to_owned();
            let effects = match stored::read(ONCE, &key, &message.payload)? {
                Entry::Claimed(_) => continue,
                Entry::Done(effects) => effects,
                Entry::DoneInParts(parts) => read_parts(&self.bucket, &key, &parts).await?,
            };
            let (revision, at) = (message.sequence, timestamp(message.time));
            return Ok(Some(Outcome { key, revision, at, effects }));
        }
        Ok(None)
    }

    /// Leaves of an outcome that the reaction has run, and nothing of what it has returned.
    ///
    /// # Errors
    /// `NotPermitted`, `Full`, `Server`.
    pub(crate) async fn drop_effects(&self, outcome: &Outcome) -> Result<()> {
        let Outcome { key, revision, .. } = outcome;
        let json = serde_json::to_vec(&Entry::Done(Effects::default()))
            .map_err(|error| unwritten(key, error))?;
        // What was written since is looked at again.
        if self.bucket.save(key, json.into(), *revision).await?.is_some() {
            // With the parts that an attempt to write it has left which was not finished.
            self.bucket.clear(&format!("{key}.*.*")).await?;
        }
        Ok(())
    }
}
