//! What rivers remember: a value per key, which each packet moves exactly one step.
//!
//! Says what is stored, and under which key. When it is loaded and saved is left to
//! [`delivery`](crate::delivery).

mod entry_key;
mod floors;
mod key;
mod record;
mod types;
mod unreadable;
mod value;

pub use entry_key::EntryKey;
pub(crate) use floors::Floors;
pub(crate) use key::KeySource;
pub use key::MemoryKey;
pub use record::Record;
pub(crate) use record::{Crowded, Dropped, KeptAs};
pub(crate) use types::{Found, Types, WrongType};
pub use unreadable::Unreadable;
pub(crate) use value::{Encoded, Json, Memory, Reason, Value};
