//! Where a service gets the live feed from: a subscription of its own, or the one that the services
//! of its process share.

use super::hub::{Came, Member, Seat};
use super::live::{Live, standing};
use crate::Result;
use crate::connection::Connection;
use crate::rapids::stream::StreamFacts;

pub(super) enum Source {
    Own(Live),
    Shared(Member),
}

impl Source {
    /// Whether it leaves out what is for none of the rivers.
    pub(super) fn is_sifted(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Joins, to read on from `next`.
    pub(super) async fn join(
        connection: Connection,
        seat: Option<Seat>,
        next: u64,
    ) -> Result<(Self, StreamFacts)> {
        if let Some(seat) = seat {
            let (member, mut facts) = seat.join().await?;
            // Behind a pause of this process another one may have done more than came here yet.
            // That the stream ends there, only the stream can say.
            if facts.last_sequence + 1 < next {
                facts = standing(&connection).await?;
            }
            return Ok((Self::Shared(member), facts));
        }
        let (live, facts) = Live::join(connection).await?;
        Ok((Self::Own(live), facts))
    }

    pub(super) async fn next(&mut self) -> Came {
        match self {
            Self::Own(live) => Came::Packet(Box::new(live.next().await)),
            Self::Shared(member) => member.next().await,
        }
    }

    pub(super) fn ready(&mut self, arriving: u64) -> Option<Came> {
        match self {
            Self::Own(live) => Some(Came::Packet(Box::new(live.ready()?))),
            Self::Shared(member) => member.ready(arriving),
        }
    }
}
