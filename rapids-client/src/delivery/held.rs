//! The packets in hand: delivered and not yet done with.
//!
//! Where the server waits for an answer it gets one; in exclusive delivery it is noted what is done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::AckKind;
use async_nats::subject::Subject;
use bytes::Bytes;
use tracing::warn;

use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::ack_set::AckSet;

/// What is to become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckAction {
    /// AckSet with.
    Acknowledge,
    /// Again after this time.
    Again(Duration),
    /// At once, to whichever instance asks.
    Release,
}

/// Acknowledges, hands back and keeps alive. Each message is here exactly once per delivery.
pub(crate) struct Held {
    client: Client,
    /// The subject that answers for each delivery, where one does.
    answers: BTreeMap<StreamPlace, Option<Subject>>,
    /// What is done, of the packets that nobody is answered for.
    done: Rc<RefCell<AckSet>>,
    /// Whether the position is gone that the packets of the rapids were delivered for.
    is_deserted: bool,
}

impl Held {
    pub(crate) fn new(client: Client, done: Rc<RefCell<AckSet>>) -> Self {
        Self { client, answers: BTreeMap::new(), done, is_deserted: false }
    }

    /// Whether a packet was done with before it was delivered.
    pub(crate) fn is_done(&self, delivered: &RawPacket) -> bool {
        delivered.answer.is_none() && self.done.borrow().contains(delivered.place.sequence)
    }

    /// Whether so many packets wait for others that no more can be noted as done.
    pub(crate) fn is_full(&self) -> bool {
        self.done.borrow().is_full()
    }

    /// Takes charge of a delivery; `false` if the packet is in hand already, from an earlier one.
    pub(crate) fn add(&mut self, delivered: &RawPacket) -> bool {
        self.answers.insert(delivered.place, delivered.answer.clone()).is_none()
    }

    /// The packets in hand from one place to another.
    pub(crate) fn between(&self, from: StreamPlace, to: StreamPlace) -> Vec<StreamPlace> {
        self.answers.range(from..=to).map(|(&place, _)| place).collect()
    }

    /// Whether a packet is in hand.
    pub(crate) fn holds(&self, place: StreamPlace) -> bool {
        self.answers.contains_key(&place)
    }

    /// Is done with a packet that is for nobody, without taking charge of it.
    pub(crate) async fn skip(&self, delivered: RawPacket) {
        match delivered.answer {
            Some(answer) => self.answer(answer, AckKind::Ack.into()).await,
            None => self.done.borrow_mut().add(delivered.place.sequence),
        }
    }

    /// Is done with packets that nobody takes charge of.
    pub(crate) fn pass(&self, from: u64, to: u64) {
        self.done.borrow_mut().add_all(from, to);
    }

    /// Learns that what was delivered of these counts for nothing.
    pub(crate) fn undo(&self, from: u64, to: u64) {
        self.done.borrow_mut().remove_all(from, to);
    }

    /// Ends the charge. Unflushed: the connection writes it out with whatever follows.
    pub(crate) async fn settle(&mut self, place: StreamPlace, fate: AckAction) {
        let Some(answer) = self.answers.remove(&place) else {
            return;
        };
        if self.is_deserted && place.stream == StreamName::Rapids {
            return;
        }
        let Some(answer) = answer else {
            // What is not done is begun again by whoever goes on from the record.
            if fate == AckAction::Acknowledge {
                self.done.borrow_mut().add(place.sequence);
            }
            return;
        };
        let kind = match fate {
            AckAction::Acknowledge => AckKind::Ack,
            AckAction::Again(wait) => AckKind::Nak(Some(wait)),
            AckAction::Release => AckKind::Nak(None),
        };
        self.answer(answer, kind.into()).await;
    }

    /// Tells the server that all of them are still being worked on. A server that is away would
    /// not hear it, and the words would pile up.
    pub(crate) async fn keep_alive(&self) {
        if self.client.connection_state() != State::Connected {
            return;
        }
        for answer in self.answers.values().flatten() {
            self.answer(answer.clone(), AckKind::Progress.into()).await;
        }
    }

    /// Hands back everything at once.
    pub(crate) async fn release_all(&mut self) {
        while let Some((&place, _)) = self.answers.first_key_value() {
            self.settle(place, AckAction::Release).await;
        }
    }

    /// Answers for no packet of the rapids any more. The position that is made anew has the same
    /// name, and would take the answers for those to its own deliveries: a packet that is in hand
    /// elsewhere would count as done.
    pub(crate) fn desert(&mut self) {
        self.is_deserted = true;
        self.answers.retain(|place, _| place.stream == StreamName::Replays);
    }

    pub(crate) fn is_deserted(&self) -> bool {
        self.is_deserted
    }

    /// Waits until the server has all answers.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.client.flush().await {
            warn!(%error, "the last acknowledgements may be lost; those packets will come again");
        }
    }

    async fn answer(&self, answer: Subject, body: Bytes) {
        if let Err(error) = self.client.publish(answer, body).await {
            warn!(%error, "an acknowledgement was not sent; the packet will come again");
        }
    }
}
