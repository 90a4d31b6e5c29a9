//! Reads a part of the rapids once.

use bytes::Bytes;
use jiff::Timestamp;
use tracing::debug;

use super::mention::Mention;
use super::progress::Progress;
use super::span::Span;
use crate::Result;
use crate::jetstream::follower::Delivered;
use crate::packet::Packet;
use crate::rapids::{Rapids, Tail};

/// The messages of a part of the stream, as it was when this was opened.
pub(super) struct Scan {
    tail: Tail,
    span: Span,
    progress: Progress,
    /// The sequence of the first message that lies behind the part, once it has come.
    behind: Option<u64>,
}

impl Scan {
    /// # Errors
    /// As for [`Rapids::tail`].
    pub(super) async fn open(rapids: &Rapids, span: Span, progress: &Progress) -> Result<Self> {
        let tail = rapids.tail(span.from).await?;
        progress.begin(span.last(tail.end()));
        Ok(Self { tail, span, progress: progress.clone(), behind: None })
    }

    /// The next message; `None` after the last.
    ///
    /// # Errors
    /// As for [`Tail::next_stored`], but not `Malformed`.
    pub(super) async fn next(&mut self) -> Result<Option<Delivered>> {
        if self.behind.is_some() {
            return Ok(None);
        }
        let Some(delivered) = self.tail.next_stored_message().await? else {
            return Ok(None);
        };
        if self.span.ends_before(delivered.sequence, delivered.stored) {
            self.behind = Some(delivered.sequence);
            return Ok(None);
        }
        self.progress.advance(delivered.sequence);
        Ok(Some(delivered))
    }

    /// Whether it ended although the stream had more.
    pub(super) fn ended_early(&self) -> bool {
        self.behind.is_some()
    }

    /// The first sequence that does not belong to the part, as far as is known at its end.
    pub(super) fn end(&self) -> u64 {
        let last = self.span.last(self.tail.end());
        let end = last.saturating_add(1);
        self.behind.map_or(end, |behind| behind.min(end))
    }

    /// The next packet that may have an id or name it; `None` after the last.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub(super) async fn next_with(&mut self, mention: &Mention) -> Result<Option<Packet>> {
        while let Some(delivered) = self.next().await? {
            if is_possible(mention, &delivered)
                && let Some(packet) = self.packet(delivered)
            {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    /// Reads a message; `None` if it is no packet. The packet keeps none of the bytes that were received
    /// with it, which may be many.
    pub(super) fn packet(&self, mut delivered: Delivered) -> Option<Packet> {
        let message = &mut delivered.message;
        message.payload = Bytes::copy_from_slice(&message.payload);
        let packet = self.tail.packet(delivered);
        packet.inspect_err(|error| debug!(%error, "passed over")).ok()
    }
}

/// Whether a message may have an id or name it.
pub(super) fn is_possible(mention: &Mention, delivered: &Delivered) -> bool {
    let message = &delivered.message;
    mention.is_possible(delivered.sequence, message.headers.as_ref(), &message.payload)
}

/// The sequence of a packet that was read from the stream.
pub(super) fn sequence(packet: &Packet) -> u64 {
    packet.arrival().map_or(0, |arrival| arrival.sequence)
}

/// When the stream stored a packet that was read from it.
pub(super) fn stored(packet: &Packet) -> Timestamp {
    packet.arrival().map_or(packet.created(), |arrival| arrival.stored)
}
