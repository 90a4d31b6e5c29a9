//! The mark of the suspect that runs: of one packet of a service, in one of its instances.
//!
//! It is one key on the server, and is written before the suspect begins. The instance that wrote it
//! renews it, and overwrites it with the next suspect or with an empty mark. So a mark that is not empty
//! is of a suspect that still runs, or came to no end. The mark is a
//! [lease](crate::jetstream::lease): another instance may take it over if it stays unchanged while the
//! server answers.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tracing::warn;

use crate::Result;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::lease::{LONG_LEASE, renewed_during};
use crate::jetstream::revision_watch::RevisionWatch;
use crate::jetstream::sequence::StreamPlace;
use crate::stored::Stored;

/// How often the mark is renewed.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often another instance's mark is read.
pub(crate) const READ_AGAIN: Duration = Duration::from_millis(100);

/// The mark of one service, as one of its instances knows it.
pub(crate) struct SuspectMark {
    bucket: Bucket,
    key: String,
    instance: String,
    /// After so long without a renewal, another instance may take the mark over.
    lease: Duration,
    /// The mark that was written or seen last, and its revision.
    seen: RefCell<Option<(Mark, u64)>>,
    watch: RefCell<RevisionWatch>,
}

/// The river and the packet that an instance runs alone; empty if none.
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
    /// With a lease of zero, the instance that wrote the mark before is certainly gone.
    pub(crate) fn new(bucket: Bucket, service: &str, instance: &str, lease: Duration) -> Self {
        Self {
            bucket,
            key: format!("{service}.alone"),
            instance: instance.to_owned(),
            lease,
            seen: RefCell::default(),
            watch: RefCell::new(RevisionWatch::new(READ_AGAIN * 5)),
        }
    }

    /// Whether this instance may write the mark of this packet: no other instance runs a suspect. If
    /// not, ask again after [`READ_AGAIN`].
    pub(crate) async fn is_free_for(&self, place: StreamPlace) -> Result<bool> {
        loop {
            // If another instance has overwritten it, the server refuses the next write.
            if self.is_mine() {
                return Ok(true);
            }
            let unchanged = self.read().await?;
            let Some(mark) = self.other() else {
                return Ok(true);
            };
            // The server delivers the packet of the mark to another instance only after its instance,
            // or the server itself, was silent for long. A short lease is enough to know which.
            let is_same = mark.packet == Some(place);
            let lease = if is_same { self.lease.min(LONG_LEASE) } else { self.lease };
            if mark.instance.is_empty() || unchanged >= lease {
                return Ok(true);
            }
            if !self.watch.borrow().is_interrupted() {
                return Ok(false);
            }
            sleep(READ_AGAIN).await;
        }
    }

    /// Whether the mark is another instance's, and about this packet.
    pub(crate) fn is_about(&self, place: StreamPlace) -> bool {
        self.other().is_some_and(|mark| mark.packet == Some(place))
    }

    /// How often this river was begun alone on this packet, by the mark of another instance.
    pub(crate) fn starts(&self, place: StreamPlace, river: &str) -> u32 {
        self.other().filter(|mark| mark.is_of(place, river)).map_or(0, |mark| mark.starts)
    }

    /// The mark of another instance that a mark of this river and packet would overwrite.
    pub(crate) fn unfinished(
        &self,
        place: StreamPlace,
        river: &str,
    ) -> Option<(StreamPlace, Mark)> {
        let mark = self.other().filter(|mark| !mark.is_of(place, river))?;
        Some((mark.packet?, mark))
    }

    /// Writes the mark of a suspect that is about to run; `false` if another instance was faster.
    pub(crate) async fn take(&self, place: StreamPlace, river: &str, starts: u32) -> Result<bool> {
        let (instance, river) = (self.instance.clone(), river.to_owned());
        let is_taken = self.write(Mark { instance, packet: Some(place), river, starts }).await?;
        if !is_taken {
            // The next check reads it.
            self.seen.take();
        }
        Ok(is_taken)
    }

    /// Runs a suspect, and renews its mark meanwhile.
    pub(crate) async fn run_renewed<T>(&self, running: impl Future<Output = T>) -> T {
        renewed_during(RENEWAL, async || self.renew().await, running).await
    }

    /// Renews the mark; `false` if it is another instance's.
    async fn renew(&self) -> bool {
        let Some(mark) = self.seen().filter(|mark| mark.instance == self.instance) else {
            return false;
        };
        let renewed = self.overwrite(mark).await;
        match &renewed {
            Ok(true) => {}
            Ok(false) => warn!("another instance has taken over the mark of the suspect that runs"),
            Err(error) => {
                self.bucket
                    .connection()
                    .warn("the mark of the suspect that runs is not renewed", error);
            }
        }
        renewed.unwrap_or(true)
    }

    /// Empties the mark, if it is this instance's.
    pub(crate) async fn release(&self) {
        if self.is_mine()
            && let Err(error) = self.overwrite(Mark::default()).await
        {
            let connection = self.bucket.connection();
            connection.warn("suspects of other instances wait a little longer", &error);
        }
    }

    fn seen(&self) -> Option<Mark> {
        self.seen.borrow().as_ref().map(|(mark, _)| mark.clone())
    }

    /// The mark that was seen last, unless it is this instance's.
    fn other(&self) -> Option<Mark> {
        self.seen().filter(|mark| mark.instance != self.instance)
    }

    /// Whether the mark is this instance's, as far as it knows.
    pub(crate) fn is_mine(&self) -> bool {
        self.seen.borrow().as_ref().is_some_and(|(mark, _)| mark.instance == self.instance)
    }

    /// Overwrites this instance's mark, also if the last write was not answered; `false` if it is
    /// another instance's by now.
    async fn overwrite(&self, mark: Mark) -> Result<bool> {
        if self.write(mark.clone()).await? {
            return Ok(true);
        }
        self.read().await?;
        Ok(self.is_mine() && self.write(mark).await?)
    }

    /// Reads the mark, and returns for how long it has not changed.
    async fn read(&self) -> Result<Duration> {
        let (found, revision) = self.bucket.read::<Mark>(&self.key).await?;
        self.seen.replace(Some((found.unwrap_or_default(), revision)));
        Ok(self.watch.borrow_mut().look(revision, Instant::now()))
    }

    async fn write(&self, mark: Mark) -> Result<bool> {
        let revision = self.seen.borrow().as_ref().map_or(0, |(_, revision)| *revision);
        let json = serde_json::to_vec(&mark).expect("numbers and texts can be written as JSON");
        let saved = self.bucket.save(&self.key, json.into(), revision).await?;
        if let Some(revision) = saved {
            self.seen.replace(Some((mark, revision)));
        }
        Ok(saved.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rapids_test::NatsServer;
    use tokio::time::timeout;

    use super::*;
    use crate::Config;
    use crate::connection::Connection;
    use crate::jetstream::resource::Resource;
    use crate::jetstream::sequence::StreamName;

    const SHORT: Duration = Duration::from_secs(2);

    async fn mark(server: &NatsServer, instance: &str) -> SuspectMark {
        let connection = Connection::open(&Config::new(server.url()), "test").await.unwrap();
        let bucket = Bucket::open(&connection, &Resource::handling(Duration::ZERO)).await.unwrap();
        SuspectMark::new(bucket, "s", instance, SHORT)
    }

    fn place(sequence: u64) -> StreamPlace {
        StreamPlace { stream: StreamName::Rapids, sequence }
    }

    fn signal(server: &NatsServer, signal: &str) {
        let pid = server.pid().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    #[tokio::test]
    async fn a_server_that_is_silent_frees_no_mark() {
        let server = NatsServer::start().unwrap();
        let (one, two) = (mark(&server, "one").await, mark(&server, "two").await);
        assert!(one.is_free_for(place(1)).await.unwrap());
        assert!(one.take(place(1), "taste", 1).await.unwrap());
        for same_or_other in [place(1), place(2)] {
            assert!(!two.is_free_for(same_or_other).await.unwrap());
            signal(&server, "-STOP");
            // It may have answered just before.
            let asking = async || timeout(SHORT + RENEWAL, two.is_free_for(same_or_other)).await;
            while let Ok(is_free) = asking().await {
                assert!(!is_free.unwrap());
            }
            signal(&server, "-CONT");
            assert!(!one.run_renewed(two.is_free_for(same_or_other)).await.unwrap());
        }
        let freed = async { while !two.is_free_for(place(2)).await.unwrap() {} };
        timeout(SHORT * 5, freed).await.expect("nobody renews it any more");
        assert!(two.take(place(2), "taste", 1).await.unwrap());
        assert!(!one.renew().await, "it is another's");
    }
}
