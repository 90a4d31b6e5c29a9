//! `--set path=json`: a field and its new value.

use std::str::FromStr;

use rapids_client::Packet;
use serde_json::value::RawValue;

/// A field and its new value, with every digit as it was typed.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    path: String,
    value: Box<RawValue>,
}

impl Assignment {
    /// The packet with the field set.
    pub(super) fn apply(&self, packet: Packet) -> Packet {
        packet.with(&self.path, &self.value)
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = separator(text).ok_or("expected `field=json`, such as `total=10`")?;
        let (path, value) = (text[..at].trim(), text[at + 1..].trim());
        if path.is_empty() {
            return Err("expected the name of a field before `=`".to_owned());
        }
        let value = RawValue::from_string(value.to_owned()).map_err(|error| {
            format!("the value is not JSON: {error}; a text needs quotes, as in `name=\"ada\"`")
        })?;
        Ok(Self { path: path.to_owned(), value })
    }
}

/// The index of the first `=` outside of quotes, where the path ends.
fn separator(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(position, character)| {
        match (quote, character) {
            (None, '=') => return Some(position),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(assignments: &[&str]) -> String {
        let packet = Packet::from_bytes(r#"{"event":"x","n":9007199254740993,"o":{"p":1.10}}"#);
        let set = |packet, text: &&str| text.parse::<Assignment>().unwrap().apply(packet);
        let packet = assignments.iter().fold(packet.unwrap(), set);
        packet.check().unwrap();
        packet.to_string().split(r#","rapids":"#).next().unwrap().to_owned()
    }

    #[test]
    fn a_field_is_set_and_every_other_digit_stays() {
        assert_eq!(
            set(&["total=10.00", "@.o.q = \"a = b\"", "$['a=b']=[1e400]", "n2=9007199254740993"]),
            r#"{"event":"x","n":9007199254740993,"o":{"p":1.10,"q":"a = b"},"total":10.00,"a=b":[1e400],"n2":9007199254740993"#
        );
    }

    #[test]
    fn an_invalid_assignment_is_an_error() {
        let fault = |text: &str| text.parse::<Assignment>().unwrap_err();
        assert!(fault("total").starts_with("expected `field=json`"));
        assert!(fault("=1").starts_with("expected the name of a field"));
        assert!(fault("name=ada").ends_with("a text needs quotes, as in `name=\"ada\"`"));
        assert!(fault("total=").starts_with("the value is not JSON"));
    }
}
