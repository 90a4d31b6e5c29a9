//! Atomic batches: packets of which the stream stores all or none
//! ([ADR-50](https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md)).
//!
//! The server keeps the messages of a batch aside until the last one, answers that one only, and
//! stores all of them then, one behind the other. It refuses a batch that holds an id that the stream
//! knows; its packets are then published one by one, so that each is stored or recognised. Of outputs it is
//! asked first which ids the stream knows ([`known_ids`](super::known_ids)).

use std::iter::repeat_with;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
};
use futures::future::join_all;
use tracing::debug;

use crate::Result;
use crate::error::with_causes;
use crate::jetstream::publish_acks::{Handed, not_handed_over};
use crate::jetstream::publish_fault::{Fault, Patience};
use crate::jetstream::publisher::{Outgoing, Published, Publisher};
use crate::jetstream::stream::info;
use crate::names::SUBJECT;

/// How many packets a batch has at most, unless the server is configured otherwise.
pub(crate) const LARGEST_BATCH: usize = 1_000;

/// The letters of a batch's id: enough that no two batches under way have the same.
const ID_LENGTH: usize = 16;

/// Packets to be stored together: at least one.
#[derive(Debug)]
pub(crate) struct Batch {
    others: Vec<Outgoing>,
    last: Outgoing,
}

impl Batch {
    /// `None` if there is no packet.
    pub(crate) fn new(mut packets: Vec<Outgoing>) -> Option<Self> {
        let last = packets.pop()?;
        Some(Self { others: packets, last })
    }

    pub(crate) fn len(&self) -> usize {
        self.others.len() + 1
    }

    pub(crate) fn packets(&self) -> impl Iterator<Item = &Outgoing> {
        self.others.iter().chain([&self.last])
    }

    pub(crate) fn into_packets(self) -> impl Iterator<Item = Outgoing> {
        self.others.into_iter().chain([self.last])
    }
}

impl Publisher {
    /// Hands packets that belong together to the connection, in batches of the largest size. On a
    /// stream that takes no batches each packet is sent by itself.
    pub(crate) async fn send_together(self: &Arc<Self>, packets: Vec<Outgoing>) -> Vec<SentBatch> {
        let size = if self.is_atomic { LARGEST_BATCH } else { 1 };
        let mut sent = Vec::with_capacity(packets.len().div_ceil(size));
        let mut rest = packets.into_iter().map(Outgoing::begun);
        while let Some(batch) = Batch::new(rest.by_ref().take(size).collect()) {
            let handed = self.hand_over_batch(&batch).await;
            sent.push(SentBatch { publisher: Arc::clone(self), batch, handed });
        }
        sent
    }

    /// Hands a batch to the connection. Batches and packets are stored in the order in which they
    /// are handed over, as long as the server answers.
    pub(crate) async fn hand_over_batch(&self, batch: &Batch) -> Handed {
        self.validity.wait().await;
        if batch.others.is_empty() {
            return self.hand_over(|| batch.last.message()).await;
        }
        let id: String = repeat_with(fastrand::alphanumeric).take(ID_LENGTH).collect();
        for (n, packet) in (1..).zip(&batch.others) {
            let headers = headers(&id, n, packet);
            let body = packet.body.clone();
            let publishing = self.connection.client.publish_with_headers(SUBJECT, headers, body);
            if let Err(error) = publishing.await {
                return Handed::failed(not_handed_over(error));
            }
        }
        let commit = || {
            let mut headers = headers(&id, batch.len(), &batch.last);
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            (headers, batch.last.body.clone())
        };
        self.hand_over(commit).await
    }

