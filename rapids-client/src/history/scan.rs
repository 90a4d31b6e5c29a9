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
}

impl Scan {
    /// # Errors
    /// As for [`Rapids::tail`].
    pub(super) async fn open(rapids: &Rapids, span: Span, progress: &Progress) -> Result<Self> {
        let tail = rapids.tail(span.from).await?;
        progress.begin(span.last(tail.end()));
        Ok(Self { tail, span, progress: progress.clone() })
    }

    /// The next message; `None` after the last.
    ///
    /// # Errors
    /// As for [`Tail::next_stored`], but not `Malformed`.
    pub(super) async fn next(&mut self) -> Result<Option<Delivered>> {
        let delivered = self.tail.next_stored_message().await?;
        let within = |it: &Delivered| !self.span.ends_before(it.sequence, it.stored);
        let delivered = delivered.filter(within);
        if let Some(delivered) = &delivered {
            self.progress.advance(delivered.sequence);
        }
        Ok(delivered)
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
        let message = &mut delivered.message.message;
        message.payload = Bytes::copy_from_slice(&message.payload);
        let packet = self.tail.packet(delivered);
        packet.inspect_err(|error| debug!(%error, "passed over")).ok()
    }
}

/// Whether a message may have an id or name it.
pub(super) fn is_possible(mention: &Mention, delivered: &Delivered) -> bool {
    let message = &delivered.message.message;
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
