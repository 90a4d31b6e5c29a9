//! Which types the values of a memory had, and how a value of an earlier one becomes one of today's.
//!
//! A record notes the number of its value's type: 0 for the first that the memory had, one more with each
//! that was migrated from. So the number of today's type is that of the migrations.

use std::any::{Any, TypeId, type_name};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::{Encoded, Json, Memory, Typed, Value};

/// Why a value cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongType {
    /// Its JSON is not that of its type.
    #[error("the memory does not parse as `{expected}`")]
    NotOfType {
        expected: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// A program that knows further types has written it.
    #[error(
        "the memory has a newer type, of number {found}, and this program knows {known}: update it"
    )]
    Newer { found: u32, known: u32 },
}

impl WrongType {
    /// Whether a program may be able to read it that knows more.
    pub(crate) fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }
}

/// An earlier type of a memory.
#[derive(Debug)]
struct Earlier<T> {
    id: TypeId,
    name: &'static str,
    read: fn(&str) -> serde_json::Result<T>,
}

/// The types of a memory, of which `T` is today's.
#[derive(Debug)]
pub(crate) struct Types<T> {
    earlier: Vec<Earlier<T>>,
}

/// A memory as its reaction finds it.
pub(crate) enum Found<T> {
    Value(Box<Typed<T>>),
    /// It has ended, for this reason.
    Ended(Box<dyn Value>),
}

impl<T> Default for Types<T> {
    fn default() -> Self {
        Self { earlier: Vec::new() }
    }
}

impl<T> Types<T>
where
    T: Default + Serialize + DeserializeOwned + Send + 'static,
{
    /// Adds an earlier type, behind those that were added.
    pub(crate) fn add<V: DeserializeOwned + Into<T> + 'static>(&mut self) {
        self.earlier.push(Earlier {
            id: TypeId::of::<V>(),
            name: type_name::<V>(),
            read: |json| serde_json::from_str::<V>(json).map(Into::into),
        });
    }

    /// What tells these types from others.
    pub(crate) fn ids(&self) -> Vec<TypeId> {
        self.earlier.iter().map(|it| it.id).chain([TypeId::of::<T>()]).collect()
    }

    /// A value as it begins.
    pub(crate) fn new_value(&self) -> Box<Typed<T>> {
        self.typed(T::default())
    }

    /// A value as one of today's type.
    pub(crate) fn typed(&self, value: T) -> Box<Typed<T>> {
        Box::new(Typed { value, number: self.number() })
    }

    /// The number of today's type.
    fn number(&self) -> u32 {
        u32::try_from(self.earlier.len()).unwrap_or(u32::MAX)
    }

    /// What a reaction is to find: a new value if nothing is stored.
    pub(crate) fn find(&self, memory: Memory) -> Result<Found<T>, WrongType> {
        match memory {
            Memory::Encoded(None) => Ok(Found::Value(self.new_value())),
            Memory::Encoded(Some(Encoded::Value(json))) => {
                Ok(Found::Value(self.typed(self.read(&json)?)))
            }
            Memory::Encoded(Some(Encoded::Ended(reason))) => Ok(Found::Ended(Box::new(reason))),
            Memory::Decoded(value) if value.has_ended() => Ok(Found::Ended(value)),
            Memory::Decoded(value) => {
                let value: Box<dyn Any> = value;
                let value = value.downcast();
                Ok(Found::Value(value.expect("a service is checked to have one type per memory")))
            }
        }
    }

    /// Reads a stored value.
    pub(crate) fn read(&self, json: &Json) -> Result<T, WrongType> {
        let unreadable = |expected, source| WrongType::NotOfType { expected, source };
        let position = usize::try_from(json.number).unwrap_or(usize::MAX);
        if let Some(earlier) = self.earlier.get(position) {
            return (earlier.read)(json.get()).map_err(|it| unreadable(earlier.name, it));
        }
        let known = self.number();
        if json.number > known {
            return Err(WrongType::Newer { found: json.number, known });
        }
        serde_json::from_str(json.get()).map_err(|it| unreadable(type_name::<T>(), it))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::memory::value::Reason;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Total {
        cents: u64,
    }

    #[derive(Deserialize)]
    struct Euros(u64);

    impl From<Euros> for Total {
        fn from(Euros(euros): Euros) -> Self {
            Self { cents: euros * 100 }
        }
    }

    impl From<u64> for Total {
        fn from(cents: u64) -> Self {
            Self { cents }
        }
    }

    /// Cents, then euros, then a total.
    fn types() -> Types<Total> {
        let mut types = Types::default();
        types.add::<u64>();
        types.add::<Euros>();
        types
    }

    fn read(number: u32, json: &str) -> Result<u64, String> {
        let json = Json { text: serde_json::from_str(json).unwrap(), number };
        types().read(&json).map(|total| total.cents).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_read_as_the_type_that_it_had() {
        assert_eq!(read(0, "750"), Ok(750));
        assert_eq!(read(1, "7"), Ok(700));
        assert_eq!(read(2, r#"{"cents":7}"#), Ok(7));
    }

    #[test]
    fn what_cannot_be_read_names_the_type_or_asks_for_an_update() {
        assert_eq!(read(0, "{}").unwrap_err(), "the memory does not parse as `u64`");
        assert!(read(2, "7").unwrap_err().ends_with("::Total`"));
        let newer = "the memory has a newer type, of number 3, and this program knows 2: update it";
        assert_eq!(read(3, "7").unwrap_err(), newer);
    }

    #[test]
    fn a_value_is_the_same_decoded_stored_and_new() {
        let types = types();
        let found = |memory| match types.find(memory).unwrap() {
            Found::Value(value) => value.value.cents,
            Found::Ended(_) => panic!("it has not ended"),
        };
        let value: Box<dyn Value> = types.typed(Total { cents: 7 });
        let encoded = value.encoded().unwrap();
        assert_eq!(found(Memory::Decoded(value)), 7);
        assert_eq!(found(Memory::Encoded(Some(encoded))), 7);
        assert_eq!(found(Memory::default()), 0);
    }

    #[test]
    fn an_end_is_found_decoded_and_stored() {
        let types = types();
        let end: Box<dyn Value> = Box::new(Reason::from("over"));
        let stored = Memory::Encoded(Some(end.encoded().unwrap()));
        assert!(matches!(types.find(stored).unwrap(), Found::Ended(_)));
        assert!(matches!(types.find(Memory::Decoded(end)).unwrap(), Found::Ended(_)));
    }
}
