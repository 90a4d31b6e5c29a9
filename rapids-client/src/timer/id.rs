//! The name of a timer on the server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{LATER_PREFIX, RULE, encoded, is_name};

/// Longest key of a timer in bytes, encoded: it becomes a subject on the server.
const MAX_KEY_BYTES: usize = 512;

/// Stands in the place of a service for packets that a publisher has put off.
const PUBLISHED: &str = "PUBLISHED";
/// Stands there for packets that are published again and again.
const EVERY: &str = "EVERY";

/// Names a timer: the service that has set it, its name and its key, such as `order.payment_due:o-1`.
/// Of a packet that a publisher has put off it is `PUBLISHED.<id of the packet>`, of one that comes again and
/// again `EVERY.<name>`. A new timer takes the place of one of the same name.
///
/// In a key, what is not a letter, a digit, `-` or `_` is `=` and two hex digits per byte.
///
/// ```
/// use rapids_client::TimerId;
///
/// let id = TimerId::new("order", "payment_due", "o 1")?;
/// assert_eq!((id.owner(), id.to_string().as_str()), ("order", "order.payment_due:o=201"));
/// assert_eq!(id.to_string().parse::<TimerId>()?, id);
/// assert!("order".parse::<TimerId>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimerId(String);

impl TimerId {
    /// The timer of this name and key that a service sets with [`Outputs::later`](crate::Outputs::later).
    ///
    /// # Errors
    /// What is wrong with the name or the key.
    pub fn new(service: &str, name: &str, key: &str) -> Result<Self, String> {
        if !is_name(service) {
            return Err(format!("the service `{service}` has no timers: {RULE}"));
        }
        if !is_name(name) {
            return Err(format!("the timer `{name}` is refused: {RULE}"));
        }
        let key = encoded(key);
        if key.len() > MAX_KEY_BYTES {
            return Err(format!(
                "a timer `{name}` is refused: its key has {} bytes, encoded, the limit is \
                 {MAX_KEY_BYTES}",
                key.len()
            ));
        }
        Ok(Self(format!("{service}.{name}:{key}")))
    }

    /// The one of a packet that a publisher has put off.
    pub(crate) fn of_packet(id: &str) -> Self {
        Self(format!("{PUBLISHED}.{}", encoded(id)))
    }

    /// The one of what is published again and again.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub(crate) fn every(name: &str) -> Result<Self, String> {
        match is_name(name) {
            true => Ok(Self(format!("{EVERY}.{name}"))),
            false => Err(format!(
                "`{name}` cannot name what comes again and again: it is not 1 to 32 characters of a-z, \
                 0-9, `_` and `-`"
            )),
        }
    }

    /// What stands in the place of a service where none has set the timer.
    pub(crate) const NO_SERVICES: [&str; 2] = [PUBLISHED, EVERY];

    /// The service that has set it; `PUBLISHED` or `EVERY` if none has.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// Its key, encoded; `None` for one that no service has set.
    pub(crate) fn encoded_key(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, key)| key)
    }

    /// Its subject on the server.
    pub(crate) fn subject(&self) -> String {
        format!("{LATER_PREFIX}{}", self.0)
    }

    /// The one with this subject; `None` if it is no subject of a timer.
    pub(crate) fn of_subject(subject: &str) -> Option<Self> {
        // Others may have set it, with other characters.
        let id = subject.strip_prefix(LATER_PREFIX)?;
        (id.split('.').count() == 2).then(|| Self(id.to_owned()))
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for TimerId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_token = |token: &str| {
            let is_own = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=:".contains(&byte);
            !token.is_empty() && token.bytes().all(is_own)
        };
        match text.split('.').collect::<Vec<_>>().as_slice() {
            [owner, token] if is_token(owner) && is_token(token) => Ok(Self(text.to_owned())),
            _ => Err(format!(
                "`{text}` names no timer, expected such as `order.payment_due:o-1`; `rapids later list` \
                 shows them"
            )),
        }
    }
}

impl TryFrom<String> for TimerId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimerId> for String {
    fn from(id: TimerId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_any_key_make_one_subject() {
        let id = TimerId::new("order", "payment_due", "o 1.ü*>").unwrap();
        assert_eq!(id.subject(), "later.order.payment_due:o=201=2E=C3=BC=2A=3E");
        assert_eq!(TimerId::of_subject(&id.subject()), Some(id.clone()));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TimerId::of_packet("a.b").to_string(), "PUBLISHED.a=2Eb");
        assert_eq!(TimerId::every("hourly").unwrap().owner(), "EVERY");
    }

    #[test]
    fn what_the_server_cannot_take_is_refused_with_the_reason() {
        let refused = |name: &str, key: &str| TimerId::new("s", name, key).unwrap_err();
        assert!(
            refused("Payment due", "k").contains("`Payment due` is refused: its name is not 1")
        );
        assert!(
            refused("due", &"x".repeat(513)).ends_with("has 513 bytes, encoded, the limit is 512")
        );
        assert!(TimerId::new("s", "due", &"x".repeat(512)).is_ok());
        assert!(TimerId::every("").unwrap_err().contains("cannot name what comes again"));
        for text in ["", "a", "a.", ".b", "a.b.c", "a.*", "a.>", "a.b c", "a.b:\u{fc}"] {
            assert!(text.parse::<TimerId>().is_err(), "{text}");
        }
    }
}
