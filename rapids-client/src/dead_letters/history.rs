//! All letters about one packet: of its replays, and of all epochs of the service's position.

use bytes::Bytes;

use super::{DeadLetter, DeadLetters, LetterId, StoredLetter, lookup};
use crate::Result;

impl DeadLetters {
    /// Every letter about the packet that this one is about, first failure first. A packet that was
    /// never replayed, and was not read again after its service's position was moved, has one.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn history(&self, id: &LetterId) -> Result<Vec<StoredLetter>> {
        let Some(stored) = Box::pin(self.get(id)).await? else {
            return Ok(Vec::new());
        };
        // The first letter may have expired, and with it the links to the others.
        let first = match &stored.letter.first {
            Some(first) => Box::pin(self.get(first)).await?,
            None => Some(stored.clone()),
        };
        let mut next = match first {
            Some(first) => Some(Box::pin(self.earliest(first)).await?),
            None => None,
        };
        let mut letters = Vec::new();
        while let Some(letter) = next {
            next = Box::pin(self.later(&letter.letter.id)).await?;
            Box::pin(self.add_with_replays(letter, &mut letters)).await?;
        }
        if letters.iter().all(|letter| letter.letter.id != *id) {
            Box::pin(self.add_with_replays(stored, &mut letters)).await?;
        }
        Ok(letters)
    }

    /// Goes back to the letter of the earliest epoch.
    async fn earliest(&self, mut letter: StoredLetter) -> Result<StoredLetter> {
        while let Some(former) = &letter.letter.former {
            let Some(earlier) = Box::pin(self.get(former)).await? else {
                break;
            };
            letter = earlier;
        }
        Ok(letter)
    }

    /// The letter about the same packet from a later epoch.
    async fn later(&self, id: &LetterId) -> Result<Option<StoredLetter>> {
        let mut next = id.next_edition();
        while let Some(message) = lookup::letter(&self.connection, &next).await? {
            let letter = DeadLetter::read(next.clone(), &message.headers, Bytes::new());
            if letter.is_ok_and(|letter| letter.former.as_ref() == Some(id)) {
                return Box::pin(self.get(&next)).await;
            }
            next = next.next_edition();
        }
        Ok(None)
    }

    /// Adds a letter, and the letters about its replays that failed again.
    async fn add_with_replays(
        &self,
        letter: StoredLetter,
        letters: &mut Vec<StoredLetter>,
    ) -> Result<()> {
        let mut next = Some(letter);
        while let Some(letter) = next {
            next = match &letter.again {
                Some(again) => Box::pin(self.get(again)).await?,
                None => None,
            };
            letters.push(letter);
        }
        Ok(())
    }
}
