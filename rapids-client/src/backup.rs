//! Backups: everything that the bus has on the server, in a folder, and back.
//!
//! [`order`] says in which order streams are taken, and why nothing is lost by it. The snapshots themselves are the
//! server's ([`snapshot`](crate::jetstream::snapshot)).

mod beyond;
mod changes;
mod consumers;
mod folder;
mod manifest;
mod order;
mod restore;
mod restored;
mod settings;
mod take;

use std::path::Path;

use jiff::Timestamp;

use crate::error::Error;
pub use restore::Restore;
pub use restored::{Restored, RestoredPosition};

/// The oldest server whose snapshots are understood here: those of older ones are files of its store, which others
/// may write to meanwhile.
const OLDEST_SERVER: [u64; 2] = [2, 15];

/// How far a backup, or a restore, is with one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupStep {
    /// The stream; the bucket `X` is the stream `KV_X`.
    pub stream: String,
    /// Which of them it is, from 1 on.
    pub number: usize,
    /// How many there are, as far as that is known by now.
    pub streams: usize,
    /// How many bytes of its snapshot were written to the folder, or sent to the server.
    pub bytes: u64,
    /// Whether that is all of it.
    pub is_done: bool,
}

/// A stream in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackedUpStream {
    /// Its name; the bucket `X` is the stream `KV_X`.
    pub name: String,
    /// How many messages its snapshot holds.
    pub messages: u64,
    /// The sequence of the last one that was stored; 0 if there was none.
    pub last_sequence: u64,
    /// How many bytes its files have.
    pub bytes: u64,
}

/// What a backup holds; made by [`Rapids::backup`](crate::Rapids::backup) and [`Restore::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupContents {
    /// When it was begun: everything that was acknowledged before is in it.
    pub begun: Timestamp,
    /// When it was complete.
    pub ended: Timestamp,
    /// Its streams, in the order in which they were taken.
    pub streams: Vec<BackedUpStream>,
    /// The sequence with which its packets end.
    pub end: u64,
}

/// The error of a backup in a folder.
fn fault(folder: &Path, fault: impl Into<String>) -> Error {
    Error::Backup { folder: folder.display().to_string(), fault: fault.into() }
}
