//! Where a service gets the live feed from: a subscription of its own, or the one that the services
//! of its process share.

use std::cell::RefCell;
use std::rc::Rc;

use crate::Result;
use crate::connection::Connection;
use crate::delivery::live::copies::{Copies, Unfit};
use crate::delivery::live::shared_feed::{Came, FeedSubscriber, Member};
use crate::delivery::live::subscription::{Live, standing};
use crate::jetstream::message::RawPacket;
use crate::jetstream::stream::StreamFacts;

pub(crate) enum Source {
    Own(Live),
    Shared(Member),
}

/// A live feed that was joined.
pub(crate) struct Joined {
    pub(crate) source: Source,
    /// How the stream stands, by its own account.
    pub(crate) facts: StreamFacts,
    /// Everything behind this sequence comes live.
    pub(crate) meet: u64,
}

impl Source {
    /// Whether it leaves out what is for none of the rivers.
    pub(crate) fn is_sifted(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Joins, where the stream is known to have reached this sequence.
    pub(crate) async fn join(
        connection: Connection,
        seat: Option<FeedSubscriber>,
        reached: u64,
    ) -> Result<Joined> {
        let Some(seat) = seat else {
            let (live, facts) = Live::join(connection).await?;
            return Ok(Joined { source: Self::Own(live), meet: facts.last_sequence, facts });
        };
        let (member, meet, mut facts) = seat.join().await?;
        // Behind a pause of this process another one may have done more than came here yet.
        // That the stream ends there, only the stream can say.
        if facts.last_sequence < reached {
            facts = standing(&connection).await?;
        }
        Ok(Joined { source: Self::Shared(member), facts, meet })
    }

    /// What came and is not confirmed yet.
    pub(crate) fn copies(&self) -> Rc<RefCell<Copies>> {
        match self {
            Self::Own(live) => live.copies(),
            Self::Shared(member) => member.copies(),
        }
    }

    pub(crate) async fn next(&mut self) -> Came {
        match self {
            Self::Own(live) => came(live.next().await),
            Self::Shared(member) => member.next().await,
        }
    }

    pub(crate) fn ready(&mut self, arriving: u64) -> Option<Came> {
        match self {
            Self::Own(live) => Some(came(live.ready()?)),
            Self::Shared(member) => member.ready(arriving),
        }
    }
}

fn came(next: Result<RawPacket, Unfit>) -> Came {
    match next {
        Ok(delivered) => Came::Packet(Box::new(delivered)),
        Err(unfit) => Came::Unfit(unfit),
    }
}
