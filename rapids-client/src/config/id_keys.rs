//! The keys that ids are derived with, as they are stated: as text, or in a file.

use std::fs;
use std::path::PathBuf;

use super::secret::{MASK, Secret};
use crate::error::{Error, Result};
use crate::id_key::{IdKey, KEY_BYTES};

/// The variable that states them.
pub(crate) const ID_KEY: &str = "RAPIDS_ID_KEY";

const EXPECTED: &str = "64 hexadecimal digits, or the path of a file that holds them, such as \
                        `/etc/rapids/id.key`; an older key may follow behind a comma";

/// The keys of a service, the newest first; none if ids are derived from what everybody knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdKeys(Vec<IdKey>);

impl IdKeys {
    /// Reads what a setting states: one key, or the newest and the one before.
    ///
    /// # Errors
    /// `Config`, which shows of the setting no more than the name of a file that exists.
    pub(super) fn read(origin: &str, stated: &Secret, home: Option<&str>) -> Result<Self> {
        let parts: Vec<&str> = stated.expose().split(',').map(str::trim).collect();
        if parts.len() > 2 {
            return Err(wrong(origin, MASK, &format!("two keys at most: {EXPECTED}")));
        }
        parts.into_iter().map(|part| key(origin, part, home)).collect::<Result<_>>().map(Self)
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<&IdKey> {
        self.0.first()
    }

    /// The one with this fingerprint.
    pub(crate) fn find(&self, fingerprint: &str) -> Option<&IdKey> {
        self.0.iter().find(|key| key.fingerprint() == fingerprint)
    }

    /// The error of a service that needs the key with this fingerprint for a packet, and does not have it.
    pub(crate) fn missing(&self, service: &str, fingerprint: &str, sequence: u64) -> Error {
        let given: Vec<_> = self.0.iter().map(|key| format!("`{}`", key.fingerprint())).collect();
        let value = match given.is_empty() {
            true => "unset".to_owned(),
            false => format!("{MASK}, with the fingerprint {}", given.join(" and ")),
        };
        let expected = format!(
            "the key with the fingerprint `{fingerprint}`, with which `{service}` derives the ids of what \
             packet {sequence} leads to; the newest key comes first, an older one behind a comma"
        );
        Error::Config { name: ID_KEY.to_owned(), value, expected }
    }
}

fn key(origin: &str, stated: &str, home: Option<&str>) -> Result<IdKey> {
    if let Some(bytes) = bytes(stated) {
        return Ok(IdKey::new(&bytes));
    }
    let path = match (stated.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(stated),
    };
    // What is no file may be a key with a slip of the pen.
    let readable = fs::metadata(&path).ok().filter(|found| found.is_file());
    let Some(found) = readable else { return Err(wrong(origin, MASK, EXPECTED)) };
    let shown = path.display().to_string();
    if is_open_to_others(&found) {
        let expected = "a file that nobody but its owner can read: `chmod 600` it";
        return Err(wrong(origin, &shown, expected));
    }
    let text = fs::read_to_string(&path).map(Secret::new).map_err(|error| {
        wrong(origin, &shown, &format!("the path of a file that can be read ({error})"))
    })?;
    let bytes = bytes(text.expose().trim())
        .ok_or_else(|| wrong(origin, &shown, "a file with 64 hexadecimal digits"))?;
    Ok(IdKey::new(&bytes))
}

/// Whether others than its owner and the group of it can read or replace a file.
#[cfg(unix)]
fn is_open_to_others(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o006 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}

/// The bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut bytes = [0; KEY_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn wrong(origin: &str, value: &str, expected: &str) -> Error {
    Error::Config {
        name: origin.to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    fn read(stated: &str) -> Result<Vec<String>, String> {
        let keys = IdKeys::read(ID_KEY, &Secret::new(stated), None);
        let prints = |keys: IdKeys| keys.0.iter().map(|it| it.fingerprint().to_owned()).collect();
        keys.map(prints).map_err(|error| error.to_string())
    }

    /// A file with this text and these permissions.
    fn file(text: &str, mode: u32) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
        file.into_temp_path()
    }

    #[test]
    fn a_key_is_digits_or_a_file_with_them_and_an_older_one_may_follow() {
        let one = read(KEY).unwrap();
        assert_eq!(one, ["408e9e37ee2fb8ea"]);
        let kept = file(&format!("{}\n", KEY.to_lowercase()), 0o600);
        let path = kept.to_str().unwrap();
        assert_eq!(read(path).unwrap(), one);
        let both = read(&format!("{}, {path}", "7".repeat(64))).unwrap();
        assert_eq!((both.len(), &both[1]), (2, &one[0]));
    }

    #[test]
    fn nothing_that_may_be_a_key_is_shown() {
        let slip = &KEY[1..];
        for stated in
            [slip, "", &format!("{KEY},"), &format!("{KEY},{KEY},{KEY}"), &KEY.replace('A', "g")]
        {
            let error = read(stated).unwrap_err();
            assert!(error.starts_with("RAPIDS_ID_KEY is `***`, expected "), "{error}");
        }
        let config = super::super::Config::new("host").id_key(KEY).unwrap();
        assert!(!format!("{config:?}").to_lowercase().contains("0a0b0c"), "{config:?}");
        let missing = IdKeys::read(ID_KEY, &Secret::new(KEY), None).unwrap();
        let missing = missing.missing("payment", "ab", 17).to_string();
        let expected = "RAPIDS_ID_KEY is `***, with the fingerprint `408e9e37ee2fb8ea``, expected the key \
                        with the fingerprint `ab`, with which `payment` derives";
        assert!(missing.starts_with(expected), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_and_one_without_a_key_are_refused() {
        for (text, mode, said) in
            [(KEY, 0o644, "`chmod 600` it"), ("hunter2", 0o600, "64 hexadecimal digits")]
        {
            let kept = file(text, mode);
            let error = read(kept.to_str().unwrap()).unwrap_err();
            assert!(error.contains(kept.to_str().unwrap()) && error.ends_with(said), "{error}");
            assert!(!error.contains(text), "{error}");
        }
    }
}
