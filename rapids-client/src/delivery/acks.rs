//! Answers deliveries: acknowledges them, hands them back, or keeps them alive.
//!
//! In shared delivery the server waits for an answer to each packet. In exclusive delivery it waits for
//! none; the packets that are done are kept in a set, which is saved in the position's record.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::subject::Subject;
use bytes::Bytes;
use futures::FutureExt;
use tracing::warn;

use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::ack_set::AckSet;

/// The answer to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckAction {
    /// No river needs it any more.
    Acknowledge,
    /// The server delivers it again after this time.
    RedeliverAfter(Duration),
    /// The server delivers it again at once, to any instance.
    HandBack,
}

pub(super) struct Acks {
    connection: Connection,
    /// The packets that are done, in exclusive delivery.
    done: Rc<RefCell<AckSet>>,
    /// Whether the position was deleted or moved since the packets of the rapids were delivered.
    is_position_gone: Cell<bool>,
}

impl Acks {
    pub(super) fn new(connection: Connection, done: Rc<RefCell<AckSet>>) -> Self {
        Self { connection, done, is_position_gone: Cell::new(false) }
    }

    /// Whether a packet is done already, in exclusive delivery.
    pub(super) fn is_done(&self, raw: &RawPacket) -> bool {
        raw.answer.is_none() && self.done.borrow().contains(raw.place.sequence)
    }

    /// Whether the set of packets that are done is full, since packets before them are not done.
    pub(super) fn is_full(&self) -> bool {
        self.done.borrow().is_full()
    }

    /// Adds packets that were never in flight here to those that are done.
    pub(super) fn mark_done(&self, from: u64, to: u64) {
        self.done.borrow_mut().add_all(from, to);
    }

    /// Removes packets from those that are done.
    pub(super) fn unmark_done(&self, from: u64, to: u64) {
        self.done.borrow_mut().remove_all(from, to);
    }

    /// Answers a delivery. The connection sends the answer together with whatever follows.
    pub(super) async fn answer(
        &self,
        place: StreamPlace,
        answer: Option<Subject>,
        action: AckAction,
    ) {
        if self.is_of_gone_position(place) {
            return;
        }
        let Some(answer) = answer else {
            // The instance that goes on from the record handles what is not done.
            if action == AckAction::Acknowledge {
                self.done.borrow_mut().add(place.sequence);
            }
            return;
        };
        let kind = match action {
            AckAction::Acknowledge => AckKind::Ack,
            AckAction::RedeliverAfter(wait) => AckKind::Nak(Some(wait)),
            AckAction::HandBack => AckKind::Nak(None),
        };
        self.send(answer, kind.into()).await;
    }

    /// Keeps the server from delivering these again yet. While the server is away nothing is sent: the
    /// messages would pile up.
    pub(super) async fn keep_alive(&self, answers: impl Iterator<Item = (StreamPlace, Subject)>) {
        if !self.connection.is_connected() {
            return;
        }
        for (place, answer) in answers {
            if !self.is_of_gone_position(place) {
                self.send(answer, AckKind::Progress.into()).await;
            }
        }
    }

    /// Answers no delivery of the rapids any more. The position that is created next has the same name,
    /// and would take the answers for answers to its own deliveries: a packet that is in flight in
    /// another instance would count as done.
    pub(super) fn set_position_gone(&self) {
        self.is_position_gone.set(true);
    }

    pub(super) fn is_position_gone(&self) -> bool {
        self.is_position_gone.get()
    }

    fn is_of_gone_position(&self, place: StreamPlace) -> bool {
        self.is_position_gone.get() && place.stream == StreamName::Rapids
    }

    /// Waits until the server has received all answers.
    pub(super) async fn flush(&self) {
        if let Err(error) = self.connection.client.flush().await {
            warn!(%error, "the last acknowledgements may be lost; those packets will be redelivered");
        }
    }

    async fn send(&self, answer: Subject, body: Bytes) {
        let publish = || self.connection.client.publish(answer.clone(), body.clone());
        // The connection nearly always takes it, and a future for what seldom happens would make every
        // caller's large.
        let sent = match publish().now_or_never() {
            Some(sent) => sent,
            None => Box::pin(publish()).await,
        };
        if let Err(error) = sent {
            warn!(%error, "an acknowledgement was not sent; the packet will be redelivered");
        }
    }
}
