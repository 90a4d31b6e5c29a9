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
        let holder = Holder {
            instance: self.instance.clone(),
            packet: turn.place.to_string(),
            river: turn.river,
        };
        if let Some((revision, _)) = self.seen.get()
            && self.is_free.get()
            && self.write(&holder, revision).await?
        {
            return Ok(true);
        }
        let (found, revision) = self.bucket.load(&self.key).await?;
        let found: Holder =
            found.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
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

    /// Says that the holder is still there.
    pub(crate) async fn renew(&self, turn: Turn) {
        let Some((revision, _)) = self.seen.get() else {
            return;
        };
        let packet = turn.place.to_string();
        let holder = Holder { instance: self.instance.clone(), packet, river: turn.river };
        if let Err(error) = self.write(&holder, revision).await {
            warn!("a suspect may run twice: {}", with_causes(&error));
        }
    }

    /// Gives the permission back. One that was taken over meanwhile is left alone.
    pub(crate) async fn free(&self) {
        if let Some((revision, _)) = self.seen.get()
            && let Err(error) = self.write(&Holder::default(), revision).await
        {
            warn!("suspects of other instances wait a little longer: {}", with_causes(&error));
        }
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
