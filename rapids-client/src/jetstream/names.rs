//! The names of all streams of the account.

use futures::TryStreamExt;

use crate::Result;
use crate::connection::Connection;

/// The names of all streams, sorted.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn names(connection: &Connection) -> Result<Vec<String>> {
    let subject = connection.api("STREAM.NAMES");
    let listing = Box::pin(connection.jetstream.stream_names().try_collect::<Vec<_>>());
    let mut names = connection.attempt("list the streams", &subject, listing).await?;
    names.sort_unstable();
    Ok(names)
}
