//! On how many servers of a cluster each stream and bucket is kept, and which of them have all of it.

use std::time::Duration;

use async_nats::jetstream::stream::{Info, PeerInfo, Placement};

use super::Rapids;
use crate::jetstream::ensure::{info_of, update};
use crate::jetstream::names::names;
use crate::names::{STREAM, is_of_the_bus};
use crate::{Error, Result};

/// On how many servers a stream or bucket is kept, and how they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// The name of the stream, such as `RAPIDS`; that of a bucket begins with `KV_`.
    pub stream: String,
    /// On how many servers it is to be kept.
    pub replicas: usize,
    /// The name of the server that leads; `None` while none does, and of a server that is alone.
    pub leader: Option<String>,
    /// The other servers that keep it.
    pub followers: Vec<ReplicaState>,
    /// The tags that a server must have to keep it; empty if any may.
    pub tags: Vec<String>,
}

/// How a server that follows the leader stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaState {
    /// The name of the server.
    pub server: String,
    /// Whether it has all that the leader has.
    pub is_current: bool,
    /// Whether the leader takes it for gone.
    pub is_offline: bool,
    /// How many changes it is behind.
    pub lag: u64,
    /// How long ago the leader heard of it.
    pub heard: Duration,
}

impl Replication {
    /// Whether all servers that are to keep it do, and have all of it.
    pub fn is_current(&self) -> bool {
        let current = self.followers.iter().filter(|it| it.is_current && !it.is_offline);
        self.replicas == 1
            || (self.leader.is_some()
                && self.followers.len() + 1 == self.replicas
                && current.count() == self.followers.len())
    }
}

impl From<&Info> for Replication {
    fn from(info: &Info) -> Self {
        let cluster = info.cluster.clone().unwrap_or_default();
        let mut followers: Vec<_> = cluster.replicas.iter().map(ReplicaState::from).collect();
        followers.sort_by(|one, other| one.server.cmp(&other.server));
        Self {
            stream: info.config.name.clone(),
            replicas: info.config.num_replicas.max(1),
            leader: cluster.leader.filter(|leader| !leader.is_empty()),
            followers,
            tags: info.config.placement.clone().map(|it| it.tags).unwrap_or_default(),
        }
    }
}

impl From<&PeerInfo> for ReplicaState {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            server: peer.name.clone(),
            is_current: peer.current,
            is_offline: peer.offline,
            lag: peer.lag.unwrap_or_default(),
            heard: peer.active,
        }
    }
}

impl Rapids {
    /// On how many servers each stream and bucket of the bus is kept, the rapids first.
    ///
    /// # Errors
    /// [`Error::Server`], [`Error::NotPermitted`].
    pub async fn replication(&self) -> Result<Vec<Replication>> {
        let connection = self.connection();
        let mut names = names(connection).await?;
        names.sort_by_key(|name| name != STREAM);
        let mut found = Vec::new();
        for name in names.into_iter().filter(|name| is_of_the_bus(name)) {
            // One may be deleted meanwhile.
            found.extend(info_of(connection, &name).await?.as_ref().map(Replication::from));
        }
        Ok(found)
    }

    /// On how many servers one stream is kept; `None` if there is none of this name.
    ///
    /// # Errors
    /// [`Error::Server`], [`Error::NotPermitted`].
    pub async fn replication_of(&self, stream: &str) -> Result<Option<Replication>> {
        Ok(info_of(self.connection(), stream).await?.as_ref().map(Replication::from))
    }

    /// Keeps a stream on this many servers from now on, while it is used; `tags` are those that each of them
    /// must have, and `None` leaves them as they are. Its consumers follow.
    ///
    /// The server copies it after this returns: [`replication_of`](Self::replication_of) tells how far it is.
    ///
    /// # Errors
    /// [`Error::Limit`] if the server has no place for that, with its words; [`Error::Server`],
    /// [`Error::NotPermitted`].
    pub async fn set_replicas(
        &self,
        stream: &str,
        replicas: usize,
        tags: Option<&[String]>,
    ) -> Result<()> {
        let connection = self.connection();
        let action = format!("keep the stream `{stream}` on {replicas} servers");
        let Some(info) = info_of(connection, stream).await? else {
            return Err(Error::Limit { action, reason: "there is none of this name".to_owned() });
        };
        let mut config = info.config;
        config.num_replicas = replicas;
        if let Some(tags) = tags {
            let cluster = config.placement.take().and_then(|placement| placement.cluster);
            let placement = Placement { cluster, tags: tags.to_vec() };
            config.placement = (placement != Placement::default()).then_some(placement);
        }
        let updated = Box::pin(update(connection, config)).await?;
        updated.map(drop).map_err(|reason| Error::Limit { action, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(is_current: bool, is_offline: bool) -> ReplicaState {
        let (server, lag, heard) = ("n2".to_owned(), 0, Duration::ZERO);
        ReplicaState { server, is_current, is_offline, lag, heard }
    }

    #[test]
    fn it_is_current_once_every_server_that_is_to_keep_it_has_all() {
        let of = |replicas, leader: Option<&str>, followers: &[ReplicaState]| {
            let (stream, leader) = (STREAM.to_owned(), leader.map(str::to_owned));
            let followers = followers.to_vec();
            Replication { stream, replicas, leader, followers, tags: Vec::new() }.is_current()
        };
        let (well, late, gone) =
            (follower(true, false), follower(false, false), follower(true, true));
        assert!(of(1, None, &[]), "a server that is alone");
        assert!(of(3, Some("n1"), &[well.clone(), well.clone()]));
        assert!(!of(3, None, &[well.clone(), well.clone()]), "nobody leads");
        assert!(!of(3, Some("n1"), std::slice::from_ref(&well)), "one is still to come");
        assert!(!of(3, Some("n1"), &[well.clone(), late]));
        assert!(!of(3, Some("n1"), &[well, gone]));
    }
}
