//! UUIDs that are the same for the same name: version 5 of
//! [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5).

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

/// The UUID of a name, which is given in parts, in a name space.
pub(crate) fn derived_uuid(space: &Uuid, name: &[&str]) -> Uuid {
    let mut hash = Sha1::new();
    hash.update(space);
    for part in name {
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_of_the_standard() {
        let example = "2ed6657d-e927-568b-95e1-2665a8aea6a2";
        assert_eq!(derived_uuid(&Uuid::NAMESPACE_DNS, &["www.example.com"]).to_string(), example);
        let in_parts = ["www", ".", "", "example.com"];
        assert_eq!(derived_uuid(&Uuid::NAMESPACE_DNS, &in_parts).to_string(), example);
    }
}
