//! What a reaction does to a timer, with everything that is needed to carry it out again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::TimerId;
use crate::packet::Packet;

/// A timer that is set or cancelled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct TimerChange {
    timer: TimerId,
    /// The same each time that the same reaction makes the change: the server makes it once.
    id: String,
    /// When it is due, and what is published then; `None` if it is cancelled.
    set: Option<(Timestamp, Packet)>,
}

impl TimerChange {
    /// Sets a timer. The packet's id is that of the change.
    pub(crate) fn set(timer: TimerId, due: Timestamp, packet: Packet) -> Self {
        Self { timer, id: packet.id().to_owned(), set: Some((due, packet)) }
    }

    /// Cancels one.
    pub(crate) fn cancel(timer: TimerId, id: String) -> Self {
        Self { timer, id, set: None }
    }

    /// Which timer.
    #[must_use]
    pub fn timer(&self) -> &TimerId {
        &self.timer
    }

    /// The id of the change. One that was made already is not made again.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it is due; `None` if it is cancelled.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.set.as_ref().map(|(due, _)| *due)
    }

    /// The packet that is published then; `None` if it is cancelled.
    #[must_use]
    pub fn packet(&self) -> Option<&Packet> {
        self.set.as_ref().map(|(_, packet)| packet)
    }

    /// This change with its packet as this function returns it.
    pub(crate) fn map_packet(self, map: impl FnOnce(Packet) -> Packet) -> Self {
        Self { set: self.set.map(|(due, packet)| (due, map(packet))), ..self }
    }
}

/// A change as it is kept in records and claims.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    timer: TimerId,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packet: Option<Box<RawValue>>,
}

impl From<TimerChange> for Stored {
    fn from(TimerChange { timer, id, set }: TimerChange) -> Self {
        let (due, packet) = set.unzip();
        let body = |packet: Packet| packet.to_raw().expect("a packet is written as JSON");
        Self { timer, id, due, packet: packet.map(body) }
    }
}

impl TryFrom<Stored> for TimerChange {
    type Error = String;

    fn try_from(Stored { timer, id, due, packet }: Stored) -> Result<Self, String> {
        let read = |body: Box<RawValue>| Packet::from_bytes(String::from(Box::<str>::from(body)));
        let packet = packet.map(read).transpose().map_err(|error| error.to_string())?;
        match (due, packet) {
            (Some(due), Some(packet)) => Ok(Self { timer, id, set: Some((due, packet)) }),
            (None, None) => Ok(Self { timer, id, set: None }),
            _ => Err("a timer has not both `due` and `packet`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_back_as_it_was_written() {
        let timer = TimerId::new("order", "payment_due", "o-1").unwrap();
        let due = "2026-11-21T09:30:00.25Z".parse().unwrap();
        let packet = Packet::event("payment_overdue").with("amount", 7550);
        let set = TimerChange::set(timer.clone(), due, packet.clone());
        let json = serde_json::to_string(&set).unwrap();
        let read: TimerChange = serde_json::from_str(&json).unwrap();
        assert_eq!((read.timer(), read.id(), read.due()), (&timer, packet.id(), Some(due)));
        assert_eq!(read.packet().unwrap().get::<u64>("amount").unwrap(), Some(7550));

        let cancel = TimerChange::cancel(timer, "c".to_owned());
        let json = serde_json::to_string(&cancel).unwrap();
        assert_eq!(json, r#"{"timer":"order.payment_due:o-1","id":"c"}"#);
        let read: TimerChange = serde_json::from_str(&json).unwrap();
        assert!(read.packet().is_none());
        let half = r#"{"timer":"order.payment_due:o-1","id":"c","due":"2026-11-21T09:30:00Z"}"#;
        assert!(serde_json::from_str::<TimerChange>(half).is_err());
    }
}
