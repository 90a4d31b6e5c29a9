//! Comments: what people have to say of a letter while it waits, and after.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeadLetters, LetterId};
use crate::Result;
use crate::jetstream::bucket::Keep;
use crate::jetstream::ensure::info_of;
use crate::jetstream::resource::beyond_letters;
use crate::letter_action::Note;
use crate::names::DEAD_LETTERS;
use crate::operations::{Operation, said};
use crate::stored::Stored;

/// What the keys of comments begin with. The id of the letter follows, then what is ordered by time.
const COMMENT: &str = "comment.";
/// The longest comment, in bytes.
const LONGEST: usize = 4_000;

/// What somebody has said of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Comment {
    /// In their words.
    pub text: String,
    /// Who said it.
    pub who: String,
    /// When, by the clock of whoever did it.
    pub at: Timestamp,
}

impl Stored for Comment {}

impl DeadLetters {
    /// What people have said of a letter, oldest first.
    ///
    /// # Errors
    /// [`Error::Record`](crate::Error::Record) if something else lies there, [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn comments(&self, id: &LetterId) -> Result<Vec<Comment>> {
        let found = self.operations.all(&prefix(id)).await?.into_iter();
        Ok(found.map(|(_, comment)| comment).collect())
    }

    /// Removes what people have said of a letter.
    ///
    /// # Errors
    /// `Record` if something else lies there; `NotPermitted`, `Server`.
    pub(super) async fn remove_comments(&self, id: &LetterId) -> Result<()> {
        let prefix = prefix(id);
        for (rest, _) in self.operations.all::<Comment>(&prefix).await? {
            let key = format!("{prefix}{rest}");
            let (_, revision) = self.operations.load::<Comment>(&key).await?;
            self.operations.delete_at(&key, revision).await?;
        }
        Ok(())
    }

    /// Says something of a letter. It is kept for as long as letters are.
    ///
    /// # Errors
    /// [`Error::Letter`](crate::Error::Letter) if there is no such letter; [`Error::Config`](crate::Error::Config) for a text that is empty or has more
    /// than 4,000 bytes; [`Error::Full`](crate::Error::Full), [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn comment(&self, id: &LetterId, text: &str, note: &Note) -> Result<Comment> {
        let text = said(("the comment", text), LONGEST, "I ask the bank")?;
        self.existing(id).await?;
        let letters = info_of(self.operations.connection(), DEAD_LETTERS).await?;
        let age = beyond_letters(letters.map(|info| info.config.max_age));
        let who = note.who.clone();
        let comment = Comment { text: text.to_owned(), who, at: Timestamp::now() };
        let key = format!("{}{}", prefix(id), Uuid::now_v7().simple());
        self.operations.save(&key, &comment, (0, Keep::For(age))).await?;
        self.record(&Operation::new("comment", id.to_string(), note)).await;
        Ok(comment)
    }
}

fn prefix(id: &LetterId) -> String {
    format!("{COMMENT}{id}.")
}
