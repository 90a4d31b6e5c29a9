//! `rapids dead-letters tag`: tags the group of a letter.

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, LetterGroup, LetterId, Refusal};

use crate::author::Reason;
use crate::exit::{Answer, Fault};
use crate::session::Session;

/// Tag all letters that failed for the same cause as this one, such as `needs a fix`
///
/// They wait as before, also those that come later; the console shows them apart from letters that nobody has
/// looked at. `rapids dead-letters list --group` prints the tags.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters tag payment.charge.17 'ask the business' --reason 'who may pay by invoice?'
  rapids dead-letters tag payment.charge.17 --remove")]
pub(crate) struct Tag {
    /// A letter of the group, such as `payment.charge.17`
    #[arg(value_name = "ID")]
    id: LetterId,

    /// The tag
    #[arg(value_name = "TAG", required_unless_present = "remove")]
    words: Option<String>,

    /// Take the tag away
    #[arg(long, conflicts_with = "words")]
    remove: bool,

    #[command(flatten)]
    reason: Reason,
}

impl Tag {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let letters = session.dead_letters().await?;
        let Some(stored) = letters.get(&self.id).await? else {
            return Err(Error::Letter { id: self.id.to_string(), refusal: Refusal::Unknown }.into());
        };
        let (group, note) = (LetterGroup::of(&stored.letter), self.reason.note());
        match &self.words {
            Some(words) => drop(letters.tag(&group, words, &note).await?),
            None if letters.untag(&group, &note).await? => {}
            None => {
                let words = format!("the group of `{}` has no tag", self.id);
                return Err(Fault::NotFound(words).into());
            }
        }
        Ok(Answer::Yes)
    }
}
