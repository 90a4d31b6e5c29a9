//! The map of the rapids: who publishes what, who takes it, what follows from it, and what is odd.
//!
//! Pure: a program reads the packets of a window and feeds them to an [`Observation`], one by one, with
//! the services that answer and the dead letters. Reading and printing are left to it.
//!
//! ```no_run
//! # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
//! use std::time::Duration;
//!
//! use rapids_client::map::{Observation, Window};
//! use rapids_client::{Start, Timestamp};
//!
//! let to = Timestamp::now();
//! let from = to - Duration::from_secs(900);
//! let services = rapids.services(Duration::from_secs(1)).await?;
//! let last = rapids.contents().await?.map_or(0, |contents| contents.last_sequence);
//! let mut observation = Observation::new(&services, Window::new(from, to, last));
//! let mut tail = rapids.tail(Start::Time(from)).await?;
//! while let Some(packet) = tail.next_stored().await? {
//!     observation.packet(&packet);
//! }
//! for oddity in observation.map().odd {
//!     println!("{oddity}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it keeps is bounded, whatever is published: names and counts up to limits, and of each packet
//! a hash of its id. [`LeftOut`] tells what was beyond the limits.

mod announced;
mod asyncapi;
mod expanded;
mod halves;
mod known_ids;
mod labels;
mod limited;
mod observation;
mod oddities;
mod oddity;
mod rapids_map;
mod shape;
mod shapes;
#[cfg(test)]
mod tests;

pub use announced::AnnouncedRiver;
pub use asyncapi::asyncapi;
pub use observation::{Observation, Window};
pub use oddity::{Change, Oddity};
pub use rapids_map::{
    Flow, LeftOut, LetterCount, MappedRiver, PublishedName, RapidsMap, TakenName,
};
pub use shapes::Shapes;
