//! Exclusive delivery: one instance of the service is active and reads the rapids in stream order,
//! any number stand by.
//!
//! The packets come from the copy that the server sends of each one it has stored ([`live`]), and
//! from the stream where that has a gap ([`catch_up`]); [`seam`] joins the two. Nothing of the
//! service is on the server but one record ([`record`]): what is done, and whose turn it is. What
//! happens to a packet that was taken is the same as in shared delivery, and is left to it.

mod beginning;
mod catch_up;
mod copies;
mod done;
mod feed;
mod hub;
mod keeper;
mod lease;
mod live;
mod permit;
mod record;
mod seam;
mod source;
mod stillness;
mod tenure;

pub(crate) use beginning::{ensure_record, forget, release};
pub(crate) use done::Done;
pub(crate) use feed::{LiveFeed, Progress};
pub(crate) use hub::{Hub, Seat};
pub(crate) use keeper::Kept;
pub(crate) use lease::{LEASE, Lease, open_bucket};
pub(crate) use permit::Permit;
pub(crate) use record::{Record, deleted, lost};
pub(crate) use stillness::Stillness;
pub(crate) use tenure::{Tenure, kept};
