//! What the active instance of a service reads in exclusive delivery: all packets of the rapids, in
//! stream order.
//!
//! The packets come from the copies that the server sends of what it has stored
//! ([`live_source`]), and from the stream where those have a gap ([`catch_up`]).
//! [`sequence_merger`] merges the two, and [`feed`] delivers them to the engine. The service stores only
//! one [`record`](crate::position::record) on the server: what is done, and which instance is active.

mod catch_up;
pub(crate) mod feed;
pub(crate) mod incoming;
pub(crate) mod leave_reason;
mod live_source;
pub(crate) mod rejoin_backoff;
mod sequence_merger;
pub(crate) mod shared_feed;
mod sources;
pub(crate) mod subscription;
pub(crate) mod unconfirmed_copies;
