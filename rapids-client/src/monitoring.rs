//! What programs that watch services share: the text format of Prometheus, with what services count in
//! it, and a small HTTP server for what is scraped and probed.
//!
//! Where the figures come from is left to [`Rapids::stats`](crate::Rapids::stats) and to the services
//! themselves.

mod exposition;
mod families;
mod http;

pub use exposition::{Exposition, Label};
pub use families::{SERVICE, services};
pub use http::{Page, serve};
