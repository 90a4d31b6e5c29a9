//! What an erasure is about: whose contents are meant, and what was found of them in one pass.
//!
//! Pure bookkeeping. Going through streams and buckets is left to [`erasure`](crate::erasure).

mod held;
mod masked;
mod meant;

pub(crate) use held::Tally;
pub use held::{Held, HeldIn};
pub(crate) use masked::masked;
pub(crate) use meant::{Judged, Meant};
