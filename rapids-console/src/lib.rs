//! The rapids in a browser: services, packets as they flow, conversations, dead letters, timers and memories.
//!
//! [`Options`] says where to listen, who may look and who may act, and a [`Server`] serves until it is told to stop.
//! What it shows it reads from the server of NATS, or keeps in memory for as long as it runs, so there may be any
//! number of consoles at once. What it changes on the server is in `pages` behind `guard::signed`.
//!
//! - `app` is all routes with what guards them (`guard`), and `pages` has a file for each page;
//! - `reading` is what the console follows in the background: the status of services, the newest packets,
//!   letters, the map;
//! - `text` is the one place that decides what text of others is shown, and masks it.

mod app;
mod assets;
mod badge;
mod button;
mod console;
mod fault;
mod frame;
mod guard;
mod hex;
mod options;
mod pages;
mod reading;
mod server;
mod sparkline;
mod text;
mod times;

pub use button::Button;
pub use frame::Base;
pub use options::Options;
pub use server::{Server, run};
pub use text::Mask;
