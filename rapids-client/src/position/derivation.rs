//! How a running service derives the ids of what it publishes: with which key, by the sequence of the handled
//! packet. What is noted of that in its entry is read again before the stream gets beyond what was known then.

use std::cell::{Cell, RefCell};
use std::mem;

use tokio::sync::Mutex;
use tracing::{debug, info};

use crate::Result;
use crate::config::IdKeys;
use crate::connection::{Connection, Retry};
use crate::error::with_causes;
use crate::id_key::IdKey;
use crate::jetstream::stream;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::noted_keys::{KNOWN_AHEAD, NotedKeys};
use crate::service::Service;

/// So long before it has to be known it is read how ids are derived, so that no packet waits for that.
const READ_AHEAD: u64 = KNOWN_AHEAD / 2;

/// How one service derives ids, as far as is known.
pub(crate) struct Derivation {
    connection: Connection,
    service: String,
    entries: ServiceEntries,
    /// The keys that this instance was given.
    own: IdKeys,
    noted: RefCell<NotedKeys>,
    /// What is noted does not change for sequences below this one.
    known_below: Cell<u64>,
    /// From this sequence on it is read again.
    read_from: Cell<u64>,
    /// Held while that is read.
    reading: Mutex<()>,
}

impl Derivation {
    /// Reads how a service derives ids, whose position exists; the stream had this end before. Notes the newest
    /// key of this instance, if it is not noted.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::load`].
    pub(crate) async fn open(
        connection: &Connection,
        service: &Service,
        entries: &ServiceEntries,
        end: u64,
    ) -> Result<Self> {
        let this = Self {
            connection: connection.clone(),
            service: service.name().to_owned(),
            entries: entries.clone(),
            own: service.config().id_keys.clone(),
            noted: RefCell::default(),
            known_below: Cell::default(),
            read_from: Cell::default(),
            reading: Mutex::default(),
        };
        this.read(end).await?;
        Ok(this)
    }

    /// Whether it is time to read again, as a packet of this sequence has come.
    pub(crate) fn is_due(&self, sequence: u64) -> bool {
        sequence >= self.read_from.get()
    }

    /// Puts off to read again, for so many packets from this sequence on, since it is being read.
    pub(crate) fn put_off(&self, sequence: u64) {
        self.read_from.set(sequence.saturating_add(READ_AHEAD));
    }

    /// Reads again what is noted, ahead of time. `end` is where the stream ended, if that is known.
    pub(crate) async fn read_ahead(&self, end: Option<u64>) {
        let _reading = self.reading.lock().await;
        if let Err(error) = self.read_with(end).await {
            debug!("it is not known yet how ids are derived: {}", with_causes(&error));
        }
    }

    /// Whether it is known how the ids are derived of what the packet of this sequence leads to.
    pub(crate) fn is_known(&self, sequence: u64) -> bool {
        sequence < self.known_below.get()
    }

    /// Waits until that is known.
    ///
    /// # Errors
    /// What no further try would mend.
    pub(crate) async fn make_known(&self, sequence: u64) -> Result<()> {
        if self.is_known(sequence) {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        let mut retry = Retry::new(&self.connection, "read how ids are derived");
        // A sequence far beyond the end is of a replay that somebody has forged: what is noted will do.
        while !self.is_known(sequence) {
            match self.read_with(None).await {
                Ok(()) => break,
                Err(error) => retry.again_if_passing(error).await?,
            }
        }
        Ok(())
    }

    /// The key for what the packet of this sequence leads to, of which it is known; `None` if there is none.
    ///
    /// # Errors
    /// `Config` if this instance lacks that key.
    pub(crate) fn key(&self, sequence: u64) -> Result<Option<IdKey>> {
        let noted = self.noted.borrow();
        let Some(fingerprint) = noted.holding(sequence) else { return Ok(None) };
        match self.own.find(fingerprint) {
            Some(key) => Ok(Some(key.clone())),
            None => Err(self.own.missing(&self.service, fingerprint, sequence)),
        }
    }

    async fn read_with(&self, end: Option<u64>) -> Result<()> {
        let end = match end {
            Some(end) => end,
            None => stream::facts(&self.connection).await?.last_sequence,
        };
        self.read(end).await
    }

    /// Reads what is noted, once the stream has had this end.
    async fn read(&self, end: u64) -> Result<()> {
        let noted = self.settled().await?;
        self.noted.replace(noted);
        let known_below = self.known_below.get().max(end.saturating_add(KNOWN_AHEAD));
        self.known_below.set(known_below);
        self.read_from.set(known_below.saturating_sub(READ_AHEAD));
        Ok(())
    }

    /// What is noted, once the newest key of this instance is among it, if it can be, and it is decided from
    /// where on each holds.
    async fn settled(&self) -> Result<NotedKeys> {
        let mut may_note = true;
        loop {
            let Some(entry) = self.entries.load().await? else {
                // Somebody has deleted it. Other instances know what was noted, too.
                return Ok(self.noted.borrow().clone());
            };
            if entry.id_keys().is_undecided() {
                // Whoever announced it may be gone.
                let end = stream::facts(&self.connection).await?.last_sequence;
                let decided = self.entries.update(|entry| entry.decide_id_key(end)).await?;
                info!(
                    "{} derives ids with another key soon: {:?}",
                    self.service,
                    decided.id_keys()
                );
                continue;
            }
            if let Some(key) = self.own.newest().filter(|_| mem::take(&mut may_note)) {
                let note = |entry: &mut ServiceEntry| entry.note_id_key(key.fingerprint());
                self.entries.update_from(&entry, note).await?;
                continue;
            }
            return Ok(entry.id_keys().clone());
        }
    }
}
