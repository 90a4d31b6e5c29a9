//! Which ids of a batch the stream knows, as it recognises repeated packets.
//!
//! The server does not say which of them made it refuse the batch. So it is sent each id once more, with a
//! condition that it looks at after the id, and that nothing meets: it tells that it has the id, and at which
//! sequence, or that the condition is not met. Nothing is stored in either case.

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_MESSAGE_ID, NATS_MESSAGE_ID};
use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use crate::Result;
use crate::jetstream::batch::{Batch, Ending};
use crate::jetstream::publish_fault::{Fault, Patience};
use crate::jetstream::publisher::Publisher;

impl Publisher {
    /// What has become of the packets of a batch that holds ids which the stream knows.
    pub(super) async fn endings(&self, batch: &Batch, patience: Patience) -> Result<Vec<Ending>> {
        let asking = batch.packets().map(|packet| self.sequence_of_id(&packet.id, patience));
        let known = join_all(asking).await.into_iter();
        known.map(|known| Ok(known?.map_or(Ending::Unstored, Ending::Repeated))).collect()
    }

    /// The sequence at which the stream has a packet of this id; `None` if it knows of none.
    async fn sequence_of_id(&self, id: &str, patience: Patience) -> Result<Option<u64>> {
        // Nobody has it, nor can tell it.
        let of_no_packet = Uuid::now_v7().to_string();
        let message = || {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, id);
            headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, of_no_packet.as_str());
            (headers, Bytes::new())
        };
        let mut retry = None;
        loop {
            let mut handed = self.hand_over(message).await;
            match self.answer(id, &mut handed).await {
                Ok(ack) => return Ok(Some(ack.sequence)),
                Err(Fault::OtherLast(_)) => return Ok(None),
                Err(fault) => {
                    let begin = || patience.retry(&self.connection);
                    fault.again(patience, retry.get_or_insert_with(begin)).await?;
                }
            }
        }
    }
}
