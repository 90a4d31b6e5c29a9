//! The value of a memory, as JSON and without its type.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// The JSON of a value. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Encoded(Arc<RawValue>);

impl Encoded {
    pub(crate) fn json(&self) -> &str {
        self.0.get()
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> usize {
        self.0.get().len()
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|json| Self(json.into()))
    }
}

/// A value whose type only its rivers know.
pub(crate) trait Value: Any + Send {
    /// Writes it as JSON.
    fn encoded(&self) -> anyhow::Result<Encoded>;
}

impl<T: Serialize + Send + 'static> Value for T {
    fn encoded(&self) -> anyhow::Result<Encoded> {
        let json = to_raw_value(self)
            .with_context(|| format!("the memory `{}` has no JSON", type_name::<T>()))?;
        Ok(Encoded(json.into()))
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

impl Memory {
    /// The value as its type: the default value if nothing is stored.
    pub(crate) fn decoded<T: Value + Default + DeserializeOwned>(self) -> anyhow::Result<Box<T>> {
        match self {
            Self::Encoded(None) => Ok(Box::default()),
            Self::Encoded(Some(Encoded(json))) => serde_json::from_str(json.get())
                .map(Box::new)
                .with_context(|| format!("the memory does not parse as `{}`", type_name::<T>())),
            Self::Decoded(value) => {
                let value: Box<dyn Any> = value;
                Ok(value.downcast().expect("a service is checked to have one type per memory"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_same_decoded_stored_and_new() {
        let value: Box<dyn Value> = Box::new(7_u64);
        let encoded = value.encoded().unwrap();
        assert_eq!(*Memory::Decoded(value).decoded::<u64>().unwrap(), 7);
        assert_eq!(*Memory::Encoded(Some(encoded)).decoded::<u64>().unwrap(), 7);
        assert_eq!(*Memory::default().decoded::<u64>().unwrap(), 0);
    }

    #[test]
    fn json_of_another_shape_is_an_error_that_names_the_type() {
        let encoded = Value::encoded(&"many".to_owned()).unwrap();
        let error = Memory::Encoded(Some(encoded)).decoded::<u64>().unwrap_err();
        assert_eq!(error.to_string(), "the memory does not parse as `u64`");
    }
}
