//! Moving the position of a service in shared delivery, whether instances of it run or not.
//!
//! The server moves no consumer back. So a note says where the service is to go on, and the consumer
//! is deleted and made anew there. Should that end halfway, whoever finds no consumer makes the one
//! that the note asks for. An instance that runs notices that its consumer is another one, and goes on
//! with that.

use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;

use crate::Result;
use crate::announcement::instances::instances_of;
use crate::connection::Connection;
use crate::jetstream::stream::StreamFacts;
use crate::position::consumer::{Consumer, epoch_of};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::forget::{forget, memory_created};
use crate::position::record::PositionRecord;
use crate::position::seek::report::{SeekReport, not_moved};
use crate::position::status;
use crate::start::Start;

/// Instances that do not answer for so long are not there.
const ANSWERS: Duration = Duration::from_millis(500);

/// Moves the position of one service in shared delivery.
pub(super) struct SharedSeek<'a> {
    pub(super) connection: &'a Connection,
    pub(super) service: &'a str,
    pub(super) entry: Option<ServiceEntry>,
    pub(super) facts: StreamFacts,
    /// Everything up to here is to count as done.
    pub(super) floor: u64,
    pub(super) forgets: bool,
}

impl SharedSeek<'_> {
    pub(super) async fn run(&self) -> Result<SeekReport> {
        let (connection, service) = (self.connection, self.service);
        let found = status::info(connection, service).await?;
        let mut report =
            SeekReport::of(service, &self.before(found.as_ref()), self.floor, &self.facts);
        if self.forgets {
            self.is_at_rest(found.as_ref()).await?;
            report.forgotten = Some(forget(connection, service).await?);
        }
        let memory = memory_created(connection, service).await?;
        let entries = Box::pin(ServiceEntries::open(connection, service)).await?;
        let note = |entry: &mut ServiceEntry| {
            entry.set_stream(self.facts.created, false);
            entry.move_to(self.floor + 1, Timestamp::now());
            if self.forgets {
                entry.note_memory(memory);
            }
        };
        let epoch = entries.update(note).await?.epoch();
        self.make(found.as_ref(), epoch).await?;
        entries.update(|entry| entry.position_made(epoch)).await?;
        Ok(report)
    }

    /// Where the service was, if that is known.
    fn before(&self, found: Option<&Info>) -> Result<PositionRecord, String> {
        let other = self.entry.as_ref().and_then(|entry| entry.other_stream(self.facts.created));
        match (found, other) {
            (Some(found), _) => {
                let created = self.facts.created.to_string();
                let record = PositionRecord::at(created, found.ack_floor.stream_sequence);
                Ok(PositionRecord { given: found.delivered.stream_sequence, ..record })
            }
            (None, Some(other)) => Err(format!("it was in a stream created at {other}")),
            (None, None) => Err("its consumer was deleted".to_owned()),
        }
    }

    /// Makes sure that no instance moves a memory while it is cleared.
    async fn is_at_rest(&self, found: Option<&Info>) -> Result<()> {
        let waits = found.is_some_and(|found| found.num_waiting > 0);
        if waits || !instances_of(self.connection, self.service, ANSWERS).await?.is_empty() {
            let reason = "instances of it run in shared delivery, and would go on with what it is to \
                          forget; stop all instances first";
            return Err(not_moved(self.service, reason));
        }
        Ok(())
    }

    /// Deletes the consumer, and makes another with the same settings.
    async fn make(&self, found: Option<&Info>, epoch: u64) -> Result<()> {
        let consumer = Consumer::new(self.connection, self.service);
        let start = Start::Sequence(self.floor + 1);
        let wanted = match found {
            Some(found) => consumer.again(found, start, epoch),
            None => consumer.wanted(start, None, epoch),
        };
        loop {
            match consumer.info().await? {
                // An instance that is quick may have made it.
                Some(made) if epoch_of(&made) >= epoch => return Ok(()),
                // Or, if it does not know of the move yet, the one from before once more.
                Some(_) => consumer.delete().await?,
                None => {}
            }
            if consumer.create(wanted.clone()).await?.is_some() {
                return Ok(());
            }
        }
    }
}
