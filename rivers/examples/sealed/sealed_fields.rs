//! Seals fields of packets, and opens them again.
//!
//! A sealed field is `{"sealed": "..."}`: ChaCha20-Poly1305 (RFC 8439) over the JSON of the value, behind a random
//! nonce, in base64. The person and the name of the field are authenticated with it, so that it opens nowhere else.

use anyhow::{Context, Result};
use data_encoding::BASE64;
use rapids_client::Packet;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::keys::Keys;

/// The secret of one person.
pub(crate) type Key = [u8; 32];

/// Which fields are sealed, and with whose key.
#[derive(Debug, Clone)]
pub(crate) struct SealedFields {
    keys: Keys,
    /// The field that names the person. It stays plain, so it is to be an id and no name.
    person: &'static str,
    fields: &'static [&'static str],
}

/// What a reader gets of a packet.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Its fields, as they were before they were sealed.
    Plain(Packet),
    /// The key is gone, and nobody can read it.
    Erased,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    sealed: String,
}

impl SealedFields {
    pub(super) fn new(
        keys: Keys,
        (person, fields): (&'static str, &'static [&'static str]),
    ) -> Self {
        Self { keys, person, fields }
    }

    /// Seals the fields that a packet has of these.
    pub(crate) async fn seal(&self, mut packet: Packet) -> Result<Packet> {
        let person = self.person_of(&packet)?;
        let key = self.keys.made_for(&person).await?;
        for field in self.fields {
            if let Some(value) = packet.get::<Box<RawValue>>(field)? {
                let sealed = seal(&key, (&person, field), value.get())?;
                packet = packet.with(field, Sealed { sealed });
            }
        }
        Ok(packet)
    }

    /// Opens what is sealed in a packet. An error, such as that keys cannot be reached, is one to try again.
    pub(crate) async fn open(&self, packet: &Packet) -> Result<Opened> {
        let person = self.person_of(packet)?;
        let Some(key) = self.keys.of(&person).await? else { return Ok(Opened::Erased) };
        let mut plain = packet.clone();
        for field in self.fields {
            let Some(Sealed { sealed }) = packet.get(field)? else { continue };
            // It was sealed with a key that is erased, and the person has another one by now.
            let Some(value) = open(&key, (&person, field), &sealed) else {
                return Ok(Opened::Erased);
            };
            plain = plain.with(field, value);
        }
        Ok(Opened::Plain(plain))
    }

    fn person_of(&self, packet: &Packet) -> Result<String> {
        packet.get(self.person)?.with_context(|| format!("the packet has no `{}`", self.person))
    }
}

fn seal(key: &Key, of: (&str, &str), plain: &str) -> Result<String> {
    let mut nonce = [0; NONCE_LEN];
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.ok().context("the system gives no random bytes")?;
    let mut sealed = plain.as_bytes().to_vec();
    let sealing = cipher(key).and_then(|cipher| {
        let nonce = Nonce::assume_unique_for_key(nonce);
        cipher.seal_in_place_append_tag(nonce, bound(of), &mut sealed).ok()
    });
    sealing.context("the value is too long to be sealed")?;
    Ok(BASE64.encode(&[&nonce[..], &sealed].concat()))
}

/// `None` if it was not sealed with this key, for this person and field.
fn open(key: &Key, of: (&str, &str), sealed: &str) -> Option<Box<RawValue>> {
    let sealed = BASE64.decode(sealed.as_bytes()).ok()?;
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut sealed = sealed.to_vec();
    let plain = cipher(key)?.open_in_place(nonce, bound(of), &mut sealed).ok()?;
    serde_json::from_slice(plain).ok()
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

/// What a sealed value belongs to. An id of a person that has a line end in it cannot pass for another one: no
/// name of a field has one.
fn bound((person, field): (&str, &str)) -> Aad<Vec<u8>> {
    Aad::from(format!("{field}\n{person}").into_bytes())
}
