//! A button that publishes a prepared packet.

use std::str::FromStr;

use rapids_client::{Packet, Result};

/// What stands on the button, and what it publishes: `NAME=PACKET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    name: String,
    body: String,
}

impl Button {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The packet, with an id of its own each time.
    ///
    /// # Errors
    /// None: whoever made the button has read the packet.
    pub(crate) fn packet(&self) -> Result<Packet> {
        Packet::from_bytes(self.body.clone())
    }
}

impl FromStr for Button {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, body) = text.split_once('=').unwrap_or_default();
        if name.trim().is_empty() {
            return Err("expected a name, `=` and a packet".to_owned());
        }
        let button = Self { name: name.trim().to_owned(), body: body.to_owned() };
        button.packet().map_err(|error| error.to_string())?;
        Ok(button)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_has_a_name_and_a_packet_that_may_contain_the_sign_between_them() {
        let button: Button = r#"Tell = {"event":"a=b"}"#.parse().unwrap();
        assert_eq!(button.name(), "Tell");
        let packets = [button.packet().unwrap(), button.packet().unwrap()];
        assert_eq!(packets[0].event_name().as_deref(), Some("a=b"));
        assert_ne!(packets[0].id(), packets[1].id());
    }

    #[test]
    fn what_is_no_packet_is_refused_with_the_reason() {
        for (text, why) in [
            (r#"{"event":"x"}"#, "expected a name"),
            (r#"={"event":"x"}"#, "expected a name"),
            ("Tell=", "packet"),
            ("Tell=[1]", "packet"),
        ] {
            let refused = text.parse::<Button>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
