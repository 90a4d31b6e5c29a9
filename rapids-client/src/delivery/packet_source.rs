//! Where the packets of the rapids come from: a pull in shared delivery, the live feed in exclusive
//! delivery.

use crate::Result;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::Pull;
use crate::live::feed::LiveFeed;
use crate::live::incoming::Incoming;
use crate::position::lease::renewal::ReadProgress;

/// Delivers no more packets than it was asked for.
pub(crate) enum PacketSource {
    Shared(Box<Pull>),
    Exclusive(Box<LiveFeed>),
}

impl PacketSource {
    /// How many packets were asked for, and neither delivered nor refused.
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
    pub(crate) async fn next(&mut self) -> Incoming {
        match self {
            Self::Shared(pull) => pull.next().await.into(),
            Self::Exclusive(feed) => feed.next().await,
        }
    }

    /// The next, if it has come already.
    pub(crate) fn ready(&mut self) -> Option<Incoming> {
        match self {
            Self::Shared(pull) => pull.ready().map(Incoming::from),
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

    /// The last sequence given, and how many packets follow it; in exclusive delivery.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        match self {
            Self::Shared(_) => None,
            Self::Exclusive(feed) => Some(feed.position()),
        }
    }

    /// A delivered packet is handled.
    pub(crate) fn handled(&mut self) {
        if let Self::Exclusive(feed) = self {
            feed.confirm_soon();
        }
    }

    /// Permits packets up to this sequence.
    pub(crate) fn allow_to(&mut self, sequence: u64) {
        if let Self::Exclusive(feed) = self {
            feed.allow_to(sequence);
        }
    }

    /// The mode that the service announces, in exclusive delivery.
    pub(crate) fn mode(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Exclusive(feed) if feed.is_catching_up() => Some("catching up".to_owned()),
            Self::Exclusive(_) => Some("live".to_owned()),
        }
    }

    /// Counts lost requests as ended. Returns why they were lost, if the position is to be checked for
    /// that.
    pub(crate) fn reset_if_lost(&mut self) -> Option<&'static str> {
        match self {
            Self::Shared(pull) => pull.reset_if_lost(),
            Self::Exclusive(feed) => {
                feed.check_connection();
                None
            }
        }
    }

    /// Ends the deliveries, and returns the packets that are still to be handed back.
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
