//! The ground floor, which speaks to JetStream and knows nothing of rivers: the streams and buckets of
//! the bus, what the server's refusals mean, publishing, pulling and reading in order.
//!
//! What streams and buckets hold is left to their users.

pub(crate) mod api;
mod batch;
pub(crate) mod bucket;
pub(crate) mod bulk;
pub(crate) mod claims;
pub(crate) mod created;
pub(crate) mod delete;
mod differences;
mod direct_read;
pub(crate) mod end_ages;
pub(crate) mod ensure;
mod fitness;
pub(crate) mod follower;
pub(crate) mod form;
pub(crate) mod header_scan;
mod known_ids;
pub(crate) mod lasting_follower;
pub(crate) mod lease;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod output_sender;
mod pace;
pub(crate) mod polled;
mod publish_acks;
pub(crate) mod publish_fault;
pub(crate) mod publish_once;
pub(crate) mod publisher;
pub(crate) mod pull;
pub(crate) mod read_from;
pub(crate) mod reader;
pub(crate) mod refusal;
pub(crate) mod requests;
pub(crate) mod resource;
pub(crate) mod restoring;
mod resumed;
pub(crate) mod revision_watch;
pub(crate) mod scan;
pub(crate) mod sequence;
pub(crate) mod snapshot;
pub(crate) mod stored_message;
pub(crate) mod stream;
pub(crate) mod timers;
mod timestamp;
pub(crate) mod trace_headers;
pub(crate) mod validity;

pub(crate) use created::created;
pub(crate) use timestamp::timestamp;
