//! Timers: packets that are to be published later.
//!
//! Which timer, when, and what it brings. The server keeps them and publishes them when they are due, which
//! is left to [`TimerStore`](crate::jetstream::timers::TimerStore); a river sets them with
//! [`Outputs::later`](crate::Outputs::later).

mod change;
mod id;
mod when;

pub use change::TimerChange;
pub use id::TimerId;
pub use when::When;
