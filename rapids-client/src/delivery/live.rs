//! Exclusive delivery: one instance of the service is active and reads the rapids in stream order,
//! any number stand by.
//!
//! The packets come from the copy that the server sends of each one it has stored ([`live`]), and
//! from the stream where that has a gap ([`catch_up`]); [`seam`] joins the two. Nothing of the
//! service is on the server but one record ([`record`]): what is done, and whose turn it is. What
//! happens to a packet that was taken is the same as in shared delivery, and is left to it.

mod catch_up;
mod copies;
pub(crate) mod feed;
mod sequence_merger;
pub(crate) mod shared_feed;
mod source;
pub(crate) mod subscription;
