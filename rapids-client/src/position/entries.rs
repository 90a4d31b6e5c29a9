//! Where the entries of services are kept: the bucket `RAPIDS_SERVICES`, written by compare-and-set.

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::jetstream::scan::Scan;
use crate::mirror::Mirror;
use crate::names::SERVICES;
use crate::position::entry::ServiceEntry;

/// The entry of one service, on the server.
#[derive(Clone)]
pub(crate) struct ServiceEntries {
    bucket: Bucket,
    service: String,
}

impl ServiceEntries {
    /// Opens the bucket, and makes it if there is none.
    pub(crate) async fn open(connection: &Connection, service: &str) -> Result<Self> {
        let bucket = Bucket::open(connection, &Resource::services()).await?;
        Ok(Self { bucket, service: service.to_owned() })
    }

    /// Opens the bucket; `None` if there is none.
    pub(crate) async fn existing(connection: &Connection, service: &str) -> Result<Option<Self>> {
        let bucket = Bucket::existing(connection, SERVICES).await?;
        Ok(bucket.map(|bucket| Self { bucket, service: service.to_owned() }))
    }

    /// The entry of a service; `None` if the service is not known.
    pub(crate) async fn entry(
        connection: &Connection,
        service: &str,
    ) -> Result<Option<ServiceEntry>> {
        match Self::existing(connection, service).await? {
            Some(entries) => entries.load().await,
            None => Ok(None),
        }
    }

    /// The mirrors from which services read, each once.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn mirrors(connection: &Connection) -> Result<Vec<Mirror>> {
        let mut mirrors = Vec::new();
        if Bucket::existing(connection, SERVICES).await?.is_none() {
            return Ok(mirrors);
        }
        let keys = format!("$KV.{SERVICES}.>");
        let mut entries = Scan::new(connection, &format!("KV_{SERVICES}"), keys);
        while let Some(message) = entries.next().await? {
            // What cannot be read is told by its service.
            let entry: Option<ServiceEntry> = serde_json::from_slice(&message.payload).ok();
            let mirror = entry.and_then(|entry| entry.mirror().cloned());
            mirrors.extend(mirror.filter(|mirror| !mirrors.contains(mirror)));
        }
        Ok(mirrors)
    }

    /// The entry; `None` if the service is not known.
    ///
    /// # Errors
    /// `Record` for an entry of a newer version, and for what is no entry; `NotPermitted`, `Server`.
    pub(crate) async fn load(&self) -> Result<Option<ServiceEntry>> {
        Ok(self.bucket.read(&self.service).await?.0)
    }

    /// Changes the entry, and returns it as it is then. If another has written meanwhile, the change is
    /// made to what that wrote. An entry that does not change is not written.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub(crate) async fn update(&self, change: impl Fn(&mut ServiceEntry)) -> Result<ServiceEntry> {
        let change = |entry: &mut ServiceEntry| {
            change(entry);
            Ok(())
        };
        self.try_update(change).await
    }

    /// As [`update`](Self::update), for a change that may be refused, by what another has written: then
    /// nothing is written.
    ///
    /// # Errors
    /// As for [`load`](Self::load), and that of the change.
    pub(crate) async fn try_update(
        &self,
        change: impl Fn(&mut ServiceEntry) -> Result<()>,
    ) -> Result<ServiceEntry> {
        loop {
            let (found, revision) = self.bucket.read::<ServiceEntry>(&self.service).await?;
            let found = found.unwrap_or_default();
            let mut entry = found.clone();
            change(&mut entry)?;
            let json = || entry.written().into();
            if entry == found || self.bucket.save(&self.service, json(), revision).await?.is_some()
            {
                return Ok(entry);
            }
        }
    }

    /// As [`update`](Self::update), but asks the server only if the change would change the entry that
    /// was read before.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub(crate) async fn update_from(
        &self,
        read: &ServiceEntry,
        change: impl Fn(&mut ServiceEntry),
    ) -> Result<()> {
        let mut changed = read.clone();
        change(&mut changed);
        if changed != *read {
            self.update(change).await?;
        }
        Ok(())
    }

    /// Removes the entry.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.bucket.delete(&self.service).await
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use jiff::Timestamp;
    use rapids_test::NatsServer;

    use super::*;
    use crate::Config;

    #[tokio::test]
    async fn changes_that_are_made_at_once_are_all_kept() {
        let server = NatsServer::start().unwrap();
        let connection = Connection::open(&Config::new(server.url()), "test").await.unwrap();
        assert_eq!(ServiceEntries::entry(&connection, "payment").await.unwrap(), None);
        let entries = ServiceEntries::open(&connection, "payment").await.unwrap();
        let now = Timestamp::UNIX_EPOCH;
        entries.update(|entry| entry.set_stream(now, false)).await.unwrap();
        let raising = (0..8).map(|_| entries.update(|entry| entry.move_to(entry.epoch() + 1, now)));
        for raised in join_all(raising).await {
            raised.unwrap();
        }
        let entry = ServiceEntries::entry(&connection, "payment").await.unwrap().unwrap();
        assert_eq!((entry.epoch(), entry.floor().unwrap().sequence), (8, 7));
        entries.remove().await.unwrap();
        assert_eq!(entries.load().await.unwrap(), None);
    }
}
