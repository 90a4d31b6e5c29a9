//! The record of a service in exclusive delivery: its position, and the instance that is active.
//!
//! Pure. Reading and writing it by compare-and-set is left to [`Lease`](crate::position::lease::Lease).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::names::POSITIONS;
use crate::position::ack_set::AckSet;
use crate::stored;
use crate::stored::Stored;

/// What is wrong where there is no record any more.
pub(crate) fn deleted() -> String {
    format!("its record in {POSITIONS} was deleted")
}

/// That the position of a service cannot be used, and what to do about it.
pub(crate) fn lost(service: &str, fault: &str) -> Error {
    let reason = format!("{fault}; {}", remedy(service));
    Error::Position { service: service.to_owned(), reason }
}

/// How to give a service a position where it has none that can be used.
fn remedy(service: &str) -> String {
    format!(
        "set it with `rapids position {service} --set SEQUENCE`, `--to-time TIME` or `--to-end`, and \
         start the service again"
    )
}

/// As it is written down, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PositionRecord {
    /// Which fields there are; absent in records from before there were versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u64>,
    /// When the stream was created that the sequences are of: another one counts anew.
    pub(crate) stream_created: String,
    /// Everything up to this sequence is done.
    pub(crate) floor: u64,
    /// First and last sequence of what is done above it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) done: Vec<(u64, u64)>,
    /// First and last sequence of what came by the live feed and is done, but which the stream has
    /// not confirmed: whoever goes on handles it again, but it has ended no process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ended: Vec<(u64, u64)>,
    /// The last sequence that was looked at: what is not done up to here is being handled.
    #[serde(default)]
    pub(crate) given: u64,
    /// Nothing above this sequence was begun. What is not done up to here may have ended a
    /// process.
    pub(crate) begun: u64,
    /// The instance that is active; empty when none is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) instance: String,
    /// Whether it is behind the live feed, and reads from the stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_catching_up: bool,
}

impl Stored for PositionRecord {
    const VERSION: u64 = 2;
}

impl PositionRecord {
    /// A position behind this sequence, of which nothing is begun.
    pub(crate) fn at(stream_created: String, floor: u64) -> Self {
        Self {
            version: Some(1),
            stream_created,
            floor,
            done: Vec::new(),
            ended: Vec::new(),
            given: floor,
            begun: floor,
            instance: String::new(),
            is_catching_up: false,
        }
    }

    /// It for a service that began to remember in this epoch. Where that is not the first, older programs are
    /// to leave it alone, and stand by: they know of no such epoch.
    pub(crate) fn of_memory_epoch(self, epoch: u64) -> Self {
        Self { version: Some(if epoch > 0 { 2 } else { 1 }), ..self }
    }

    /// The instance that may be active.
    pub(crate) fn holder(&self) -> Option<&str> {
        Some(self.instance.as_str()).filter(|instance| !instance.is_empty())
    }

    /// The highest sequence that the stream must have reached.
    pub(crate) fn reached(&self) -> u64 {
        let ranges = self.done.iter().map(|&(_, last)| last);
        ranges.chain([self.floor, self.given]).max().unwrap_or_default()
    }

    /// What is wrong with it as a position in a stream that ends there, if anything is. `begun` runs
    /// ahead of the stream, and is no fault wherever it is.
    pub(crate) fn fault(&self, last: u64) -> Option<String> {
        let mut after = self.floor;
        for &(first, end) in &self.done {
            if first <= after || end < first {
                return Some(format!(
                    "its record in {POSITIONS} was written by others: {first} to {end} is done \
                     behind {after}, which no service writes"
                ));
            }
            after = end;
        }
        // Those of earlier versions do not say what was given.
        if self.given > 0 && after > self.given {
            let given = self.given;
            return Some(format!(
                "its record in {POSITIONS} was written by others: {after} is done, but only \
                 {given} was given"
            ));
        }
        let reached = self.reached();
        (reached > last).then(|| {
            format!(
                "it stands at sequence {reached}, but the stream ends at {last}: the stream was \
                 restored from a backup, or the record in {POSITIONS} was written by others"
            )
        })
    }

