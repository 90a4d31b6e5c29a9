//! From which stream services read: the rapids, or a mirror of them.

use crate::error::{Error, Result};
use crate::names::{STREAM, is_of_the_bus};

/// The variable that names it.
pub(super) const READ_FROM: &str = "RAPIDS_READ_FROM";

/// The mirror of this name; `None` if it names the rapids themselves.
pub(crate) fn read_from(origin: &str, name: &str) -> Result<Option<String>> {
    let is_name = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=32).contains(&text.len()) && text.bytes().all(fits) && !is_of_the_bus(text)
    };
    match name.trim() {
        STREAM => Ok(None),
        mirror if is_name(mirror) => Ok(Some(mirror.to_owned())),
        _ => Err(Error::Config {
            name: origin.to_owned(),
            value: name.to_owned(),
            expected: "`RAPIDS`, or the name of a mirror such as `RAPIDS_EU`: 1 to 32 letters, digits, `-` \
                       and `_`, and not the name of another stream of the bus"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_a_name_of_its_own() {
        let read = |name| read_from(READ_FROM, name).map_err(|error| error.to_string());
        assert_eq!(read("RAPIDS_EU"), Ok(Some("RAPIDS_EU".to_owned())));
        assert_eq!(read("RAPIDS"), Ok(None));
        for wrong in ["a.b", "a b", "*", "LATER", "KV_RAPIDS_ONCE"] {
            assert!(read(wrong).unwrap_err().contains("RAPIDS_EU"), "{wrong}");
        }
    }
}
