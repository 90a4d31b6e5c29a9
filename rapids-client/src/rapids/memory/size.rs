//! How many keys and bytes the memories of a service have.

use std::collections::{BTreeMap, HashMap};

use super::source::{of_service, unknown};
use super::stored_value::is_gone;
use crate::Result;
use crate::connection::Connection;
use crate::jetstream::header_scan::{HeaderScan, Scanned, Selection};
use crate::jetstream::resource::noted_memories;
use crate::names::memory_bucket;

/// In a message without its body, how many bytes that has.
const SIZE: &str = "Nats-Msg-Size";

/// One memory of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemorySize {
    /// Its name.
    pub name: String,
    /// How many keys it has.
    pub keys: u64,
    /// The bytes of its records: of the values, and of what the library keeps beside them.
    pub bytes: u64,
}

/// Those of a service, by name.
pub(super) async fn of_all(connection: &Connection, service: &str) -> Result<Vec<MemorySize>> {
    let Some(info) = of_service(connection, service).await? else {
        return Err(unknown(connection, service).await);
    };
    let prefix = format!("$KV.{}.", memory_bucket(service));
    let selection = Selection::since(format!("{prefix}>"), None);
    let mut scan = HeaderScan::open(connection, &info.config.name, selection).await?;
    let mut records: HashMap<String, u64> = HashMap::new();
    while let Some(Scanned { message, .. }) = scan.next().await? {
        let Some(key) = message.subject.strip_prefix(&prefix) else { continue };
        let size = message.headers.as_ref().and_then(|headers| headers.get(SIZE));
        let size = size.and_then(|size| size.as_str().parse().ok()).unwrap_or_default();
        match is_gone(message.headers.as_ref()) {
            true => records.remove(key),
            false => records.insert(key.to_owned(), size),
        };
    }
    let empty = |name: &str| (name.to_owned(), (0, 0));
    let mut sizes: BTreeMap<String, (u64, u64)> =
        noted_memories(&info.config).into_iter().map(empty).collect();
    for (key, size) in records {
        let name = key.split('.').next().unwrap_or_default();
        let (keys, bytes) = sizes.entry(name.to_owned()).or_default();
        (*keys, *bytes) = (*keys + 1, *bytes + size);
    }
    let size = |(name, (keys, bytes))| MemorySize { name, keys, bytes };
    Ok(sizes.into_iter().map(size).collect())
}
