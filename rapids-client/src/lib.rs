#![doc = include_str!("lib.md")]

mod backoff;
mod bucket;
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
mod printable;
mod rapids;
mod river;
mod service;
mod stored;
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
#[doc(hidden)]
pub use matcher::Matcher;
pub use memory::{MemoryKey, Record, RememberingRiver};
pub use packet::{Arrival, Names, Packet};
pub use printable::{Printable, printable};
pub use rapids::{
    Announced, Holder, Moved, Moving, Position, Published, Rapids, Retired, Retiring, Sending,
    Start, Tail,
};
pub use river::{
    ClauseReport, Explanation, Outcome, Packets, RetryPolicy, River, Rules, Verdict, is_final,
    reject, retry_after,
};
pub use service::{Bundle, Service, bundle, told_to_stop};
