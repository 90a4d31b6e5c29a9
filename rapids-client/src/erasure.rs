//! Erasing what is kept of somebody: in memories, dead letters, replays, timers and the outcomes of `once`
//! reactions; and telling what stays in the stream, and until when.
//!
//! Goes through what holds bodies of packets, and values that came of them. Whose those are is decided by
//! [`erasable`](crate::erasable).

mod done;
mod memories;
mod outcomes;
mod packets;
mod replays;
mod timers;

use crate::Result;
use crate::dead_letters::DeadLetters;
use crate::erasable::{Held, Meant, Tally, masked};
use crate::jetstream::ensure::info_of;
use crate::letter_action::Note;
use crate::names::{DEAD_LETTERS, REPLAYS};
use crate::rapids::Rapids;
use done::Done;
pub use packets::StayingPackets;

/// So often everything is gone through at most, since services go on meanwhile.
const PASSES: usize = 5;

/// Erases what an expression is true of; made by [`Rapids::erasure`].
///
/// Every pass goes through all memories, dead letters, replays, timers, and outcomes of `once` reactions, and
/// reads each value. It can be broken off and done again at any time.
///
/// What it does not see: a value or a packet that does not itself say whose it is (`payment_declined` with an
/// order's id alone), what people have written (reasons, comments, the log of operations), the reasons and causes of letters about other
/// packets, and copies outside of the server.
#[derive(Debug, Clone)]
#[must_use = "nothing is erased before `run`"]
pub struct Erasure {
    rapids: Rapids,
    meant: Meant,
}

/// What is kept of somebody apart from the stream of packets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// How much lies where; places without any are left out.
    pub held: Vec<Held>,
    /// Of how many values and packets the expression cannot say whether it is true: they are no packets, repeat a
    /// key on one of its paths, or take too much to judge. They stay.
    pub unjudged: u64,
    /// What cannot be read, and why, such as a record of a newer version. It stays.
    pub unread: Vec<String>,
}

impl Holdings {
    /// Whether nothing is kept, as far as could be judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl From<Tally> for Holdings {
    fn from(tally: Tally) -> Self {
        let (held, unjudged, unread) = tally.parts();
        Self { held, unjudged, unread }
    }
}

/// What an erasure has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// How much was removed from where.
    pub removed: Vec<Held>,
    /// What was found when everything was read once more after that: what a service has in hand, or has
    /// written meanwhile. Erase again later.
    pub left: Holdings,
}

impl Rapids {
    /// An erasure of everything of which an RFC 9535 filter expression is true: with the packet as `@` for letters,
    /// replays, timers and what reactions have returned; with the value as `@` for memories.
    ///
    /// ```no_run
    /// use rapids_client::{Config, Note, Rapids};
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let erasure = rapids.erasure("@.customer == 'ada'")?.key("ada");
    /// let erased = erasure.run(&Note::new("bob").why("ticket 17")).await?;
    /// assert!(erased.left.is_empty(), "a service has something in hand: again, later");
    /// if let Some(packets) = erasure.packets().await? {
    ///     println!("{} packets stay until {:?}", packets.count, packets.until);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Definition`](crate::Error::Definition) for a wrong expression, with the place of the fault.
    pub fn erasure(&self, expression: &str) -> Result<Erasure> {
        Ok(Erasure { rapids: self.clone(), meant: Meant::parse(expression)? })
    }
}

impl Erasure {
    /// Also erases the entries of memories, and the timers, that have this key: the text, and the number or boolean
    /// that it reads as. For values that do not say themselves whose they are. May be called again for another
    /// key; none by default.
    pub fn key(mut self, key: &str) -> Self {
        self.meant.add_key(key);
        self
    }

    /// The expression without the texts and numbers that it compares with, such as `@.customer == '…'`, and how
    /// many keys are meant: fit for a log that is to hold nothing of whom was erased.
    #[must_use]
    pub fn masked(&self) -> String {
        let expression = masked(self.meant.text());
        match self.meant.keys() {
            0 => expression,
            keys => format!("{expression}, keys: {keys}"),
        }
    }

    /// What is there to be removed. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server);
    /// [`Error::Record`](crate::Error::Record) if it cannot be read what was done with a letter.
    pub async fn holdings(&self) -> Result<Holdings> {
        Ok(self.pass(None).await?.into())
    }

    /// Removes all of it, then reads everything once more.
    ///
    /// - Timers are deleted and cancelled, and what they have brought is deleted where the server keeps it beside
    ///   those that wait. Letters and replays are deleted, comments on letters with them. The server overwrites all
    ///   of these on disk.
    /// - Of a letter it is left that it was discarded.
    /// - Entries of memories end, as [`Rapids::forget_memory`] ends them: what comes of later packets the river says
    ///   ([`RememberingRiver::after_end`](crate::RememberingRiver::after_end)). Their keys are kept as long as
    ///   packets are.
    /// - Of what reactions have returned nothing is left but that they ran; not before their packet is handled,
    ///   since it is what would be published.
    ///
    /// A note's reason is kept with entries of memories and letters. It must not name whom it is about.
    ///
    /// # Errors
    /// As for [`holdings`](Self::holdings), and [`Error::Full`](crate::Error::Full). What is removed by then is removed:
    /// do it again.
    pub async fn run(&self, note: &Note) -> Result<Erased> {
        let mut removed = Tally::default();
        for _ in 0..PASSES {
            let tally = self.pass(Some(note)).await?;
            removed.add_removable(&tally);
            if tally.removable() == 0 {
                break;
            }
        }
        let left = self.pass(None).await?.into();
        Ok(Erased { removed: removed.parts().0, left })
    }

    /// What stays in the stream of packets; `None` if none of its packets is meant.
    ///
    /// Reads the stream once, from its beginning to its end.
    ///
    /// # Errors
    /// As for [`History::packets`](crate::History::packets).
    pub async fn packets(&self) -> Result<Option<StayingPackets>> {
        Box::pin(packets::staying(&self.rapids, self.meant.text())).await
    }

    /// Goes through everything once, and removes what is meant if there is a note of who does it.
    async fn pass(&self, note: Option<&Note>) -> Result<Tally> {
        let (rapids, meant) = (&self.rapids, &self.meant);
        let connection = rapids.connection();
        let mut tally = Tally::default();
        // First what sends packets by itself, then what can be sent, then what is remembered.
        Box::pin(timers::erase(rapids, meant, note.is_some(), &mut tally)).await?;
        if info_of(connection, DEAD_LETTERS).await?.is_some() {
            let letters = DeadLetters::over(connection.clone());
            Box::pin(letters.erase(meant, note, &mut tally)).await?;
        }
        if info_of(connection, REPLAYS).await?.is_some() {
            Box::pin(replays::erase(connection, meant, note.is_some(), &mut tally)).await?;
        }
        let mut done = Done::new(connection);
        Box::pin(memories::erase(&mut done, meant, note, &mut tally)).await?;
        Box::pin(outcomes::erase(&mut done, meant, note.is_some(), &mut tally)).await?;
        Ok(tally)
    }
}
