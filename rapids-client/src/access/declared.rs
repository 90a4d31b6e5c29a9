//! What is declared: services, people, and programs from outside.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use crate::{Delivery, Start};

/// Everybody who may log in, and what each may do.
///
/// Reading it from a text is left to a format of [`serde`]. What is wrong beyond the form,
/// [`faults`](Self::faults) tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// The services, by name.
    pub services: BTreeMap<String, ServiceAccess>,
    /// The people, by name.
    pub operators: BTreeMap<String, OperatorAccess>,
    /// The programs from outside, by name.
    pub publishers: BTreeMap<String, PublisherAccess>,
}

/// What a service is, as far as its rights and what is created for it depend on that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceAccess {
    /// How its instances get packets. Default: shared.
    #[serde(deserialize_with = "delivery")]
    pub delivery: Delivery,
    /// Where it begins when it is new: now, which is the default, or at the beginning.
    #[serde(deserialize_with = "start")]
    pub start: Start,
    /// The mirror of the rapids that it reads from, such as `RAPIDS_EU`. Default: it reads from the rapids.
    pub read_from: Option<String>,
    /// The names of its memories.
    pub memories: BTreeSet<String>,
    /// Whether it has reactions that run once.
    pub once: bool,
    /// Whether it sets timers.
    pub timers: bool,
    /// The services whose memories it reads.
    pub reads: BTreeSet<String>,
    /// The subjects on which it answers requests that are no packets, such as `catalogue.price`.
    pub answers: BTreeSet<String>,
    /// The subjects on which it asks other services so.
    pub requests: BTreeSet<String>,
}

/// What a person may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorAccess {
    /// As whom they log in.
    pub role: Role,
}

/// What people are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Does all that the command line and the console do.
    Operator,
    /// Looks, and changes nothing.
    Viewer,
}

/// What a program from outside may do, beside publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublisherAccess {
    /// Whether it waits for what comes of a packet.
    pub asks: bool,
    /// The services whose memories it reads.
    pub reads: BTreeSet<String>,
    /// The subjects on which it asks services what is no packet.
    pub requests: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DeliveryName {
    Shared,
    Exclusive,
}

fn delivery<'de, D: Deserializer<'de>>(reader: D) -> Result<Delivery, D::Error> {
    Ok(match DeliveryName::deserialize(reader)? {
        DeliveryName::Shared => Delivery::Shared,
        DeliveryName::Exclusive => Delivery::Exclusive,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StartName {
    Now,
    Beginning,
}

fn start<'de, D: Deserializer<'de>>(reader: D) -> Result<Start, D::Error> {
    Ok(match StartName::deserialize(reader)? {
        StartName::Now => Start::Now,
        StartName::Beginning => Start::Beginning,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_declared_has_the_defaults_of_a_service() {
        let access: Access = serde_json::from_str(r#"{"services": {"payment": {}}}"#).unwrap();
        assert_eq!(access.services["payment"], ServiceAccess::default());
        let words = r#"{"delivery": "exclusive", "start": "beginning", "memories": ["paid"]}"#;
        let service: ServiceAccess = serde_json::from_str(words).unwrap();
        assert_eq!(service.delivery, Delivery::Exclusive);
        assert_eq!(service.start, Start::Beginning);
        assert!(service.memories.contains("paid"));
    }

    #[test]
    fn an_unknown_key_or_value_is_refused_with_what_can_be_there() {
        for (text, words) in [
            (r#"{"service": {}}"#, "unknown field `service`, expected one of `services`,"),
            (r#"{"services": {"a": {"memory": []}}}"#, "unknown field `memory`, expected one of"),
            (r#"{"services": {"a": {"start": "soon"}}}"#, "expected `now` or `beginning`"),
            (r#"{"services": {"a": {"delivery": "once"}}}"#, "expected `shared` or `exclusive`"),
            (r#"{"operators": {"ada": {}}}"#, "missing field `role`"),
            (r#"{"operators": {"ada": {"role": "x"}}}"#, "expected `operator` or `viewer`"),
            (
                r#"{"publishers": {"web": {"ask": true}}}"#,
                "expected one of `asks`, `reads`, `requests`",
            ),
        ] {
            let error = serde_json::from_str::<Access>(text).unwrap_err().to_string();
            assert!(error.contains(words), "{words} in {error}");
        }
    }
}
