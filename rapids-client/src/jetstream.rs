//! What the bus has on the server: every stream and bucket, how each is created, checked and kept
//! up with, and what the server's refusals mean.
//!
//! What lies in them is left to their users.

mod account;
mod differences;
mod ensure;
mod fitness;
mod refusal;
mod resource;

pub(crate) use account::Allowance;
pub(crate) use ensure::{adjust, ensure, existing, follow, info_of};
pub(crate) use refusal::{limit, no_room, of_publish, server_answer};
pub(crate) use resource::{Resource, largest_message, republish};
