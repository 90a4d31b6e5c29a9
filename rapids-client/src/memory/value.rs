//! The value of a memory, as JSON and without its type.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// What is stored of a value. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Encoded {
    Value(Json),
    /// The memory has ended, for this reason.
    Ended(Reason),
}

/// The JSON of a value, and which of the memory's types it has.
#[derive(Debug, Clone)]
pub(crate) struct Json {
    pub(super) text: JsonText,
    pub(super) number: u32,
}

/// The text of it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct JsonText(Arc<RawValue>);

/// Why a memory has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Reason(String);

impl Json {
    pub(crate) fn get(&self) -> &str {
        self.text.get()
    }
}

impl JsonText {
    pub(crate) fn get(&self) -> &str {
        self.0.get()
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|json| Self(json.into()))
    }
}

impl Reason {
    /// Of one that its reaction has ended.
    pub(crate) fn reaction() -> Self {
        Self::from("ended by its reaction")
    }

    /// Of one that took no packet for too long.
    pub(crate) fn expired() -> Self {
        Self::from("expired")
    }
}

impl From<&str> for Reason {
    fn from(reason: &str) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A value whose type only its rivers know.
pub(crate) trait Value: Any + Send {
    /// Writes it as JSON.
    fn encoded(&self) -> anyhow::Result<Encoded>;

    /// Whether it is no value, but the end of the memory.
    fn has_ended(&self) -> bool {
        false
    }
}

/// A value, with the number of its type.
pub(crate) struct Typed<T> {
    pub(crate) value: T,
    pub(super) number: u32,
}

impl<T: Serialize + Send + 'static> Value for Typed<T> {
    fn encoded(&self) -> anyhow::Result<Encoded> {
        let json = to_raw_value(&self.value)
            .with_context(|| format!("the memory `{}` has no JSON", type_name::<T>()))?;
        Ok(Encoded::Value(Json { text: JsonText(json.into()), number: self.number }))
    }
}

impl Value for Reason {
    fn encoded(&self) -> anyhow::Result<Encoded> {
        Ok(Encoded::Ended(self.clone()))
    }

    fn has_ended(&self) -> bool {
        true
    }
}

impl fmt::Debug for dyn Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }
}

/// What a reaction gets of its memory.
#[derive(Debug)]
pub(crate) enum Memory {
    /// As it is stored; `None` if nothing is.
    Encoded(Option<Encoded>),
    /// As the reaction before it left it.
    Decoded(Box<dyn Value>),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Encoded(None)
    }
}
