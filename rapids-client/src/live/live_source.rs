//! Where a service gets the live feed from: its own subscription, or the one that the services of its
//! process share.

use std::time::Duration;

use crate::Result;
use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::StreamFacts;
use crate::live::leave_reason::LeaveReason;
use crate::live::shared_feed::{FeedSubscriber, LiveItem, SharedSubscription};
use crate::live::subscription::{CHECK_EVERY, CHECK_SOON, LiveSubscription};
use crate::live::unconfirmed_copies::SharedCopies;

/// How often a service asks where the stream ends, if the shared feed asks more often already.
const CHECK_SHARED: Duration = Duration::from_secs(10);

pub(crate) enum LiveSource {
    Own(LiveSubscription),
    Shared(SharedSubscription),
}

/// A live feed that was joined.
pub(crate) struct Joined {
    pub(crate) source: LiveSource,
    /// The stream's state at that time.
    pub(crate) facts: StreamFacts,
    /// The feed brings everything behind this sequence.
    pub(crate) live_after: u64,
}

impl LiveSource {
    /// Joins the feed of a stream that is known to have reached this sequence.
    pub(crate) async fn join(
        read_from: ReadFrom,
        subscriber: Option<FeedSubscriber>,
        reached: u64,
    ) -> Result<Joined> {
        let Some(subscriber) = subscriber else {
            let (own, facts) = LiveSubscription::join(&read_from).await?;
            let live_after = facts.last_sequence;
            return Ok(Joined { source: Self::Own(own), facts, live_after });
        };
        let (shared, live_after, mut facts) = subscriber.join().await?;
        // This process may have paused while another one read further. Only the stream can say whether
        // it really ends before that.
        if facts.last_sequence < reached {
            facts = read_from.facts().await?;
        }
        Ok(Joined { source: Self::Shared(shared), facts, live_after })
    }

    pub(crate) fn copies(&self) -> &SharedCopies {
        match self {
            Self::Own(own) => own.copies(),
            Self::Shared(shared) => shared.copies(),
        }
    }

    /// How often to ask where the stream ends, while somebody waits for the confirmation of this
    /// sequence.
    pub(crate) fn check_interval(&self, confirm_to: u64) -> Duration {
        match self {
            Self::Shared(_) => CHECK_SHARED,
            Self::Own(own) if own.copies().borrow().need_confirmation_soon(confirm_to) => {
                CHECK_SOON
            }
            Self::Own(_) => CHECK_EVERY,
        }
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) async fn next(&mut self) -> Result<LiveItem, LeaveReason> {
        match self {
            Self::Own(own) => own.next().await.map(boxed),
            Self::Shared(shared) => shared.next().await,
        }
    }

    /// The next, if it has come and reaches this sequence.
    pub(crate) fn ready(&mut self, arriving: u64) -> Option<Result<LiveItem, LeaveReason>> {
        match self {
            Self::Own(own) => Some(own.ready()?.map(boxed)),
            Self::Shared(shared) => shared.ready(arriving),
        }
    }
}

fn boxed(packet: RawPacket) -> LiveItem {
    LiveItem::Packet(Box::new(packet))
}
