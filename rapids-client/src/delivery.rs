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

mod alone;
mod beginning;
mod breaker;
mod burials;
mod chores;
mod clearing;
mod closing;
mod consumer;
mod delivered;
pub(crate) mod desk;
pub(crate) mod engine;
mod entry_keeper;
mod exclusive;
mod floor;
mod forgeries;
mod handling;
mod held;
mod in_hand;
mod intake;
mod ledger;
mod look;
mod losses;
mod memories;
mod notes;
pub(crate) mod opening;
mod outcome;
mod place;
mod position;
mod pull;
mod rate;
pub(crate) mod reactor;
pub(crate) mod replays;
mod schedule;
mod service_entries;
mod service_entry;
mod suspects;
mod taking;
mod tally;
mod tickets;
mod turning;
mod unended;
pub(crate) mod window;

pub(crate) use consumer::{Consumer, epoch_of};
pub(crate) use exclusive::{
    Hub, LEASE, Permit, Record, Seat, Stillness, deleted, lost, open_bucket,
};
pub(crate) use replays::{delete as delete_replays, existing as replays_info};
pub(crate) use service_entries::ServiceEntries;
pub(crate) use service_entry::ServiceEntry;
