//! What rivers remember: a value per key, moved exactly one step by each packet.
//!
//! Says what is stored and under which key. Loading and saving it on the server is left to
//! the service's delivery.

mod floors;
mod key;
mod record;
mod remembering;
pub(crate) mod store;

pub(crate) use floors::Floors;
pub use key::MemoryKey;
pub(crate) use key::{KeySource, encoded};
pub(crate) use record::Crowded;
pub use record::Record;
pub use remembering::RememberingRiver;
