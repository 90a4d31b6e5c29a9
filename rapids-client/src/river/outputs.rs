//! What a reaction returns beside packets, and how all of it gets its place in the conversation.

use std::collections::HashSet;

use jiff::Timestamp;

use super::reject;
use crate::effects::Effects;
use crate::packet::Packet;
use crate::timer::{TimerChange, TimerId, When};

/// What a reaction returns that does more than publish packets: it sets and cancels timers, too.
///
/// Packets are published in their order. What is done to timers is stored before that. A reaction that runs
/// again does each thing once; see [`later`](Self::later) for what a crash in between leaves.
///
/// ```
/// use std::time::Duration;
/// use rapids_client::{Outputs, Packet};
///
/// async fn on_order_placed(packet: Packet) -> anyhow::Result<Outputs> {
///     let order: String = packet.get("order_id")?.unwrap_or_default();
///     let overdue = Packet::event("payment_overdue").with("order_id", &order);
///     Ok(Outputs::new()
///         .publish(Packet::event("payment_requested").with("order_id", &order))
///         .later("payment_due", &order, Duration::from_secs(1800), overdue))
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    packets: Vec<Packet>,
    timers: Vec<Timer>,
    ends_memory: bool,
}

/// What is done to one timer.
#[derive(Debug, Clone)]
struct Timer {
    name: String,
    key: String,
    set: Option<(When, Packet)>,
}

impl Outputs {
    /// Begins with nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(packets: Vec<Packet>) -> Self {
        Self { packets, ..Self::default() }
    }

    /// Publishes a packet, behind those that were added before.
    #[must_use]
    pub fn publish(mut self, packet: Packet) -> Self {
        self.packets.push(packet);
        self
    }

    /// Publishes a packet later: at a [`Timestamp`], or after a [`Duration`](std::time::Duration), which
    /// begins when the reaction ends. What is over already is published at once.
    ///
    /// The name, of `[a-z0-9_-]`, at most 32 characters, and the key, any text, tell the timers of a service
    /// apart: a new one takes the place of one of the same name and key that still waits, in the order in which
    /// the instance handles packets; between instances the last one counts. The server keeps it, so it fires
    /// with every service down, and not before its time by the server's clock. The packet belongs to the
    /// conversation, and counts as one hop; its `rapids.timer` names the timer.
    ///
    /// Two things follow from that timers are stored before packets, each by itself: after a crash in
    /// between the timer may be set although the packets come only once the packet is handled again; and a
    /// packet that is handled again more than ten minutes later, or after a start of the server, may set its
    /// timer anew that was cancelled or has fired meanwhile. So a river that takes what a timer brings asks whether it is still
    /// wanted: it ignores the reminder of an order that is paid.
    #[must_use]
    pub fn later(
        mut self,
        name: &str,
        key: impl Into<String>,
        when: impl Into<When>,
        packet: Packet,
    ) -> Self {
        self.timers.push(Timer {
            name: name.to_owned(),
            key: key.into(),
            set: Some((when.into(), packet)),
        });
        self
    }

    /// Cancels the timer of this name and key, if it waits. What it brings may be on its way already.
    #[must_use]
    pub fn cancel(mut self, name: &str, key: impl Into<String>) -> Self {
        self.timers.push(Timer { name: name.to_owned(), key: key.into(), set: None });
        self
    }

    /// The packets to publish, for tests of a reaction.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// The timers that are set or cancelled, for tests of a reaction: name, key, and what a timer brings;
    /// `None` if it is cancelled.
    pub fn timers(&self) -> impl Iterator<Item = (&str, &str, Option<(When, &Packet)>)> {
        self.timers.iter().map(|Timer { name, key, set }| {
            let set = set.as_ref().map(|(when, packet)| (*when, packet));
            (name.as_str(), key.as_str(), set)
        })
    }

    /// Ends what the reaction remembers of this key: whatever it left there is gone with this step, and
    /// [`after_end`](crate::RememberingRiver::after_end) says what comes of later packets. Its other outputs
    /// are published as usual. A reaction without a memory is rejected if it returns this.
    ///
    /// The bucket is rid of the record as soon as none of its packets can come again. What is left tells of
    /// the end for as long as the stream keeps packets.
    ///
    /// ```
    /// use rapids_client::{Outputs, Packet, River};
    ///
    /// fn on_packaged(_: &mut u64, _: &Packet) -> anyhow::Result<Outputs> {
    ///     Ok(Outputs::new().publish(Packet::event("order_completed")).end_memory())
    /// }
    ///
    /// let river = River::new("complete").event("order_packaged").memory("orders", "@.order_id");
    /// river.react(on_packaged).check()?;
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    #[must_use]
    pub fn end_memory(mut self) -> Self {
        self.ends_memory = true;
        self
    }

    /// Whether it [ends](Self::end_memory) the memory, for tests of a reaction.
    pub fn ends_memory(&self) -> bool {
        self.ends_memory
    }

    /// Gives everything its place in the conversation, and its derived id. Of several changes of one timer
    /// the last one counts.
    pub(super) fn placed(
        self,
        cause: &Packet,
        (service, river): (&str, &str),
        now: Timestamp,
    ) -> anyhow::Result<Effects> {
        let place = |(position, packet): (usize, Packet)| {
            packet.check()?;
            Ok(packet.caused_by(cause, service, river, position))
        };
        let packets = self.packets.into_iter().enumerate();
        let packets = packets.map(place).collect::<anyhow::Result<_>>()?;
        let mut timers = Vec::new();
        let mut changed = HashSet::new();
        for (position, Timer { name, key, set }) in self.timers.into_iter().enumerate().rev() {
            let timer = TimerId::new(service, &name, &key).map_err(reject)?;
            if !changed.insert(timer.clone()) {
                continue;
            }
            let position = format!("timer {position}");
            timers.push(match set {
                Some((when, packet)) => {
                    packet.check()?;
                    let packet = packet.caused_by(cause, service, river, &position);
                    let packet = packet.of_timer(&timer.to_string());
                    TimerChange::set(timer, when.after(now), packet)
                }
                None => {
                    let id = cause.effect_id(service, river, &position);
                    TimerChange::cancel(timer, id.to_string())
                }
            });
        }
        timers.reverse();
        Ok(Effects { packets, timers: timers.into() })
    }
}
