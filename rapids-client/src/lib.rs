#![doc = include_str!("lib.md")]

mod announcement;
mod backoff;
mod condition;
mod config;
mod connection;
mod dead_letters;
mod delivery;
mod error;
mod jetstream;
mod json;
mod matcher;
mod memory;
mod names;
mod notices;
mod packet;
mod position;
mod printable;
mod rapids;
mod river;
mod service;
mod start;
pub mod telemetry;
mod values;

pub use config::{Config, Delivery, parse_duration};
pub use dead_letters::{
    Action, DeadLetter, DeadLetters, Deed, Filter, Kind, LetterId, Listing, Note, Refusal, State,
    StoredLetter,
};
pub use error::{Error, Result};
pub use jiff::Timestamp;
// Within reach of benchmarks and fuzz targets; no part of the interface.
pub use announcement::instances::Announced;
pub use delivery::signal::told_to_stop;
pub use jetstream::publisher::Published;
#[doc(hidden)]
pub use matcher::Matcher;
pub use memory::{MemoryKey, Record, RememberingRiver};
pub use packet::{Arrival, Names, Packet};
pub use position::retire::{Retired, Retiring};
pub use position::seek::Moving;
pub use position::seek_report::Moved;
pub use position::status::{Holder, Position};
pub use printable::{Printable, printable};
pub use rapids::{Rapids, Sending, Tail};
pub use river::{
    ClauseReport, Explanation, Outcome, Packets, RetryPolicy, River, Rules, Verdict, is_final,
    reject, retry_after,
};
pub use service::{Bundle, Service, bundle};
pub use start::Start;
