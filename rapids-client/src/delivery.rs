//! Runs services: from a packet that arrives to its acknowledgement.
//!
//! In shared delivery the server hands each packet to one of a service's instances, and waits for an
//! answer to it. In exclusive delivery one instance reads them all ([`live`](crate::live)). What
//! happens in between is the same. Read it in this order: [`engine`], [`receive`], [`in_flight`],
//! [`schedule`], [`turn`], [`executor`], [`settle`], [`acks`].
//!
//! The [`engine`] runs on a thread of the library, with the connection, its pulls, acknowledgements,
//! keep-alives and publishing. Reactions run on the caller's runtime, so that one which blocks its
//! thread delays only the reactions behind it.

mod acks;
mod acquire;
mod begun;
mod blocked;
mod bundle;
mod clock;
mod context;
mod dead_letter_writer;
mod demand;
mod done_before;
mod engine;
mod executor;
mod forged;
mod health;
mod in_flight;
mod maintenance;
mod memory_step;
mod origin;
mod packet_source;
mod probes;
mod progress;
pub(crate) mod provisioning;
mod publish_order;
mod pull_window;
mod quarantine;
mod reaction;
mod rebuilding;
mod receive;
mod replays;
mod rights;
mod run;
mod run_once;
mod schedule;
mod settle;
mod shutdown;
pub(crate) mod signal;
mod slot;
mod startup;
mod taken_ids;
mod tell;
mod turn;
mod turn_id;
mod watch;
