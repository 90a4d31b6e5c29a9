//! The past of the stream: the packets that match an expression, up to a moment, and the state that they lead
//! to; and conversations, as trees of packets and of the dead letters about them.
//!
//! Reads the stream, and says what caused what. Printing it is left to programs.

mod conversation;
mod conversations;
mod find;
mod folded;
mod history_packets;
mod mention;
mod moment;
mod progress;
mod read;
mod reference;
mod room;
mod scan;
mod span;
mod tree;

use jiff::Timestamp;

pub use conversation::{Conversation, ReadingEnd};
pub use conversations::Conversations;
pub use find::Found;
pub use folded::Folded;
pub use history_packets::HistoryPackets;
pub use moment::Moment;
pub use progress::Progress;
pub use reference::Reference;
pub use tree::{Node, Subject};

use crate::jetstream::stream;
use crate::jetstream::timestamp;
use crate::packet::Packet;
use crate::rapids::Rapids;
use crate::river::River;
use crate::start::Start;
use crate::{Error, Result};
use moment::Held;
use scan::Scan;
use span::Span;

/// The packets of the past that match an expression, in the order of the stream, and the state that they
/// lead to; made by [`Rapids::history`].
///
/// Reads the stream once, from its beginning to its end as it is then, without a position on the server. Of
/// what cannot match only the bytes are looked at.
#[derive(Debug)]
#[must_use = "a history reads nothing until it is folded or its packets are asked for"]
pub struct History {
    rapids: Rapids,
    /// Its conditions are the expression.
    river: River,
    from: Start,
    until: Option<Moment>,
    progress: Progress,
}

impl Rapids {
    /// The history of what matches an RFC 9535 filter expression, with the packet as `@`: the state of an order
    /// at any moment, say.
    ///
    /// What the stream does not hold any more is missing; [`Folded::expired_before`] tells.
    ///
    /// ```no_run
    /// use rapids_client::{Config, Packet, Rapids, Timestamp};
    ///
    /// # async fn example() -> anyhow::Result<()> {
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let monday_at_ten: Timestamp = "2026-11-23T10:00:00Z".parse()?;
    /// let order = rapids.history("@.order_id == 'o-1'").until(monday_at_ten);
    /// let order = order.fold(String::from("unknown"), on_event).await?;
    /// println!("{} after {} packets", order.state, order.packets);
    /// if let Some(sequence) = order.expired_before {
    ///     println!("but what was before sequence {sequence} has expired");
    /// }
    /// # Ok(())
    /// # }
    ///
    /// fn on_event(status: &mut String, packet: &Packet) -> anyhow::Result<()> {
    ///     *status = match packet.event_name().as_deref() {
    ///         Some("order_placed") => "open".to_owned(),
    ///         Some("order_completed") => "completed".to_owned(),
    ///         Some("order_cancelled") => {
    ///             format!("cancelled: {}", packet.get::<String>("reason")?.unwrap_or_default())
    ///         }
    ///         _ => return Ok(()),
    ///     };
    ///     Ok(())
    /// }
    /// ```
    pub fn history(&self, expression: &str) -> History {
        History {
            rapids: self.clone(),
            river: River::new("history").when(expression),
            from: Start::Beginning,
            until: None,
            progress: Progress::default(),
        }
    }
}

impl History {
    /// From where to read: behind what an earlier state has, for instance. Default: from the
    /// [beginning](Start::Beginning).
    pub fn from(self, start: Start) -> Self {
        Self { from: start, ..self }
    }

    /// Up to when: a [`Timestamp`], at which the last packet was stored or before; or a sequence. Default: to
    /// the end of the stream.
    pub fn until(self, moment: impl Into<Moment>) -> Self {
        Self { until: Some(moment.into()), ..self }
    }

    /// How far the reading is, for a progress bar.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Gives the state to the step with each packet that matches, one after the other, and returns what has
    /// become of it. If nothing matches, that is the state that it began with.
    ///
    /// A step may well be the reaction of a river with a memory: `|order, packet| on_event(order,
    /// packet).map(drop)`.
    ///
    /// # Errors
    /// [`Error::Fold`] for the first error of the step; otherwise as for [`packets`](Self::packets), and those of
    /// [`HistoryPackets::next`].
    pub async fn fold<S>(
        self,
        mut state: S,
        mut step: impl FnMut(&mut S, &Packet) -> anyhow::Result<()>,
    ) -> Result<Folded<S>> {
        let mut history = self.packets().await?;
        while let Some(packet) = history.next().await? {
            step(&mut state, &packet).map_err(|error| Error::Fold {
                id: packet.id().to_owned(),
                sequence: history.read_to(),
                source: error.into(),
            })?;
        }
        Ok(Folded {
            state,
            packets: history.packets(),
            malformed: history.malformed(),
            expired_before: history.expired_before(),
            read_to: history.read_to(),
        })
    }

    /// The packets themselves, to be read one by one.
    ///
    /// # Errors
    /// [`Error::Definition`] for an expression that is wrong, with the place of the fault, and for moments that
    /// are in the future, or before the first or behind the last packet that the stream has;
    /// [`Error::Stream`] if there is no stream any more, [`Error::Server`], [`Error::NotPermitted`].
    pub async fn packets(self) -> Result<HistoryPackets> {
        let Self { rapids, river, from, until, progress } = self;
        let info = Box::pin(stream::present(rapids.connection())).await?.state;
        let since = (info.messages > 0).then(|| timestamp(info.first_timestamp));
        let held = Held { first: info.first_sequence.max(1), last: info.last_sequence, since };
        let faults = faults(&river, from, until, &held);
        if !faults.is_empty() {
            return Err(Error::Definition { of: "the history".to_owned(), faults });
        }
        let scan = Box::pin(Scan::open(&rapids, Span::from(from).to(until), &progress)).await?;
        let packets = HistoryPackets::of(scan, river, from, held.first);
        let is_before = matches!(from, Start::Time(from) if since.is_none_or(|since| from < since));
        Ok(if is_before && held.first > 1 { packets.begins_late(held.first) } else { packets })
    }
}

/// All that is wrong with what to read.
fn faults(river: &River, from: Start, until: Option<Moment>, held: &Held) -> Vec<String> {
    let now = Timestamp::now();
    let order = match (from, until) {
        (Start::Now, _) => {
            Some("it is to start with the next packet, which is not of the past".to_owned())
        }
        (Start::Sequence(first), Some(Moment::Sequence(last))) if first > last => {
            Some(format!("it is to start {from}, behind its end at sequence {last}"))
        }
        (Start::Time(first), Some(Moment::Time(last))) if first > last => {
            Some(format!("it is to start {from}, behind its end at {last}"))
        }
        _ => None,
    };
    let until = until.and_then(|until| until.fault(held, now));
    let declared = river.rule_faults().iter().cloned();
    declared.chain(from.fault(now)).chain(until).chain(order).collect()
}
