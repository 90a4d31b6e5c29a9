//! What the console follows in the background, and keeps in memory for as long as it runs.
//!
//! - [`link`]: the connection to the rapids;
//! - [`status`]: services, positions and the stream, asked for every other second while somebody looks;
//! - [`feed`]: the one reader of the stream, which feeds [`packets`];
//! - [`mapping`]: the map of the last minutes, drawn while somebody looks ([`looking`]);
//! - [`jobs`]: works on the jobs that run;
//! - [`letters`]: the dead letters with their states;
//! - [`in_stream`]: what is not kept in memory, read on request.

pub(crate) mod feed;
pub(crate) mod in_stream;
pub(crate) mod jobs;
pub(crate) mod letters;
pub(crate) mod link;
mod looking;
pub(crate) mod mapping;
pub(crate) mod packets;
pub(crate) mod status;
