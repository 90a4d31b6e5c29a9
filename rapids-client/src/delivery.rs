//! From the stream to the reactions and back: shared delivery.
//!
//! A service's connection, its pulls, acknowledgements, keep-alives and publishing run on a
//! thread of the library ([`engine`]). Reactions run on the caller's runtime ([`reactor`]), so
//! one that blocks its thread delays its successors and nothing else.

mod breaker;
mod chores;
mod consumer;
pub(crate) mod engine;
mod handling;
mod held;
mod losses;
mod memories;
mod origin;
mod place;
mod pull;
mod rate;
pub(crate) mod reactor;
mod schedule;
mod tally;
mod window;
