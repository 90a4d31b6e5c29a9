//! From the stream to the reactions and back: shared delivery.
//!
//! A service's connection, its pulls, acknowledgements, keep-alives and publishing run on a
//! thread of the library ([`engine`]). Reactions run on the caller's runtime ([`reactor`]), so
//! one that blocks its thread delays its successors and nothing else.

mod alone;
mod breaker;
mod burials;
mod chores;
mod clearing;
mod closing;
mod consumer;
mod delivered;
pub(crate) mod engine;
mod handling;
mod held;
mod in_hand;
mod ledger;
mod losses;
mod memories;
mod notes;
mod origin;
mod place;
mod pull;
mod rate;
pub(crate) mod reactor;
mod replays;
mod schedule;
mod suspects;
mod taking;
mod tally;
mod tickets;
mod turning;
pub(crate) mod window;
