//! Groups of letters that failed for the same cause, and what people have said of one: tags.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeadLetter, DeadLetters, masked_reason};
use crate::Result;
use crate::derived_uuid::derived_uuid;
use crate::letter_action::Note;
use crate::operations::{Operation, said};
use crate::stored::Stored;

/// What the keys of tags begin with.
const TAG: &str = "tag.";
/// The name space of groups.
const GROUPS: Uuid = Uuid::from_u128(0x5b0e_3c1d_94f2_4a77_8d16_0f6a_c2b9_73e4);
/// The longest tag, in bytes.
const LONGEST: usize = 200;

/// What the letters of one group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LetterGroup {
    /// The service.
    pub service: String,
    /// The river.
    pub river: String,
    /// The kind, such as `rejected`.
    pub kind: String,
    /// The reason as [`masked_reason`] writes it.
    pub reason: String,
}

impl LetterGroup {
    /// The group that a letter belongs to.
    #[must_use]
    pub fn of(letter: &DeadLetter) -> Self {
        Self {
            service: letter.id.service().to_owned(),
            river: letter.id.river().to_owned(),
            kind: letter.kind.to_string(),
            reason: masked_reason(&letter.reason),
        }
    }

    fn key(&self) -> String {
        let Self { service, river, kind, reason } = self;
        let parts: [&str; 7] = [service, "\u{1f}", river, "\u{1f}", kind, "\u{1f}", reason];
        format!("{TAG}{}", derived_uuid(&GROUPS, &parts).simple())
    }
}

/// What somebody has said of a group of letters, such as `needs a fix`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tag {
    /// Of which letters.
    pub group: LetterGroup,
    /// In their words.
    pub words: String,
    /// Who said it.
    pub who: String,
    /// When, by the clock of whoever did it.
    pub at: Timestamp,
    /// More, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Stored for Tag {}

impl DeadLetters {
    /// The tags of all groups. A group may have none, or one; it may have no letters any more.
    ///
    /// # Errors
    /// [`Error::Record`](crate::Error::Record) if something else lies there, [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(self.operations.all(TAG).await?.into_iter().map(|(_, tag)| tag).collect())
    }

    /// Tags a group of letters, for those who decide on letters to see; takes the place of its former tag. The
    /// letters wait as before.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a tag that is empty or has more than 200 bytes; [`Error::Full`](crate::Error::Full),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn tag(&self, group: &LetterGroup, words: &str, note: &Note) -> Result<Tag> {
        let words = said(("the tag", words), LONGEST, "needs a fix")?;
        let Note { who, why, .. } = note.clone();
        let (group, words, at) = (group.clone(), words.to_owned(), Timestamp::now());
        let (key, tag) = (group.key(), Tag { group, words, who, at, why });
        self.operations.replace(&key, &tag).await?;
        let operation = Operation::new("tag", target(&tag.group), note);
        self.record(&operation.outcome(&tag.words)).await;
        Ok(tag)
    }

    /// Takes the tag of a group away; `false` if it has none.
    ///
    /// # Errors
    /// [`Error::Record`](crate::Error::Record), [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn untag(&self, group: &LetterGroup, note: &Note) -> Result<bool> {
        let (tag, revision) = self.operations.load::<Tag>(&group.key()).await?;
        let Some(tag) = tag else { return Ok(false) };
        self.operations.delete_at(&group.key(), revision).await?;
        let operation = Operation::new("untag", target(group), note);
        self.record(&operation.outcome(tag.words)).await;
        Ok(true)
    }
}

/// A group in the log.
fn target(group: &LetterGroup) -> String {
    let LetterGroup { service, river, kind, reason } = group;
    format!("{service}/{river} {kind}: {reason}")
}
