//! Which dead letters are meant.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Kind, StoredLetter, masked_reason};
use crate::letter_action::State;
use crate::names::{DEAD_LETTER_PREFIX, is_name};
use crate::{Error, Result};

/// Which dead letters are meant; without further calls, all.
///
/// ```
/// use rapids_client::{Filter, Kind, State};
///
/// let broken = Filter::new().service("payment").kind(Kind::Exhausted).state(State::Waiting);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) river: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// In lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<usize>,
}

impl Filter {
    /// Means all letters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this service.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only those of rivers of this name.
    #[must_use]
    pub fn river(mut self, river: impl Into<String>) -> Self {
        self.river = Some(river.into());
        self
    }

    /// Only those of this kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only those about packets with this event, need or command.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only those whose reason is this one, as [`masked_reason`](crate::masked_reason) writes it: those that
    /// failed for the same cause.
    #[must_use]
    pub fn masked_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Only those in which this text is found, in whatever case: in their id, in the id, the conversation or the
    /// name of the packet, or in the reason.
    #[must_use]
    pub fn containing(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into().to_lowercase());
        self
    }

    /// Only those stored at or after this time.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Only those in this state.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Only the oldest, this many.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same without a state and a limit.
    pub(super) fn in_every_state(&self) -> Self {
        Self { state: None, limit: None, ..self.clone() }
    }

    /// The subjects to read.
    pub(super) fn subject(&self) -> Result<String> {
        let (service, river) = self.parts()?;
        Ok(format!("{DEAD_LETTER_PREFIX}{service}.{river}.*"))
    }

    /// Service and river, `*` for every one.
    pub(super) fn parts(&self) -> Result<(&str, &str)> {
        Ok((part("the service", &self.service)?, part("the river", &self.river)?))
    }

    /// Whether what lies under a subject is of the right service and river.
    pub(super) fn takes_subject(&self, subject: &str) -> bool {
        let mut names = subject.split('.').skip(1);
        [&self.service, &self.river].into_iter().all(|wanted| {
            let name = names.next();
            wanted.is_none() || wanted.as_deref() == name
        })
    }

    /// Whether a letter of the right service and river is meant, by everything but the limit.
    pub(super) fn takes(&self, stored: &StoredLetter) -> bool {
        let is_named = |name: &String| {
            let names = stored.letter.name.as_deref().unwrap_or_default();
            names == name || names.split(", ").any(|one| one == name)
        };
        let letter = &stored.letter;
        let has_text = |text: &String| {
            let (id, name) = (letter.id.to_string(), letter.name.as_deref().unwrap_or_default());
            let parts = [&id, &letter.packet_id, &letter.correlation_id, name, &letter.reason];
            parts.into_iter().any(|part| part.to_lowercase().contains(text))
        };
        let has_reason = |reason: &String| *reason == masked_reason(&stored.letter.reason);
        self.kind.as_ref().is_none_or(|kind| *kind == stored.letter.kind)
            && self.state.is_none_or(|state| state == stored.state)
            && self.since.is_none_or(|since| stored.written >= since)
            && self.name.as_ref().is_none_or(is_named)
            && self.reason.as_ref().is_none_or(has_reason)
            && self.text.as_ref().is_none_or(has_text)
    }
}

fn part<'a>(what: &str, name: &'a Option<String>) -> Result<&'a str> {
    match name.as_deref() {
        None => Ok("*"),
        Some(name) if is_name(name) => Ok(name),
        Some(name) => Err(Error::Config {
            name: what.to_owned(),
            value: name.to_owned(),
            expected: "1 to 32 characters of a-z, 0-9, `_` and `-`".to_owned(),
        }),
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Error::Config {
            name: "the state of a dead letter".to_owned(),
            value: text.to_owned(),
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}
