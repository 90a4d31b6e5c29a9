//! Reads the values that this library keeps under the keys of its buckets. A value that is not exactly
//! one of them is an error that names bucket and key: if it counted as none, what was done before would
//! be done again.

#[cfg(test)]
pub(crate) mod golden;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{Error, Result};

/// A value that is kept as JSON under a key.
///
/// Its type denies unknown fields. A change that adds a field, or gives one another meaning, raises the
/// version and writes it beside the fields, as the number `version`. Older programs leave such a value
/// alone, and wait.
pub(crate) trait Stored: DeserializeOwned {
    /// The newest version that can be read. A value without a version is of the first.
    const VERSION: u64 = 1;

    /// Why it cannot be the value of this key, though it has the form of one.
    fn fault(&self, _key: &str) -> Option<String> {
        None
    }
}

/// Reads the value of a key.
///
/// # Errors
/// `Record` for one that a newer version of this library wrote, or something else.
pub(crate) fn read<T: Stored>(bucket: &str, key: &str, json: &[u8]) -> Result<T> {
    refuse_newer::<T>(bucket, key, json)?;
    let read = || {
        let value: T = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        value.fault(key).map_or(Ok(value), Err)
    };
    read().map_err(|fault| foreign(bucket, key, &fault))
}

/// Makes sure that no newer version wrote a value.
///
/// # Errors
/// `Record` if one did.
pub(crate) fn refuse_newer<T: Stored>(bucket: &str, key: &str, json: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Versioned<'a> {
        #[serde(borrow, default)]
        version: Option<&'a RawValue>,
    }
    let versioned: Option<Versioned<'_>> = serde_json::from_slice(json).ok();
    // Another field may have this name, such as a river; then it is no number.
    let version = versioned.and_then(|it| it.version?.get().parse::<u64>().ok());
    match version {
        Some(version) if version > T::VERSION => Err(newer(bucket, key, version, T::VERSION)),
        _ => Ok(()),
    }
}

/// The error for a value that a newer version of this library wrote.
pub(crate) fn newer(bucket: &str, key: &str, found: u64, known: u64) -> Error {
    Error::Record {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        fault: format!("is of version {found}, this program knows {known}: update it"),
        is_newer: true,
    }
}

/// The error for a value that something else wrote.
pub(crate) fn foreign(bucket: &str, key: &str, fault: &str) -> Error {
    Error::Record {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        fault: format!(
            "was written by something else: {fault}; put back what was there, or delete it with \
             `nats kv del {bucket} {key}`"
        ),
        is_newer: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Count {
        n: u64,
    }

    impl Stored for Count {
        const VERSION: u64 = 2;

        fn fault(&self, key: &str) -> Option<String> {
            (self.n == 0).then(|| format!("{key} counts nothing"))
        }
    }

    fn told(json: &str) -> (String, bool) {
        match read::<Count>("COUNTS", "k", json.as_bytes()).unwrap_err() {
            error @ Error::Record { is_newer, .. } => (error.to_string(), is_newer),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_exactly_a_value_is_read() {
        assert_eq!(read::<Count>("COUNTS", "k", br#" {"n":7} "#).unwrap(), Count { n: 7 });
    }

    #[test]
    fn anything_else_is_told_with_where_it_lies() {
        for json in ["", "7", "{}", r#"{"n":7,"m":1}"#, r#"{"n":0}"#, r#"{"version":1,"n":7}"#] {
            let (told, is_newer) = told(json);
            let begin = "`k` in `COUNTS` was written by something else: ";
            assert!(told.starts_with(begin) && !is_newer, "{told}");
            assert!(told.ends_with("delete it with `nats kv del COUNTS k`"), "{told}");
        }
        let expected = "`k` in `COUNTS` is of version 3, this program knows 2: update it";
        assert_eq!(told(r#"{"version":3,"n":7}"#), (expected.to_owned(), true));
        assert_eq!(told(r#"{"m":{},"version":3}"#).0, expected);
    }
}
