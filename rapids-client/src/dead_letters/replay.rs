//! A replay: a packet on its way to the one river that failed on it, or that is to handle it again.
//!
//! The message's body is the packet's bytes, its subject names the service; the rest stands in the
//! headers that are read and written here.

use async_nats::HeaderMap;
use jiff::Timestamp;

use crate::dead_letters::LetterId;
use crate::dead_letters::headers::{
    FIRST, LETTER, PACKET_ID, PUBLISHER, RIVER, Reader, SEQUENCE, STORED, VERSION,
};
use crate::dead_letters::text::escape;
use crate::names::REPLAYS;
use crate::stored;
use crate::{Error, Result};

/// The newest version of the headers that is read: the first that can do without letters. It is written
/// only there, so that earlier versions handle all others, and hand these back.
const NEWEST: u64 = 2;
/// The version where none is written.
const OLDEST: u64 = 1;

/// Whom a replayed packet is meant for, and what the rapids knew of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addressed {
    /// The one river that is to handle it.
    pub(crate) river: String,
    /// The packet's id, which a body may leave to the stream.
    pub(crate) packet_id: String,
    /// The packet's sequence on the rapids; of an edited packet, that of the original.
    pub(crate) sequence: u64,
    /// When the rapids stored it.
    pub(crate) stored: Timestamp,
    /// Who has published it, as the server says.
    pub(crate) publisher: Option<String>,
    /// The letters about the packet; `None` if it is sent again without one.
    pub(crate) letters: Option<Letters>,
}

/// The letters about a packet that is replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letters {
    /// The letter that is replayed.
    pub(crate) letter: LetterId,
    /// The first letter about the packet.
    pub(crate) first: LetterId,
}

impl Addressed {
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RIVER, self.river.as_str());
        headers.insert(PACKET_ID, escape(&self.packet_id));
        headers.insert(SEQUENCE, self.sequence.to_string());
        headers.insert(STORED, self.stored.to_string());
        if let Some(publisher) = &self.publisher {
            headers.insert(PUBLISHER, escape(publisher));
        }
        match &self.letters {
            Some(Letters { letter, first }) => {
                headers.insert(LETTER, letter.to_string());
                headers.insert(FIRST, first.to_string());
            }
            None => headers.insert(VERSION, NEWEST.to_string()),
        }
        headers
    }

    /// Reads the replay of this sequence.
    ///
    /// # Errors
    /// `Record` if a newer version wrote it; `Stream` if the message is no replay.
    pub(crate) fn read(headers: &HeaderMap, sequence: u64) -> Result<Self> {
        let version = Reader(headers).parsed(VERSION).unwrap_or(OLDEST);
        if version > NEWEST {
            return Err(stored::newer(REPLAYS, &sequence.to_string(), version, NEWEST));
        }
        let read = || {
            let read = Reader(headers);
            Ok(Self {
                river: read.text(RIVER)?,
                packet_id: read.text(PACKET_ID)?,
                sequence: read.parsed(SEQUENCE)?,
                stored: read.parsed(STORED)?,
                publisher: read.optional(PUBLISHER),
                letters: match read.optional(LETTER) {
                    None if version > OLDEST => None,
                    _ => Some(Letters { letter: read.parsed(LETTER)?, first: read.parsed(FIRST)? }),
                },
            })
        };
        read().map_err(|fault: String| Error::Stream {
            stream: REPLAYS.to_owned(),
            differences: vec![format!("it holds a message that is no replay: {fault}")],
        })
    }
}

/// The message id of the `number`-th action on a letter, which makes it be sent once.
pub(crate) fn message_id(letter: &LetterId, number: usize) -> String {
    format!("replay:{letter}:{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::golden;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        let addressed = Addressed {
            river: "charge".to_owned(),
            packet_id: r"with \ and blank ".to_owned(),
            sequence: 17,
            stored: "2026-11-21T09:30:00.123456789Z".parse().unwrap(),
            publisher: Some("orders".to_owned()),
            letters: Some(Letters {
                letter: LetterId::of_replay("payment", "charge", 3),
                first: LetterId::of_packet("payment", "charge", 17),
            }),
        };
        assert_eq!(Addressed::read(&addressed.headers(), 3).unwrap(), addressed);
        assert!(addressed.headers().get(VERSION).is_none(), "earlier versions read it");
        let error = Addressed::read(&HeaderMap::new(), 3).unwrap_err().to_string();
        assert!(error.ends_with("no replay: header `Rapids-River` is missing"), "{error}");
        let mut newer = addressed.headers();
        newer.insert("Rapids-Version", "3");
        let error = Addressed::read(&newer, 3).unwrap_err().to_string();
        assert_eq!(error, "`3` in `REPLAYS` is of version 3, this program knows 2: update it");
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        for message in golden::messages("shared", REPLAYS) {
            let addressed = Addressed::read(&message.headers, 1).unwrap();
            let letter = addressed.letters.clone().unwrap().letter;
            let mut headers = addressed.headers();
            headers.insert("Nats-Msg-Id", message_id(&letter, 1));
            assert_eq!(headers, message.headers);
        }
    }

    #[test]
    fn a_replay_without_a_letter_is_of_the_version_that_earlier_ones_hand_back() {
        let addressed = Addressed {
            river: "charge".to_owned(),
            packet_id: "p-17".to_owned(),
            sequence: 17,
            stored: "2026-11-21T09:30:00Z".parse().unwrap(),
            publisher: None,
            letters: None,
        };
        let mut headers = addressed.headers();
        assert_eq!(headers.get(VERSION).unwrap().as_str(), "2");
        assert_eq!(Addressed::read(&headers, 3).unwrap(), addressed);
        headers.insert(VERSION, "1");
        let error = Addressed::read(&headers, 3).unwrap_err().to_string();
        assert!(error.ends_with("no replay: header `Rapids-Letter` is missing"), "{error}");
    }
}
