//! Where the packets of the rapids come from, by the service's way of delivery.

use crate::Result;
use crate::delivery::live::feed::LiveFeed;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::{Pull, Pulled};
use crate::position::renewal::ReadProgress;

/// Asked for packets, and gives no more than it was asked for.
pub(crate) enum PacketSource {
    Shared(Box<Pull>),
    Exclusive(Box<LiveFeed>),
}

impl PacketSource {
    /// Asked for and neither given nor refused.
    pub(crate) fn outstanding(&self) -> usize {
        match self {
            Self::Shared(pull) => pull.outstanding(),
            Self::Exclusive(feed) => feed.outstanding(),
        }
    }

    /// Asks for up to this many packets more.
    pub(crate) async fn request(&mut self, batch: usize) -> Result<()> {
        match self {
            Self::Shared(pull) => pull.request(batch).await,
            Self::Exclusive(feed) => {
                feed.request(batch);
                Ok(())
            }
        }
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Pulled {
        match self {
            Self::Shared(pull) => pull.next().await,
            Self::Exclusive(feed) => feed.next().await,
        }
    }

    /// What has come already.
    pub(crate) fn ready(&mut self) -> Option<Pulled> {
        match self {
            Self::Shared(pull) => pull.ready(),
            Self::Exclusive(feed) => feed.ready(),
        }
    }

    /// How far the reading is, in exclusive delivery.
    pub(crate) fn progress(&self) -> ReadProgress {
        match self {
            Self::Shared(_) => ReadProgress::default(),
            Self::Exclusive(feed) => feed.progress(),
        }
    }

    /// A packet that was given is handled.
    pub(crate) fn handled(&mut self) {
        if let Self::Exclusive(feed) = self {
            feed.handled();
        }
    }

    /// Lets packets be given up to this sequence.
    pub(crate) fn allow_to(&mut self, sequence: u64) {
        if let Self::Exclusive(feed) = self {
            feed.allow_to(sequence);
        }
    }

    /// What is announced of it.
    pub(crate) fn told(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Exclusive(feed) if feed.is_catching_up() => Some("catching up".to_owned()),
            Self::Exclusive(_) => Some("live".to_owned()),
        }
    }

    /// Why requests were lost, if the position on the server is to be looked at for that.
    pub(crate) fn lost(&mut self) -> Option<&'static str> {
        match self {
            Self::Shared(pull) => pull.lost(),
            Self::Exclusive(feed) => {
                feed.look_after();
                None
            }
        }
    }

    /// Ends the deliveries, and returns what is to be handed back of them.
    pub(crate) async fn close(&mut self) -> Vec<RawPacket> {
        match self {
            Self::Shared(pull) => pull.close().await,
            Self::Exclusive(feed) => {
                feed.close().await;
                Vec::new()
            }
        }
    }
}
