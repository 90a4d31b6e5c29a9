//! All asks of one connection, and the one reader that serves them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::listening::Listening;
use super::reader::Reader;
use super::waiting::Waiting;
use crate::connection::Connection;
use crate::jetstream::stream::StreamFacts;
use crate::packet::Packet;

/// The reader runs from the first ask until some time after the last one, or until this is dropped.
#[derive(Debug)]
pub(in crate::rapids) struct Asks {
    connection: Connection,
    facts: StreamFacts,
    waiting: Arc<Waiting>,
    /// Of the connection: without it nothing can be read.
    runtime: Handle,
    // A lock, since any thread may ask; held for a moment.
    reading: Mutex<Option<AbortHandle>>,
}

impl Asks {
    /// Over a connection that was opened in this runtime.
    pub(in crate::rapids) fn new(connection: Connection, facts: StreamFacts) -> Self {
        Self {
            connection,
            facts,
            waiting: Arc::default(),
            runtime: Handle::current(),
            reading: Mutex::default(),
        }
    }

    /// Listens for what is said in the conversation of this packet from now on.
    pub(super) fn listen(&self, packet: &Packet) -> Listening {
        let listening = Listening::new(&self.waiting, packet);
        if self.waiting.needs_reader() {
            let reader = Reader::new(&self.connection, &self.facts, &self.waiting);
            let reading = self.runtime.spawn(reader.run()).abort_handle();
            *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        }
        listening
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.get_mut().unwrap_or_else(PoisonError::into_inner) {
            reading.abort();
        }
    }
}
