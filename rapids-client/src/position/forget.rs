//! Clearing what a service has noted of packets and what it remembers.

use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::names::{HANDLING, ONCE, memory_bucket};

/// Clears the notes of a service about packets, what its `once` reactions have done, and its
/// memories; returns how many memories that were.
pub(crate) async fn forget(connection: &Connection, service: &str) -> Result<u64> {
    let all_of_it = format!("{service}.>");
    for bucket in [ONCE, HANDLING] {
        clear(connection, bucket, &all_of_it).await?;
    }
    clear(connection, &memory_bucket(service), ">").await
}

/// Clears the keys of a bucket that match, and returns how many that were.
pub(crate) async fn clear(connection: &Connection, bucket: &str, keys: &str) -> Result<u64> {
    match Bucket::existing(connection, bucket).await? {
        Some(bucket) => bucket.clear(keys).await,
        None => Ok(0),
    }
}

/// When the bucket of a service's memories was created; `None` if there is none.
pub(crate) async fn memory_created(
    connection: &Connection,
    service: &str,
) -> Result<Option<Timestamp>> {
    let bucket = Bucket::existing(connection, &memory_bucket(service)).await?;
    Ok(bucket.map(|bucket| bucket.created()))
}
