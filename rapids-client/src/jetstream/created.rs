//! When a stream was created, also if it was restored from a backup since.
//!
//! The server restores a stream as a new one, with the messages and sequences of the old. What is kept of it, such as
//! ids of packets and positions, goes by the creation time of the old one, so a backup notes that in the settings. So
//! does a mirror of the rapids.

use async_nats::jetstream::stream::Info;
use jiff::Timestamp;

use super::timestamp;
use crate::mirror::Mirror;
use crate::names::CREATED;

/// When the stream was created that these sequences are of.
pub(crate) fn created(info: &Info) -> Timestamp {
    let noted = info.config.metadata.get(CREATED).and_then(|noted| noted.parse().ok());
    noted.unwrap_or_else(|| timestamp(info.created))
}

/// Which of the streams of its name one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// When it was created, by which its messages go.
    pub(crate) created: Timestamp,
    /// When the server made it. After a restore that is another time: who has read further than the backup goes
    /// must not read on.
    pub(crate) made: Timestamp,
}

impl Identity {
    pub(crate) fn of(info: &Info) -> Self {
        Self { created: created(info), made: timestamp(info.created) }
    }

    /// What became of this one, where another is found in its place, and whether that has its messages.
    pub(crate) fn replaced_by(self, found: Self) -> Option<Replaced> {
        match found {
            _ if self == found => None,
            _ if self.created == found.created => Some(Replaced::Restored),
            _ => Some(Replaced::MadeAnew),
        }
    }
}

/// How a stream was replaced by another one of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// By the copy of it that a backup holds.
    Restored,
    /// By one that has nothing in common with it.
    MadeAnew,
}

/// What a service says that finds no stream any more.
pub(crate) const DELETED: &str = "the stream was deleted while it ran; where there is a backup, run `rapids restore` \
                                  and start the service again";

/// What a service says that finds its stream [restored](Replaced::Restored).
pub(crate) const RESTORED: &str = "the stream was restored from a backup while it ran; start the service again, and it \
                                   goes on where it was in the backup";

/// What a service says that finds its mirror deleted or made anew.
pub(crate) fn replaced_mirror(mirror: &Mirror) -> String {
    format!(
        "the mirror {mirror} was deleted or made anew while it ran; start the service again, which makes it where \
         there is none, and goes on where it was"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_stream_is_told_from_one_that_was_made_anew() {
        let [first, second] = [1, 2].map(|second| Timestamp::from_second(second).unwrap());
        let read = Identity { created: first, made: first };
        assert_eq!(read.replaced_by(read), None);
        let restored = Identity { created: first, made: second };
        assert_eq!(read.replaced_by(restored), Some(Replaced::Restored));
        let other = Identity { created: second, made: second };
        assert_eq!(read.replaced_by(other), Some(Replaced::MadeAnew));
    }
}
