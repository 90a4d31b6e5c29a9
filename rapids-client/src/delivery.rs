//! From the stream to the reactions and back.
//!
//! In shared delivery the server hands packets to all instances of a service, each packet to one of
//! them, and is told when each is done with ([`pull`], [`held`]). In exclusive delivery one instance
//! reads them all ([`exclusive`]). What happens in between is the same.
//!
//! A service's connection, its pulls, acknowledgements, keep-alives and publishing run on a
//! thread of the library ([`engine`]). Reactions run on the caller's runtime ([`reactor`]), so
//! one that blocks its thread delays its successors and nothing else. Between the two is a
//! [`desk`].

mod acquire;
mod bundle;
mod counters;
mod dead_letter_writer;
mod engine;
pub(crate) mod executor;
mod forged;
mod handling;
mod held;
mod in_flight;
pub(crate) mod live;
pub(crate) mod maintenance;
mod memory_step;
mod once;
mod packet_source;
mod progress;
mod publish_order;
mod pull_window;
pub(crate) mod quarantine;
mod receive;
mod run;
mod schedule;
mod shutdown;
pub(crate) mod signal;
mod startup;
mod turn;
mod unended;
