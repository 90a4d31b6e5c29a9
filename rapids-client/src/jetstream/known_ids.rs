//! Which ids of a batch the stream knows, as it recognises repeated packets.
//!
//! The server does not say which of them made it refuse the batch. So it is sent each id once more, with a header
//! whose value is none: it tells that it has the id, and at which sequence, or that the value is wrong. Nothing is
//! stored in either case. (A condition that nothing meets, such as another last packet, would do on a single
//! server; in a cluster an id that was refused so counts as one that is being stored.)

use async_nats::HeaderMap;
use async_nats::header::{NATS_MESSAGE_ID, NATS_ROLLUP};
use bytes::Bytes;
use futures::future::join_all;

use crate::Result;
use crate::jetstream::batch::{Batch, Ending};
use crate::jetstream::publish_fault::{Fault, Patience};
use crate::jetstream::publisher::Publisher;

/// Neither of the values that the server knows, which would delete what is stored.
const NO_ROLL_UP: &str = "none";

impl Publisher {
    /// What has become of the packets of a batch that holds ids which the stream knows.
    pub(super) async fn endings(&self, batch: &Batch, patience: Patience) -> Result<Vec<Ending>> {
        let asking = batch.packets().map(|packet| self.sequence_of_id(&packet.id, patience));
        let known = join_all(asking).await.into_iter();
        known.map(|known| Ok(known?.map_or(Ending::Unstored, Ending::Repeated))).collect()
    }

    /// The sequence at which the stream has a packet of this id; `None` if it knows of none.
    async fn sequence_of_id(&self, id: &str, patience: Patience) -> Result<Option<u64>> {
        let message = || {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, id);
            headers.insert(NATS_ROLLUP, NO_ROLL_UP);
            (headers, Bytes::new())
        };
        let mut retry = None;
        loop {
            let mut handed = self.hand_over(message).await;
            match self.answer(id, &mut handed).await {
                Ok(ack) => return Ok(Some(ack.sequence)),
                Err(Fault::NoRollUp(_)) => return Ok(None),
                Err(fault) => {
                    let begin = || patience.retry(&self.connection);
                    fault.again(patience, retry.get_or_insert_with(begin)).await?;
                }
            }
        }
    }
}
