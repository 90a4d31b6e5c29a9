//! What a source of packets delivers, in both ways of delivery.

use crate::Error;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::Pulled;

#[derive(Debug)]
pub(crate) enum Incoming {
    Packet(RawPacket),
    /// A request ended before it brought all its packets, and the engine may ask for more.
    RequestEnded,
    /// A request failed for this reason. The consumer may be gone, and the engine has to check it.
    Doubtful(String),
    /// Of the live feed: the packet of the stream in whose place a forged copy was delivered before.
    Real(RawPacket),
    /// Of the live feed: delivered copies that are not in the stream.
    Forged {
        from: u64,
        to: u64,
    },
    /// Of the live feed: packets that are known to be for none of the rivers.
    Skipped {
        from: u64,
        to: u64,
    },
    /// Of the live feed: packets that are not in the stream any more.
    Gone {
        from: u64,
        to: u64,
    },
    /// Of the live feed: an error that ends the service.
    Failed(Error),
}

impl From<Pulled> for Incoming {
    fn from(pulled: Pulled) -> Self {
        match pulled {
            Pulled::Packet(packet) => Self::Packet(packet),
            Pulled::RequestEnded => Self::RequestEnded,
            Pulled::Doubtful(reason) => Self::Doubtful(reason),
        }
    }
}
