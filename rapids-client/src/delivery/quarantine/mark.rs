//! Who of a service's instances runs a suspect, and which: one at a time.
//!
//! One key says it, written before the suspect begins: the permission to run alone and the mark of
//! what runs in one. Its holder renews it, and writes over it with the next suspect or with
//! nothing, so a mark that stands is of something that came to no end, or has not yet. What is not
//! renewed any more can be taken over. Time is measured by each instance's own steady clock, from
//! when it saw the key change last, so clocks need not agree.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::Result;
use crate::error::with_causes;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::sequence::StreamPlace;
use crate::jetstream::stored::Stored;

/// The permission of one service, as one of its instances sees it.
pub(crate) struct SuspectMark {
    bucket: Bucket,
    key: String,
    instance: String,
    /// Not renewed for this long, it can be taken over.
    lease: Duration,
    /// What was written or seen last.
    seen: RefCell<Option<Seen>>,
}

struct Seen {
    mark: Mark,
    revision: u64,
    /// Since when it stands.
    since: Instant,
}

/// One river's part of a packet, begun alone by an instance; empty when none is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mark {
    #[serde(skip_serializing_if = "String::is_empty")]
    instance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packet: Option<StreamPlace>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) river: String,
    /// How often it was begun alone, this time included.
    pub(crate) starts: u32,
}

impl Stored for Mark {}

impl Mark {
    fn is_of(&self, place: StreamPlace, river: &str) -> bool {
        self.packet == Some(place) && self.river == river
    }
}

impl SuspectMark {
    pub(crate) fn new(bucket: Bucket, service: &str, instance: &str, lease: Duration) -> Self {
        Self {
            bucket,
            key: format!("{service}.alone"),
            instance: instance.to_owned(),
            lease,
            seen: RefCell::default(),
        }
    }

    /// Whether a suspect may be begun: no other instance makes use of the permission. A packet
    /// comes to another instance only when its holder has been silent for long, so it may.
    pub(crate) async fn is_free_for(&self, place: StreamPlace) -> Result<bool> {
        // What this instance wrote last stands, or else it will be refused to write over it.
        if !self.is_mine() {
            self.look().await?;
        }
        let seen = self.seen.borrow();
        Ok(seen.as_ref().is_none_or(|Seen { mark, since, .. }| {
            [&self.instance, ""].contains(&mark.instance.as_str())
                || mark.packet == Some(place)
                || since.elapsed() > self.lease
        }))
    }

    /// Whether another instance was seen to have begun a part of this packet.
    pub(crate) fn is_about(&self, place: StreamPlace) -> bool {
        self.other().is_some_and(|mark| mark.packet == Some(place))
    }

    /// How often the mark of another instance says that this part of a packet was begun alone.
    pub(crate) fn starts(&self, place: StreamPlace, river: &str) -> u32 {
        self.other().filter(|mark| mark.is_of(place, river)).map_or(0, |mark| mark.starts)
    }

    /// What another instance has begun that a mark of this part of a packet would write over.
    pub(crate) fn unfinished(
        &self,
        place: StreamPlace,
        river: &str,
    ) -> Option<(StreamPlace, Mark)> {
        let mark = self.other().filter(|mark| !mark.is_of(place, river))?;
        Some((mark.packet?, mark))
    }

    /// Marks a part of a packet that is to begin; `false` if another instance was faster.
    pub(crate) async fn take(&self, place: StreamPlace, river: &str, starts: u32) -> Result<bool> {
        let (instance, river) = (self.instance.clone(), river.to_owned());
        self.write(Mark { instance, packet: Some(place), river, starts }).await
    }

    /// Says that the holder is still there.
    pub(crate) async fn renew(&self) {
        let Some(mark) = self.mark().filter(|mark| mark.instance == self.instance) else {
            return;
        };
        match self.overwrite(mark).await {
            Ok(true) => {}
            Ok(false) => warn!("another instance has taken the permission to run alone over"),
            Err(error) => warn!("a suspect may run beside another: {}", with_causes(&error)),
        }
    }

    /// Gives the permission back, if it is this instance's.
    pub(crate) async fn free(&self) {
        if self.is_mine()
            && let Err(error) = self.overwrite(Mark::default()).await
        {
            warn!("suspects of other instances wait a little longer: {}", with_causes(&error));
        }
    }

    fn mark(&self) -> Option<Mark> {
        self.seen.borrow().as_ref().map(|seen| seen.mark.clone())
    }

    /// What was seen last, unless it is this instance's.
    fn other(&self) -> Option<Mark> {
        self.mark().filter(|mark| mark.instance != self.instance)
    }

    /// Whether this instance holds the permission, as far as it knows.
    pub(crate) fn is_mine(&self) -> bool {
        self.seen.borrow().as_ref().is_some_and(|seen| seen.mark.instance == self.instance)
    }

    /// Writes over what this instance wrote last, also where that was not answered; `false` if
    /// another one holds the permission by now.
    async fn overwrite(&self, mark: Mark) -> Result<bool> {
        if self.write(mark.clone()).await? {
            return Ok(true);
        }
        self.look().await?;
        Ok(self.is_mine() && self.write(mark).await?)
    }

    async fn look(&self) -> Result<()> {
        let (found, revision) = self.bucket.read::<Mark>(&self.key).await?;
        let mut seen = self.seen.borrow_mut();
        if seen.as_ref().is_none_or(|seen| seen.revision != revision) {
            let mark = found.unwrap_or_default();
            *seen = Some(Seen { mark, revision, since: Instant::now() });
        }
        Ok(())
    }

    async fn write(&self, mark: Mark) -> Result<bool> {
        let revision = self.seen.borrow().as_ref().map_or(0, |seen| seen.revision);
        let json = serde_json::to_vec(&mark).unwrap_or_default();
        let saved = self.bucket.save(&self.key, json.into(), revision).await?;
        // One that was refused is looked at anew before anything is made of it.
        *self.seen.borrow_mut() =
            saved.map(|revision| Seen { mark, revision, since: Instant::now() });
        Ok(saved.is_some())
    }
}
