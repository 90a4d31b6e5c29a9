//! The floor of a service: every packet up to this sequence is done, and will not be delivered again.

use std::rc::Rc;

use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::position::consumer::Consumer;
use crate::position::lease::Lease;

/// Where the server keeps the floor.
#[derive(Clone)]
pub(crate) enum Floor {
    /// In the service's consumer, which was created at this time.
    Consumer(Timestamp),
    /// In the record of its active instance.
    Record(Rc<Lease>),
}

impl Floor {
    /// Reads it; 0 if nothing is done.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn read(&self, connection: &Connection, service: &str) -> Result<u64> {
        match self {
            Self::Consumer(_) => {
                let position = Consumer::stated(connection, service).info().await?;
                Ok(position.map_or(0, |position| position.ack_floor.stream_sequence))
            }
            Self::Record(lease) => Ok(lease.floor()),
        }
    }
}