    pub(crate) fn done(&self) -> AckSet {
        AckSet::new(self.floor, self.done.iter().copied())
    }

    /// Makes sure that the record of a service is of a version that is known.
    ///
    /// # Errors
    /// `Record` for a newer one.
    pub(crate) fn refuse_newer(service: &str, json: &[u8]) -> Result<(), Error> {
        stored::refuse_newer::<Self>(POSITIONS, service, json)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    /// Reads the record of a service in the stream that was created then.
    ///
    /// # Errors
    /// Why the service cannot go on from it.
    pub(crate) fn of_stream(json: &[u8], stream_created: Timestamp) -> Result<Self, String> {
        let record = Self::read(json)
            .map_err(|fault| format!("its record in {POSITIONS} was written by others: {fault}"))?;
        let (other, created) = (&record.stream_created, stream_created.to_string());
        if *other == created {
            return Ok(record);
        }
        Err(format!("it was in a stream created at {other}, and this one was created at {created}"))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts can be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let mut record = PositionRecord::at("2026-11-21T09:30:00Z".to_owned(), 7);
        let short = r#"{"version":1,"stream_created":"2026-11-21T09:30:00Z","floor":7,"given":7,"begun":7}"#;
        assert_eq!(String::from_utf8(record.to_json()).unwrap(), short);
        record.done = vec![(9, 12)];
        record.instance = "i-1".to_owned();
        assert_eq!(PositionRecord::read(&record.to_json()), Ok(record.clone()));
        assert!(record.done().contains(12) && !record.done().contains(8));
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        let [(record, json)] =
            &stored::golden::values::<PositionRecord>("exclusive", POSITIONS)[..]
        else {
            panic!("one service")
        };
        assert_eq!((record.fault(99), record.holder()), (None, None));
        assert_eq!(&String::from_utf8(record.to_json()).unwrap(), json);
    }

    #[test]
    fn a_record_that_no_service_writes_is_told_with_its_fault() {
        let good = PositionRecord {
            done: vec![(9, 12), (14, 14)],
            given: 20,
            ..PositionRecord::at("".into(), 7)
        };
        assert_eq!(good.fault(20), None);
        let older = PositionRecord { given: 0, ..good.clone() };
        assert_eq!(older.fault(14), None);
        let ahead = PositionRecord { begun: u64::MAX, ..good.clone() };
        assert_eq!(ahead.fault(20), None, "it only says what may have been begun");
        for (fault, record) in [
            ("it stands at sequence 20, but the stream ends at 19", good.clone()),
            ("12 to 9 is done", PositionRecord { done: vec![(12, 9)], ..good.clone() }),
            (
                "12 to 14 is done behind 12",
                PositionRecord { done: vec![(9, 12), (12, 14)], ..good.clone() },
            ),
            ("7 to 8 is done behind 7", PositionRecord { done: vec![(7, 8)], ..good.clone() }),
            ("21 is done, but only 20", PositionRecord { done: vec![(9, 21)], ..good.clone() }),
            ("30 is done, but only 20", PositionRecord { floor: 30, done: vec![], ..good }),
        ] {
            let found = record.fault(19).unwrap();
            assert!(found.contains(fault), "{found}");
        }
    }

    #[test]
    fn what_is_no_record_is_told_with_its_fault() {
        let missing = PositionRecord::read(br#"{"floor":7}"#).unwrap_err();
        assert!(missing.contains("stream_created"), "{missing}");
        assert!(PositionRecord::read(b"garbage").is_err());
        let more = br#"{"stream_created":"2026-11-21T09:30:00Z","floor":7,"begun":7,"more":1}"#;
        assert!(PositionRecord::read(more).unwrap_err().starts_with("unknown field `more`"));
        let newer = PositionRecord::refuse_newer("s", br#"{"version":3,"more":1}"#).unwrap_err();
        assert!(newer.to_string().starts_with("`s` in `RAPIDS_POSITIONS` is of version 3"));
    }
}
