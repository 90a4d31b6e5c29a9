//! Who of a service's instances may run a suspect: one at a time.
//!
//! The permission is a key that names instance and packet. Its holder renews it; one that is not
//! renewed any more can be taken over. Time is measured by each instance's own steady clock, from
//! when it saw the key change last, so clocks need not agree.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::place::Turn;
use crate::Result;
use crate::bucket::Bucket;
use crate::error::with_causes;

/// The permission of one service, as one of its instances sees it.
pub(crate) struct Alone {
    bucket: Bucket,
    key: String,
    instance: String,
    /// Not renewed for this long, it can be taken over.
    lease: Duration,
    /// The revision that was written or seen last, and since when it stands.
    seen: Cell<Option<(u64, Instant)>>,
    /// Whether that revision says that nobody holds it.
    is_free: Cell<bool>,
}

/// Who holds it; empty when nobody does.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Holder {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    instance: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    packet: String,
    #[serde(default)]
    river: usize,
}

impl Alone {
    pub(crate) fn new(bucket: Bucket, service: &str, instance: &str, lease: Duration) -> Self {
        Self {
            bucket,
            key: format!("{service}.alone"),
            instance: instance.to_owned(),
            lease,
            seen: Cell::new(None),
            is_free: Cell::new(false),
        }
    }

    /// Takes the permission, unless another instance makes use of it: then `false`.
    pub(crate) async fn take(&self, turn: Turn) -> Result<bool> {
        let holder = self.holder(turn);
        if let Some((revision, _)) = self.seen.get()
            && self.is_free.get()
            && self.write(&holder, revision).await?
        {
            return Ok(true);
        }
        let (found, revision) = self.load().await?;
        let since = match self.seen.get() {
            Some((seen, since)) if seen == revision => since,
            _ => Instant::now(),
        };
        self.seen.set(Some((revision, since)));
        // A packet comes to another instance only when its holder has been silent for long.
        let is_mine = [&self.instance, ""].contains(&found.instance.as_str())
            || found.packet == holder.packet;
        if is_mine || since.elapsed() > self.lease {
            return self.write(&holder, revision).await;
        }
        Ok(false)
    }

    /// Makes sure, when some time has passed, that the permission was not taken over: then `false`.
    pub(crate) async fn confirm(&self, turn: Turn) -> Result<bool> {
        let is_recent = self.seen.get().is_some_and(|(_, since)| since.elapsed() < self.lease / 2);
        if is_recent { Ok(true) } else { self.overwrite(&self.holder(turn)).await }
    }

    /// Says that the holder is still there.
    pub(crate) async fn renew(&self, turn: Turn) {
        match self.overwrite(&self.holder(turn)).await {
            Ok(true) => {}
            Ok(false) => warn!("another instance has taken the permission to run alone over"),
            Err(error) => warn!("a suspect may run beside another: {}", with_causes(&error)),
        }
    }

    /// Gives the permission back. One that was taken over meanwhile is left alone.
    pub(crate) async fn free(&self) {
        if let Err(error) = self.overwrite(&Holder::default()).await {
            warn!("suspects of other instances wait a little longer: {}", with_causes(&error));
        }
    }

    fn holder(&self, turn: Turn) -> Holder {
        let packet = turn.place.to_string();
        Holder { instance: self.instance.clone(), packet, river: turn.river }
    }

    /// Writes over what this instance wrote last, also where that was not answered; `false` if
    /// another instance holds the permission by now.
    async fn overwrite(&self, holder: &Holder) -> Result<bool> {
        let Some((revision, _)) = self.seen.get() else {
            return Ok(false);
        };
        if self.write(holder, revision).await? {
            return Ok(true);
        }
        let (found, revision) = self.load().await?;
        Ok(found.instance == self.instance && self.write(holder, revision).await?)
    }

    async fn load(&self) -> Result<(Holder, u64)> {
        let (found, revision) = self.bucket.load(&self.key).await?;
        let found = found.and_then(|json| serde_json::from_slice(&json).ok());
        Ok((found.unwrap_or_default(), revision))
    }

    async fn write(&self, holder: &Holder, revision: u64) -> Result<bool> {
        let json = serde_json::to_vec(holder).unwrap_or_default();
        let saved = self.bucket.save(&self.key, json.into(), revision).await?;
        if let Some(revision) = saved {
            self.seen.set(Some((revision, Instant::now())));
            self.is_free.set(*holder == Holder::default());
        } else {
            self.is_free.set(false);
        }
        Ok(saved.is_some())
    }
}
