//! What stands in the form: the packet, and when it is to be published.

use std::collections::HashMap;

use jiff::Timestamp;
use rapids_client::{Error, Packet, When, parse_duration};
use rapids_views::moment;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Result};
use crate::guard::signed::Signed;
use crate::hex::hex;
use crate::text::short;

/// What stands in it at first.
const EXAMPLE: &str = "{\"event\": \"\"}";

pub(super) struct Form {
    /// Another for each form that is shown, so that one that is sent twice stores one packet.
    pub(super) key: String,
    pub(super) body: String,
    pub(super) when: String,
    pub(super) schedule: String,
    pub(super) name: String,
    pub(super) zone: String,
    pub(super) reason: String,
}

/// When a packet is to be published.
pub(super) enum How<'a> {
    Now,
    Later {
        when: When,
        /// For the log.
        words: String,
    },
    Every {
        name: &'a str,
        schedule: &'a str,
        zone: Option<&'a str>,
    },
}

impl Form {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no random bits.
    pub(super) fn empty() -> Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(Fault::internal)?;
        Ok(Self {
            key: hex(&key),
            body: EXAMPLE.to_owned(),
            when: String::new(),
            schedule: String::new(),
            name: String::new(),
            zone: String::new(),
            reason: String::new(),
        })
    }

    /// One that was sent.
    pub(super) fn of(signed: &Signed) -> Self {
        let text = |name| signed.text(name).trim().to_owned();
        Self {
            key: text("key"),
            body: signed.text("body").to_owned(),
            when: text("when"),
            schedule: text("schedule"),
            name: text("name"),
            zone: text("zone"),
            reason: signed.note.why.clone().unwrap_or_default(),
        }
    }

    /// The packet, with an id of this form and of what it says, unless it has its own.
    ///
    /// # Errors
    /// Why it is no packet.
    pub(super) fn packet(&self) -> std::result::Result<Packet, Error> {
        let packet = Packet::from_bytes(self.body.clone())?;
        match (self.key.as_str(), self.with_id()) {
            ("", _) | (_, None) => Ok(packet),
            (_, Some(body)) => Packet::from_bytes(body),
        }
    }

    /// The body with an id at its end; `None` if it says something of its own about that.
    fn with_id(&self) -> Option<String> {
        let members: HashMap<String, IgnoredAny> = serde_json::from_str(&self.body).ok()?;
        if members.contains_key("rapids") {
            return None;
        }
        // Changed and sent again, it is another packet.
        let said = [&self.key, &self.when, &self.body];
        let hash = said.iter().fold(Sha256::new(), |hash, text| {
            hash.chain_update(text.len().to_le_bytes()).chain_update(text)
        });
        let id = hex(&hash.finalize()[..16]);
        let comma = if members.is_empty() { "" } else { "," };
        let open = self.body.trim_end().strip_suffix('}')?;
        Some(format!("{open}{comma}\"rapids\":{{\"id\":\"{id}\"}}}}"))
    }

    /// When it is to be published.
    ///
    /// # Errors
    /// What is wrong with that, in words.
    pub(super) fn how(&self) -> std::result::Result<How<'_>, String> {
        let Self { when, schedule, name, zone, .. } = self;
        if schedule.is_empty() && name.is_empty() && zone.is_empty() {
            return self.once();
        }
        if schedule.is_empty() {
            return Err("a schedule is missing, such as `@every 1h` or `0 30 14 * * *`".to_owned());
        }
        if !when.is_empty() {
            return Err("either it is published at one time, or by a schedule".to_owned());
        }
        let zone = Some(zone.as_str()).filter(|zone| !zone.is_empty());
        Ok(How::Every { name, schedule, zone })
    }

    fn once(&self) -> std::result::Result<How<'static>, String> {
        let when = self.when.as_str();
        if when.is_empty() {
            return Ok(How::Now);
        }
        if let Some(delay) = parse_duration(when) {
            return Ok(How::Later { when: delay.into(), words: format!("in {when}") });
        }
        match moment(when) {
            Some(time) if time <= Timestamp::now() => Err(format!("`{when}` is over")),
            Some(time) => Ok(How::Later { when: time.into(), words: format!("at {time}") }),
            None => Err(format!(
                "`{}` is no time: expected a duration such as 90s, 30m or 2h, or a time such as \
                 2026-11-21 09:30 (UTC)",
                short(when)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Form {
        Form { body: body.to_owned(), ..Form::empty().unwrap() }
    }

    #[test]
    fn a_form_that_is_sent_twice_is_one_packet_and_a_changed_one_another() {
        let mut form = form("{\"event\": \"x\", \"n\": 1.50}\n");
        let packet = form.packet().unwrap();
        assert_eq!(packet.id(), form.packet().unwrap().id());
        assert!(String::from_utf8_lossy(&packet.body()).contains("1.50"));
        form.body = form.body.replace("1.50", "2");
        assert_ne!(packet.id(), form.packet().unwrap().id());
        assert!(Form { body: "{ }".to_owned(), ..form }.packet().is_ok());
    }

    #[test]
    fn an_id_of_the_packet_counts() {
        let own = form(r#"{"event":"x","rapids":{"id":"o-1"}}"#);
        assert_eq!(own.packet().unwrap().id(), "o-1");
    }

    #[test]
    fn a_time_is_a_duration_or_a_moment_to_come() {
        let how = |when: &str| Form { when: when.to_owned(), ..form("{}") }.how().map(drop);
        assert_eq!((how(""), how("30m"), how("2999-01-01 09:30")), (Ok(()), Ok(()), Ok(())));
        assert!(how("2020-01-01").unwrap_err().contains("is over"));
        assert!(how("soon").unwrap_err().contains("is no time"));
    }
}
