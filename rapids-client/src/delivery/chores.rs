//! What goes on beside the packets, without holding them up.

use std::future::{Future, pending};
use std::rc::Rc;

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::warn;

use super::consumer::{Consumer, MAX_ACK_PENDING};
use super::handling::Handling;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::rapids::stream;
use crate::rapids::timestamp;
use crate::{Error, Result};

/// From this share of the unacknowledged packets that a service may have on, it warns.
const NEARLY_STUCK: usize = MAX_ACK_PENDING as usize / 5 * 4;

/// The chores of one service; each kind runs at most once at a time.
pub(crate) struct Chores {
    connection: Connection,
    service: String,
    stream_created: Timestamp,
    handling: Rc<Handling>,
    under_way: FuturesUnordered<LocalBoxFuture<'static, (Chore, Result<()>)>>,
    kinds: Vec<Chore>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Position,
    Tidy,
    Limits,
}

impl Chores {
    pub(crate) fn new(
        connection: Connection,
        service: &str,
        stream_created: Timestamp,
        handling: Rc<Handling>,
    ) -> Self {
        let (under_way, kinds) = (FuturesUnordered::new(), Vec::new());
        let service = service.to_owned();
        Self { connection, service, stream_created, handling, under_way, kinds }
    }

    /// Waits until a chore is done.
    ///
    /// # Errors
    /// What ends the service.
    pub(crate) async fn next(&mut self) -> Result<()> {
        match self.under_way.next().await {
            Some((kind, done)) => {
                self.kinds.retain(|other| *other != kind);
                done
            }
            None => pending().await,
        }
    }

    fn begin(&mut self, kind: Chore, chore: impl Future<Output = Result<()>> + 'static) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.under_way.push(Box::pin(async move { (kind, chore.await) }));
        }
    }

    /// Makes sure that the position still exists and fits the stream, when there is reason to
    /// doubt it.
    pub(crate) fn look_for_position(&mut self, reason: String) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let created = self.stream_created;
        self.begin(Chore::Position, async move {
            let consumer = Consumer::new(&connection, &service);
            let looking = async {
                let position = consumer.info().await?;
                let stream = stream::info(&connection).await?;
                Ok::<_, Error>(position.zip(stream))
            };
            let lost = match looking.await {
                Ok(Some((position, stream))) if timestamp(stream.created) == created => {
                    let (at, last) =
                        (position.delivered.stream_sequence, stream.state.last_sequence);
                    if at <= last {
                        return Ok(());
                    }
                    format!("it stands at sequence {at}, but the stream ends at {last} now")
                }
                Ok(Some(_)) => "the stream was made anew while it ran".to_owned(),
                Ok(None) => {
                    format!("its consumer or the stream was deleted while it ran ({reason})")
                }
                Err(error @ Error::NotPermitted { .. }) => return Err(error),
                // A server that is away says nothing about the position.
                Err(error) => {
                    warn!(reason, "waiting for the server: {}", with_causes(&error));
                    return Ok(());
                }
            };
            Err(consumer.lost(format!("{lost}; start the service again to begin a new position")))
        });
    }

    /// Writes down which remembered packets are published, and forgets old ids.
    pub(crate) fn tidy(&mut self) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let handling = self.handling.clone();
        self.begin(Chore::Tidy, async move {
            if let Some(memories) = &handling.memories
                && memories.take_moved()
            {
                if let Ok(Some(info)) = Consumer::new(&connection, &service).info().await {
                    memories.acknowledged_to(info.ack_floor.stream_sequence);
                }
                memories.tidy().await;
            }
            Ok(())
        });
    }

    /// Warns of a stream that is nearly full, and of a position that is nearly stuck.
    pub(crate) fn look_at_limits(&mut self) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        self.begin(Chore::Limits, async move {
            if let Ok(Some(info)) = stream::info(&connection).await {
                stream::warn_if_nearly_full(&info);
            }
            if let Ok(Some(info)) = Consumer::new(&connection, &service).info().await
                && info.num_ack_pending > NEARLY_STUCK
            {
                warn!(
                    unacknowledged = info.num_ack_pending,
                    "at {MAX_ACK_PENDING} unacknowledged packets this service gets no more: mend \
                     what makes its reactions fail"
                );
            }
            Ok(())
        });
    }
}
