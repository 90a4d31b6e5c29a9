//! The id of a dead letter: which river of which service failed on what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::letter_action::{Action, Refusal};
use crate::names::{DEAD_LETTER_PREFIX, is_name};
use crate::river_name::RiverName;
use crate::{Error, Result};

/// The id of a dead letter, such as `payment.charge.17`.
///
/// Names the service, the river and the packet: by its sequence on the rapids, or, as `r3`, by
/// the sequence of the replay that failed again. Where something else lies under this id, such as a
/// letter from before the position was moved back, or from before the stream was made anew, which
/// counts from 1 again, it is `17-2`, `17-3` and so on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterId {
    service: String,
    river: String,
    token: Token,
}

/// What tells the letters of one river apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Token {
    is_replay: bool,
    sequence: u64,
    /// 1 for the first letter of this sequence.
    edition: u32,
}

impl LetterId {
    /// The id of the letter about the packet with this sequence on the rapids.
    pub(crate) fn of_packet(
        service: impl Into<String>,
        river: impl Into<String>,
        sequence: u64,
    ) -> Self {
        let token = Token { is_replay: false, sequence, edition: 1 };
        Self { service: service.into(), river: river.into(), token }
    }

    /// The id of the letter about the replay with this sequence.
    pub(crate) fn of_replay(
        service: impl Into<String>,
        river: impl Into<String>,
        sequence: u64,
    ) -> Self {
        let token = Token { is_replay: true, sequence, edition: 1 };
        Self { service: service.into(), river: river.into(), token }
    }

    /// The service whose river failed.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The river that failed.
    pub fn river(&self) -> &str {
        &self.river
    }

    /// The river that failed, with its service.
    pub fn river_name(&self) -> RiverName {
        RiverName::of(&self.service, &self.river)
    }

    /// The river to which an action on the letter sent something.
    pub fn sent_to(&self, action: &Action) -> RiverName {
        action.to.clone().unwrap_or_else(|| self.river_name())
    }

    /// The id that the letter would have about what an action on this one sent; `None` if that sent nothing to
    /// one river.
    pub(crate) fn again(&self, action: &Action) -> Option<Self> {
        let to = self.sent_to(action);
        Some(Self::of_replay(to.service(), to.river(), action.replay?))
    }

    /// The sequence of the replay that failed, if it was one.
    pub fn replay(&self) -> Option<u64> {
        self.token.is_replay.then_some(self.token.sequence)
    }

    /// The error that an action on the letter is not possible.
    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        Error::Letter { id: self.to_string(), refusal }
    }

    /// Where the letter is stored.
    pub(crate) fn subject(&self) -> String {
        format!("{DEAD_LETTER_PREFIX}{self}")
    }

    /// The id to take instead if something else lies under this one.
    pub(crate) fn next_edition(&self) -> Self {
        let edition = self.token.edition.saturating_add(1);
        Self { token: Token { edition, ..self.token }, ..self.clone() }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { is_replay, sequence, edition } = self.token;
        let mark = if is_replay { "r" } else { "" };
        let mut id = format!("{}.{}.{mark}{sequence}", self.service, self.river);
        if edition > 1 {
            id.push_str(&format!("-{edition}"));
        }
        formatter.pad(&id)
    }
}

impl From<LetterId> for String {
    fn from(id: LetterId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for LetterId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for LetterId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| Error::Config {
            name: "the id of a dead letter".to_owned(),
            value: text.to_owned(),
            expected:
                "SERVICE.RIVER.SEQUENCE, such as `payment.charge.17`, or `payment.charge.r3` \
                       for a replay that failed again"
                    .to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<LetterId> {
    let mut parts = text.split('.');
    let (service, river, token) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_name(service) || !is_name(river) {
        return None;
    }
    let (is_replay, number) = match token.strip_prefix('r') {
        Some(number) => (true, number),
        None => (false, token),
    };
    let (sequence, edition) = match number.split_once('-') {
        Some((sequence, edition)) => (sequence, edition.parse().ok()?),
        None => (number, 1),
    };
    let token = Token { is_replay, sequence: sequence.parse().ok()?, edition };
    let id = LetterId { service: service.to_owned(), river: river.to_owned(), token };
    // One spelling for each: `+17`, `017` and `17-1` are none.
    (id.to_string() == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_is_written() {
        for text in ["payment.charge.17", "payment.charge.r3", "a-b.c_d.17-2", "p.c.r3-4"] {
            assert_eq!(text.parse::<LetterId>().unwrap().to_string(), text);
        }
        let id = LetterId::of_packet("payment", "charge", 17);
        assert_eq!(id.subject(), "dead_letters.payment.charge.17");
        assert_eq!(id.next_edition().next_edition().to_string(), "payment.charge.17-3");
        assert_eq!(id.replay(), None);
        assert_eq!(LetterId::of_replay("payment", "charge", 3).replay(), Some(3));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let wrong = ["", "17", "payment.17", "payment.charge.x", "payment.charge.017", "p.c.17-1"];
        for text in wrong.into_iter().chain(["p.c.+1", "p.c.1.2", "P.c.1", "p.*.1", "p.c.r"]) {
            assert!(text.parse::<LetterId>().is_err(), "{text}");
        }
        let error = "17".parse::<LetterId>().unwrap_err().to_string();
        assert!(error.contains("`17`, expected SERVICE.RIVER.SEQUENCE"), "{error}");
    }
}