    /// Waits for the answer about a batch.
    pub(crate) async fn answer_to_batch(
        &self,
        batch: &Batch,
        handed: &mut Handed,
    ) -> Result<Vec<Published>, Fault> {
        let ack = match self.answer(&batch.last.id, handed).await {
            Ok(ack) => ack,
            Err(Fault::Incomplete(error)) => {
                return Err(self.too_large(batch).await.unwrap_or(Fault::Incomplete(error)));
            }
            Err(fault) => return Err(fault),
        };
        // The server answers with the sequence of the last one; no other packet lies in between.
        let places = (0..batch.len() as u64).rev().map(|after| ack.sequence.saturating_sub(after));
        let published = batch.packets().zip(places).map(|(packet, sequence)| Published {
            id: packet.id.clone(),
            sequence,
            duplicate: ack.duplicate,
        });
        Ok(published.collect())
    }

    /// The fault of a batch that holds a packet larger than the stream's present limit, which may be
    /// lower than it was. The server reports it to that packet only, which asks for no answer.
    async fn too_large(&self, batch: &Batch) -> Option<Fault> {
        let info = info(&self.connection).await.ok()??;
        let limit = usize::try_from(info.config.max_message_size).ok()?;
        let packet = batch.packets().find(|packet| packet.size() > limit)?;
        Some(Fault::too_large(packet.id.clone(), limit))
    }
}

fn headers(batch: &str, n: usize, packet: &Outgoing) -> HeaderMap {
    let mut headers = packet.headers();
    headers.insert(NATS_BATCH_ID, batch);
    headers.insert(NATS_BATCH_SEQUENCE, n.to_string());
    headers
}

/// Packets on their way to the stream, which stores all of them or none.
#[derive(Debug)]
pub(crate) struct SentBatch {
    publisher: Arc<Publisher>,
    batch: Batch,
    handed: Handed,
}

/// What has become of a packet of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stored,
    /// The stream had one of its id, at this sequence.
    Repeated(u64),
    /// Nothing of its batch is stored, since the stream has the id of another one.
    Unstored,
}

impl From<Published> for Ending {
    fn from(published: Published) -> Self {
        match published.duplicate {
            true => Self::Repeated(published.sequence),
            false => Self::Stored,
        }
    }
}

impl SentBatch {
    /// Waits until the packets are stored, and sends them again as long as that is not certain. Where the
    /// stream has the ids of some, nothing of the batch is stored.
    pub(crate) async fn ended(mut self, patience: Patience) -> Result<Vec<Ending>> {
        match self.answered(patience).await? {
            Ok(published) => Ok(published.into_iter().map(Ending::from).collect()),
            Err(Fault::Repeated(_)) => self.publisher.endings(&self.batch, patience).await,
            Err(fault) => {
                let cause = with_causes(&fault.into_error());
                debug!(packet = self.batch.last.id, "publishing a batch one by one: {cause}");
                let published = self.publisher.one_by_one(self.batch, patience).await?;
                Ok(published.into_iter().map(Ending::from).collect())
            }
        }
    }

    /// The answer about the packets, which are sent again as long as there is none; or why they cannot be
    /// stored together.
    async fn answered(&mut self, patience: Patience) -> Result<Result<Vec<Published>, Fault>> {
        let Self { publisher, batch, handed } = self;
        let mut retry = None;
        loop {
            match publisher.answer_to_batch(batch, handed).await {
                Ok(published) => return Ok(Ok(published)),
                Err(fault @ (Fault::Repeated(_) | Fault::NotTogether(_))) => return Ok(Err(fault)),
                Err(fault) => {
                    let begin = || patience.retry(&publisher.connection);
                    fault.again(patience, retry.get_or_insert_with(begin)).await?;
                }
            }
            *handed = publisher.hand_over_batch(batch).await;
        }
    }
}

impl Publisher {
    async fn one_by_one(
        self: &Arc<Self>,
        batch: Batch,
        patience: Patience,
    ) -> Result<Vec<Published>> {
        let mut sent = Vec::with_capacity(batch.len());
        for packet in batch.into_packets() {
            sent.push(self.send(packet).await);
        }
        let answers = sent.into_iter().map(|sent| sent.acknowledged(patience));
        join_all(answers).await.into_iter().collect()
    }
}
