//! The prefix of the subjects on which answers arrive.

use crate::error::{Error, Result};

/// A prefix, and the setting that states it.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    origin: String,
    prefix: String,
}

impl Inbox {
    pub(super) fn new(origin: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { origin: origin.into(), prefix: prefix.into() }
    }

    /// The prefix, after a check that it can be one.
    pub(super) fn prefix(&self) -> Result<&str> {
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '*' | '>');
        let is_token = |token: &str| !token.is_empty() && token.chars().all(is_plain);
        if self.prefix.split('.').all(is_token) {
            return Ok(&self.prefix);
        }
        Err(Error::Config {
            name: self.origin.clone(),
            value: self.prefix.clone(),
            expected: "a subject without wildcards, such as `_INBOX_payment`".to_owned(),
        })
    }
}
