//! A mirror of the rapids, which the server keeps up to date: the same packets under the same sequences.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a mirror of the rapids is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mirror {
    /// The name of its stream.
    pub(crate) stream: String,
    /// The JetStream domain that it is in; `None` if the rapids are in the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{} in the domain {domain}", self.stream),
            None => f.write_str(&self.stream),
        }
    }
}
