//! What lies in files.

use std::fs;
use std::io;
use std::path::Path;

/// Whether a file somewhere below a folder, such as the [store](crate::NatsServer::store) of a server, holds these
/// bytes in a row. To make sure that something is gone from the disk, and not only from what is answered. A
/// file that vanishes meanwhile holds nothing.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_in_files(folder: &Path, bytes: &[u8]) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_there = match path.is_dir() {
            true => is_in_files(&path, bytes)?,
            false => {
                let content = fs::read(&path).unwrap_or_default();
                content.windows(bytes.len().max(1)).any(|part| part == bytes)
            }
        };
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}
