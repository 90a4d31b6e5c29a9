//! Redirects: letters of a river that was renamed or retired go to the one that took its place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DeadLetters;
use crate::letter_action::{ActionKind, Note};
use crate::operations::Operation;
use crate::position::replay_consumer;
use crate::river_name::RiverName;
use crate::stored::Stored;
use crate::{Error, Result};

/// What the keys of redirects begin with.
const REDIRECT: &str = "redirect.";
/// So many redirects are followed one after the other.
const LONGEST: usize = 8;

/// Where the packets of a river's letters go instead of to that river.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Redirect {
    /// The river that the letters are of.
    pub from: RiverName,
    /// Its successor.
    pub to: RiverName,
    /// Who said so.
    pub who: String,
    /// When, by the clock of whoever did it.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Stored for Redirect {}

impl DeadLetters {
    /// All redirects, by the rivers that letters are of.
    ///
    /// # Errors
    /// [`Error::Record`] if something else lies there, [`Error::NotPermitted`], [`Error::Server`].
    pub async fn redirects(&self) -> Result<Vec<Redirect>> {
        let found: Vec<(String, Redirect)> = self.operations.all(REDIRECT).await?;
        let mut redirects: Vec<_> = found.into_iter().map(|(_, redirect)| redirect).collect();
        redirects.sort_by(|one, two| one.from.cmp(&two.from));
        Ok(redirects)
    }

    /// Has the packets of a river's letters go to another river from now on, when they are replayed or edited;
    /// takes the place of its former redirect. What was sent before stays where it is.
    ///
    /// The successor judges and handles the packets as its own: what it remembers of a packet, or has done
    /// `once`, is its own, too.
    ///
    /// # Errors
    /// [`Error::Config`] for a successor whose service has never run, or whose own letters come back to
    /// `from`; [`Error::Full`], [`Error::NotPermitted`], [`Error::Server`].
    pub async fn redirect(
        &self,
        from: &RiverName,
        to: &RiverName,
        note: &Note,
    ) -> Result<Redirect> {
        let wrong = |expected: String| Error::Config {
            name: format!("the successor of `{from}`"),
            value: to.to_string(),
            expected,
        };
        if self.way(to).await?.contains(from) {
            return Err(wrong(format!("a river whose letters do not come back to `{from}`")));
        }
        let connection = self.operations.connection();
        if replay_consumer::existing(connection, to.service()).await?.is_none() {
            return Err(wrong("a river of a service that has run here".to_owned()));
        }
        let Note { who, why, .. } = note.clone();
        let (from, to, at) = (from.clone(), to.clone(), Timestamp::now());
        let (key, redirect) = (key(&from), Redirect { from, to, who, at, why });
        self.operations.replace(&key, &redirect).await?;
        let operation = Operation::new("redirect", redirect.from.to_string(), note);
        self.record(&operation.outcome(format!("to {}", redirect.to))).await;
        Ok(redirect)
    }

    /// Takes the redirect of a river's letters away; `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Record`], [`Error::NotPermitted`], [`Error::Server`].
    pub async fn withdraw_redirect(&self, from: &RiverName, note: &Note) -> Result<bool> {
        let key = key(from);
        let (redirect, revision) = self.operations.load::<Redirect>(&key).await?;
        let Some(redirect) = redirect else { return Ok(false) };
        self.operations.delete_at(&key, revision).await?;
        let operation = Operation::new("withdraw_redirect", from.to_string(), note);
        self.record(&operation.outcome(format!("to {}", redirect.to))).await;
        Ok(true)
    }

    /// Where the packets of a river's letters would go now, if not to that river.
    ///
    /// # Errors
    /// [`Error::Record`], [`Error::NotPermitted`], [`Error::Server`].
    pub async fn successor(&self, river: &RiverName) -> Result<Option<RiverName>> {
        Ok(self.way(river).await?.into_iter().skip(1).next_back())
    }

    /// As [`successor`](Self::successor), for an action that may send something to one river.
    pub(super) async fn sends_to(
        &self,
        kind: ActionKind,
        river: &RiverName,
    ) -> Result<Option<RiverName>> {
        match kind {
            ActionKind::Replay | ActionKind::Edit => Box::pin(self.successor(river)).await,
            _ => Ok(None),
        }
    }

    /// A river, and those that its letters are handed on to.
    async fn way(&self, river: &RiverName) -> Result<Vec<RiverName>> {
        let mut way = vec![river.clone()];
        while let Some(last) = way.last()
            && way.len() <= LONGEST
            && let Some(redirect) = self.operations.load::<Redirect>(&key(last)).await?.0
            // Two people at once may lead letters in a circle.
            && !way.contains(&redirect.to)
        {
            way.push(redirect.to);
        }
        Ok(way)
    }
}

fn key(river: &RiverName) -> String {
    format!("{REDIRECT}{}.{}", river.service(), river.river())
}
