//! What tests of rivers need: a real server, and rapids in memory.
//!
//! - [`NatsServer`] finds or installs `nats-server`, starts it on a free port with a store of its
//!   own, and stops it when dropped. It can be killed and started again.
//! - [`TestRapids`] runs rivers without a server: it passes what they publish back to them until no
//!   packet is left.

mod files;
mod http;
mod letters;
mod problem;
mod processes;
mod rapids;
mod server;
mod timers;
mod trail;

pub use files::is_in_files;
pub use http::{HttpAnswer, http, http_with};
pub use problem::Problem;
pub use processes::processes_with;
pub use rapids::TestRapids;
pub use server::{NatsServer, TwoSites, Ways, find_or_install};
pub use trail::Trail;
