//! The name of a river: its service, and what it is called there. Plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::is_name;
use crate::{Error, Result};

/// A river and its service, such as `payment/charge`.
///
/// ```
/// use rapids_client::RiverName;
///
/// let river: RiverName = "payment/charge".parse()?;
/// assert_eq!((river.service(), river.river()), ("payment", "charge"));
/// # Ok::<(), rapids_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RiverName {
    service: String,
    river: String,
}

impl RiverName {
    /// Takes names that were checked before.
    pub(crate) fn of(service: &str, river: &str) -> Self {
        Self { service: service.to_owned(), river: river.to_owned() }
    }

    /// The service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The river's name in it.
    pub fn river(&self) -> &str {
        &self.river
    }
}

impl FromStr for RiverName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('/') {
            Some((service, river)) if is_name(service) && is_name(river) => {
                Ok(Self::of(service, river))
            }
            _ => Err(Error::Config {
                name: "the river".to_owned(),
                value: text.to_owned(),
                expected: "a service and a river, as `payment/charge`".to_owned(),
            }),
        }
    }
}

impl fmt::Display for RiverName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}/{}", self.service, self.river))
    }
}

impl From<RiverName> for String {
    fn from(river: RiverName) -> Self {
        river.to_string()
    }
}

impl TryFrom<String> for RiverName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_river_is_refused_with_an_example() {
        for text in ["payment", "payment.charge", "payment/", "a/b/c", "Payment/charge"] {
            let error = text.parse::<RiverName>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("`payment/charge`"), "{error}");
        }
    }
}
