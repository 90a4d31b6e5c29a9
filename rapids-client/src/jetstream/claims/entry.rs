//! What is written down about a reaction that runs once.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::effects::Effects;
use crate::packet::Packet;
use crate::stored::Stored;
use crate::timer::TimerChange;

/// The entry of a claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub(super) enum Entry {
    /// The reaction runs. Names the instance and the one claim: `<instance>.<random>`.
    Claimed(String),
    /// The reaction ended, and led to this.
    Done(Effects),
    /// The same, where it is so large that it lies in parts under keys of their own.
    DoneInParts(Parts),
}

impl Stored for Entry {
    const VERSION: u64 = 2;
}

/// How an entry lies in parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts {
    /// The attempt to write the entry that the parts are of; random.
    pub(super) of: u64,
    pub(super) count: usize,
    pub(super) bytes: usize,
    /// The version of what is in the parts, if it is not the first.
    #[serde(skip)]
    pub(super) version: Option<u64>,
}

impl Parts {
    pub(super) fn keys(&self, key: &str) -> impl Iterator<Item = String> {
        (1..=self.count).map(move |part| format!("{key}.{}.{part}", self.of))
    }
}

/// The version in which effects are written, if it is not the first: older programs leave timers alone.
pub(super) fn version_of(effects: &Effects) -> Option<u64> {
    (!effects.timers.is_empty()).then_some(Entry::VERSION)
}

/// The entry as JSON: one of the three, and the timers beside what is done. With timers it is of version 2.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Vec<Box<RawValue>>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    timers: Box<[TimerChange]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_in_parts: Option<Parts>,
}

impl From<Entry> for Written {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Claimed(by) => Self { claimed: Some(by), ..Self::default() },
            Entry::DoneInParts(parts) => {
                Self { version: parts.version, done_in_parts: Some(parts), ..Self::default() }
            }
            Entry::Done(effects) => {
                let version = version_of(&effects);
                let Effects { packets, timers } = effects;
                let body = |packet: &Packet| packet.to_raw().expect("a packet is written as JSON");
                Self {
                    version,
                    done: Some(packets.iter().map(body).collect()),
                    timers,
                    ..Self::default()
                }
            }
        }
    }
}

impl TryFrom<Written> for Entry {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { claimed, done, timers, done_in_parts, .. } = written;
        match (claimed, done, done_in_parts) {
            (Some(by), None, None) if timers.is_empty() => Ok(Self::Claimed(by)),
            (None, None, Some(parts)) if timers.is_empty() => Ok(Self::DoneInParts(parts)),
            (None, Some(bodies), None) => {
                let read =
                    |body: Box<RawValue>| Packet::from_bytes(String::from(Box::<str>::from(body)));
                let packets = bodies.into_iter().map(read).collect::<Result<_, _>>();
                let packets = packets.map_err(|error| error.to_string())?;
                Ok(Self::Done(Effects { packets, timers }))
            }
            _ => Err("it is not one of `claimed`, `done` and `done_in_parts`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ONCE;
    use crate::stored::golden;
    use crate::timer::TimerId;

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        for (entry, json) in golden::values::<Entry>("shared", ONCE) {
            assert!(matches!(&entry, Entry::Done(effects) if effects.packets.len() == 1));
            assert_eq!(serde_json::to_string(&entry).unwrap(), json);
        }
    }

    #[test]
    fn an_entry_is_written_as_older_programs_read_it_unless_it_has_timers() {
        let json = |entry: Entry| serde_json::to_string(&entry).unwrap();
        assert_eq!(json(Entry::Claimed("i.1".to_owned())), r#"{"claimed":"i.1"}"#);
        let packets = vec![Packet::from_bytes(r#"{"event":"x"}"#).unwrap()];
        let plain = json(Entry::Done(Effects { packets: packets.clone(), timers: Box::default() }));
        assert!(plain.starts_with(r#"{"done":[{"event":"x","rapids":"#), "{plain}");

        let timer = TimerId::new("s", "due", "k").unwrap();
        let timers = Box::new([TimerChange::cancel(timer.clone(), "c".to_owned())]);
        let timed = json(Entry::Done(Effects { packets, timers }));
        assert!(timed.starts_with(r#"{"version":2,"done":["#), "{timed}");
        let Ok(Entry::Done(read)) = serde_json::from_str(&timed) else { panic!("{timed}") };
        assert_eq!((read.packets.len(), read.timers[0].timer()), (1, &timer));
        for json in ["{}", r#"{"claimed":"a","done":[]}"#, r#"{"done":[7]}"#, r#"{"doing":[]}"#] {
            assert!(serde_json::from_str::<Entry>(json).is_err(), "{json}");
        }
    }
}
