//! Where a service gets the live feed from: a subscription of its own, or the one that the services
//! of its process share.

use std::cell::RefCell;
use std::rc::Rc;

use super::copies::{Copies, Unfit};
use super::hub::{Came, Member, Seat};
use super::live::{Live, standing};
use crate::Result;
use crate::connection::Connection;
use crate::delivery::delivered::Delivered;
use crate::rapids::stream::StreamFacts;

pub(super) enum Source {
    Own(Live),
    Shared(Member),
}

/// A live feed that was joined.
pub(super) struct Joined {
    pub(super) source: Source,
    /// How the stream stands, by its own account.
    pub(super) facts: StreamFacts,
    /// Everything behind this sequence comes live.
    pub(super) meet: u64,
}

impl Source {
    /// Whether it leaves out what is for none of the rivers.
    pub(super) fn is_sifted(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Joins, where the stream is known to have reached this sequence.
    pub(super) async fn join(
        connection: Connection,
        seat: Option<Seat>,
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
    pub(super) fn copies(&self) -> Rc<RefCell<Copies>> {
        match self {
            Self::Own(live) => live.copies(),
            Self::Shared(member) => member.copies(),
        }
    }

    pub(super) async fn next(&mut self) -> Came {
        match self {
            Self::Own(live) => came(live.next().await),
            Self::Shared(member) => member.next().await,
        }
    }

    pub(super) fn ready(&mut self, arriving: u64) -> Option<Came> {
        match self {
            Self::Own(live) => Some(came(live.ready()?)),
            Self::Shared(member) => member.ready(arriving),
        }
    }
}

fn came(next: Result<Delivered, Unfit>) -> Came {
    match next {
        Ok(delivered) => Came::Packet(Box::new(delivered)),
        Err(unfit) => Came::Unfit(unfit),
    }
}
