//! A secret key that ids are derived with, so that nobody without it can tell a coming id.
//!
//! Which key derives the ids of what a packet leads to is decided in
//! [`position::derivation`](crate::position::derivation); where keys come from in [`config`](crate::config).

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use uuid::{Builder, Uuid};

/// How many bytes a key has.
pub(crate) const KEY_BYTES: usize = 32;

/// What the fingerprint of a key is made of, and how many bytes of that it has.
const FINGERPRINT: &[u8] = b"rapids id key";
const FINGERPRINT_BYTES: usize = 8;

/// How many bytes of a UUID hold its time.
const TIME_BYTES: usize = 6;

/// A secret key; prints as its fingerprint.
#[derive(Clone)]
pub(crate) struct IdKey(Arc<Keyed>);

struct Keyed {
    /// Has taken the key in, so that this is not done for each id.
    mac: Hmac<Sha256>,
    fingerprint: String,
}

impl IdKey {
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
        let tag = mac.clone().chain_update(FINGERPRINT).finalize().into_bytes();
        let digits = tag[..FINGERPRINT_BYTES].iter().map(|byte| format!("{byte:02x}"));
        Self(Arc::new(Keyed { mac, fingerprint: digits.collect() }))
    }

    /// Tells keys apart, and says nothing of them.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// The UUID of a name, which is given in parts: of version 8, of
    /// [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-8). It begins with a time in
    /// milliseconds, as one of version 7 does; the rest is of an HMAC.
    pub(crate) fn uuid(&self, time: Timestamp, name: &[&str]) -> Uuid {
        let mut mac = self.0.mac.clone();
        name.iter().for_each(|part| mac.update(part.as_bytes()));
        let tag = mac.finalize().into_bytes();
        let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or_default().to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..TIME_BYTES].copy_from_slice(&milliseconds[8 - TIME_BYTES..]);
        bytes[TIME_BYTES..].copy_from_slice(&tag[..16 - TIME_BYTES]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl PartialEq for IdKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IdKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdKey {
        let mut bytes = [0; KEY_BYTES];
        (0..).zip(&mut bytes).for_each(|(n, byte)| *byte = n);
        IdKey::new(&bytes)
    }

    // Worked out with the `hmac` of Python.
    #[test]
    fn it_is_an_hmac_with_the_time_in_front() {
        let time = "2026-11-21T09:30:00.5Z".parse().unwrap();
        let id = key().uuid(time, &["a", "\u{1f}", "payment", "\u{1f}", "charge", "\u{1f}", "0"]);
        assert_eq!(id.to_string(), "01a1fd70-f3b4-8d0b-b6bd-d07c4cb300d7");
        assert_eq!((id.get_version_num(), key().fingerprint()), (8, "408e9e37ee2fb8ea"));
        assert_eq!(key().uuid(time, &["a\u{1f}payment\u{1f}", "charge\u{1f}0"]), id);
    }

    #[test]
    fn another_key_a_time_and_a_name_make_another_id() {
        let time = Timestamp::UNIX_EPOCH;
        let ids = [
            key().uuid(time, &["a"]),
            key().uuid(time, &["b"]),
            key().uuid("1970-01-01T00:00:00.001Z".parse().unwrap(), &["a"]),
            IdKey::new(&[7; KEY_BYTES]).uuid(time, &["a"]),
        ];
        for (n, id) in ids.iter().enumerate() {
            assert!(!ids[..n].contains(id), "{id}");
        }
        assert!(key().uuid(Timestamp::MIN, &["a"]).to_string().starts_with("00000000-0000-8"));
    }

    #[test]
    fn it_does_not_print_the_key() {
        assert_eq!(format!("{:?}", key()), format!("IdKey({})", key().fingerprint()));
    }
}
