//! What a service announces about itself, in the format of the NATS service API (ADR-32).
//!
//! Pure: receiving requests is left to [`announcement`](super).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::endpoints::{self, Endpoint};
use super::repetition::Repetition;
use crate::metrics::ServiceMetrics;
use crate::names::{ON_RAPIDS, PUBLISHES, RULES, STATE, STREAM};
use crate::river::Rules;
use crate::service::Service;

/// The kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    const ALL: [Self; 3] = [Self::Ping, Self::Info, Self::Stats];

    /// What a request on this subject asks for, such as `$SRV.PING.payment`.
    pub(super) fn of(subject: &str) -> Option<Self> {
        let asked = subject.split('.').nth(1)?;
        Self::ALL.into_iter().find(|verb| verb.token() == asked)
    }

    fn token(self) -> &'static str {
        match self {
            Self::Ping => "PING",
            Self::Info => "INFO",
            Self::Stats => "STATS",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Ping => "io.nats.micro.v1.ping_response",
            Self::Info => "io.nats.micro.v1.info_response",
            Self::Stats => "io.nats.micro.v1.stats_response",
        }
    }
}

/// One instance, as others see it.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) id: String,
    name: String,
    version: String,
    pub(super) started: Timestamp,
    metrics: Arc<ServiceMetrics>,
    metadata: BTreeMap<String, String>,
    /// By the position of the river in the declaration.
    repetitions: Vec<Repetition>,
}

/// The answer to a request of any kind; each kind has some of the optional fields.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    id: &'a str,
    version: &'a str,
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    /// One for each river, and the last for the whole service.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Option<Vec<Endpoint<'a>>>,
}

impl Profile {
    pub(super) fn of(service: &Service, instance: &str, metrics: Arc<ServiceMetrics>) -> Self {
        Self {
            metrics,
            id: instance.to_owned(),
            name: service.name().to_owned(),
            version: service.announced_version().to_owned(),
            started: Timestamp::now(),
            metadata: metadata(service),
            repetitions: service.rivers().iter().map(Repetition::of).collect(),
        }
    }

    /// The subjects of requests to all services, to this one and to this instance.
    pub(super) fn subjects(&self) -> impl Iterator<Item = String> {
        let Self { name, id, .. } = self;
        Verb::ALL.into_iter().flat_map(move |verb| {
            let all = format!("$SRV.{}", verb.token());
            [format!("{all}.{name}.{id}"), format!("{all}.{name}"), all]
        })
    }

    pub(super) fn answer(&self, verb: Verb) -> Bytes {
        let answer = Answer {
            kind: verb.kind(),
            name: &self.name,
            id: &self.id,
            version: &self.version,
            metadata: &self.metadata,
            description: (verb == Verb::Info).then(|| format!("{} on the rapids", self.name)),
            started: (verb == Verb::Stats).then(|| self.started.to_string()),
            endpoints: match verb {
                Verb::Ping => None,
                Verb::Info => Some(endpoints::listed(&self.metrics, &self.repetitions)),
                Verb::Stats => Some(endpoints::counted(&self.metrics)),
            },
        };
        serde_json::to_vec(&answer).expect("texts can be written as JSON").into()
    }

    pub(super) fn show(&mut self, fact: &str, value: Option<String>) {
        let key = format!("{STATE}{fact}");
        match value {
            Some(value) => self.metadata.insert(key, value),
            None => self.metadata.remove(&key),
        };
    }
}

/// `charge` -> conditions, `charge.requires` -> requirements, for people; all the rules, as JSON,
/// for tools. What a river declares to publish is beside them, `charge.publishes`: older tools refuse
/// rules with a key that they do not know.
fn metadata(service: &Service) -> BTreeMap<String, String> {
    let mut rules: Vec<Rules> = service.rivers().iter().map(|river| river.rules()).collect();
    let publishes: Vec<_> = rules.iter_mut().map(|rules| rules.publishes.take()).collect();
    let mut metadata = BTreeMap::from([
        (ON_RAPIDS.to_owned(), STREAM.to_owned()),
        (RULES.to_owned(), serde_json::to_string(&rules).expect("texts can be written as JSON")),
    ]);
    for (river, rules) in service.rivers().iter().zip(&rules) {
        metadata.insert(river.name().to_owned(), river.to_string());
        if let Some(requirement) = rules.requirement() {
            metadata.insert(format!("{}.requires", river.name()), requirement);
        }
    }
    for (river, publishes) in service.rivers().iter().zip(publishes) {
        if let Some(publishes) = publishes {
            let publishes =
                serde_json::to_string(&publishes).expect("texts can be written as JSON");
            metadata.insert(format!("{}{PUBLISHES}", river.name()), publishes);
        }
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::river::River;
    use serde_json::{Value, json};

    fn profile() -> Profile {
        let river = River::new("charge").event("order_placed").require_that("@.total > 0");
        let service = Service::new("payment", Config::new("nats://127.0.0.1")).river(river);
        let metrics = Arc::new(ServiceMetrics::of(service.rivers()));
        Profile::of(&service, "i1", metrics)
    }

    fn answer(profile: &Profile, verb: Verb) -> Value {
        serde_json::from_slice(&profile.answer(verb)).unwrap()
    }

    #[test]
    fn each_question_gets_the_answer_of_its_kind() {
        let profile = profile();
        let mut info = answer(&profile, Verb::Info);
        let (metadata, endpoints) = (info["metadata"].take(), info["endpoints"].take());
        assert_eq!(
            (&endpoints[0]["name"], &endpoints[1]["name"]),
            (&json!("charge"), &json!("delivery"))
        );
        assert_eq!(
            info,
            json!({
                "type": "io.nats.micro.v1.info_response", "name": "payment", "id": "i1",
                "version": env!("CARGO_PKG_VERSION"), "description": "payment on the rapids",
                "metadata": null, "endpoints": null,
            })
        );
        assert_eq!(metadata["rapids.stream"], "RAPIDS");
        assert_eq!(metadata["charge"], "@.event == 'order_placed'");
        assert_eq!(metadata["charge.requires"], "@.total > 0");
        let ping = answer(&profile, Verb::Ping);
        assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
        assert_eq!(ping.get("endpoints"), None);
        let stats = answer(&profile, Verb::Stats);
        assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
        assert!(stats["started"].as_str().unwrap().ends_with('Z'), "{stats}");
        assert_eq!(stats["endpoints"][0]["num_requests"], 0);
    }

    #[test]
    fn what_a_river_publishes_stands_beside_the_rules_where_older_readers_pass_it_by() {
        let river = River::new("charge").event("order_placed").publishes(["paid", "declined"]);
        let service = Service::new("payment", Config::new("nats://127.0.0.1"));
        let metadata = metadata(&service.river(river).river(River::new("show")));
        assert_eq!(metadata["charge.publishes"], r#"{"events":["paid","declined"]}"#);
        assert!(!metadata[RULES].contains("publishes"), "{}", metadata[RULES]);
        assert!(!metadata.contains_key("show.publishes"));
    }

    #[test]
    fn a_fact_is_shown_until_it_is_cleared() {
        let mut profile = profile();
        let shown =
            |profile: &Profile| answer(profile, Verb::Info)["metadata"]["state:paused"].take();
        for n in ["9", "10"] {
            profile.show("paused", Some(n.to_owned()));
            assert_eq!(shown(&profile), n);
        }
        profile.show("paused", None);
        assert_eq!(shown(&profile), Value::Null);
    }

    #[test]
    fn questions_are_told_by_their_subject() {
        let profile = profile();
        let subjects: Vec<_> = profile.subjects().collect();
        assert_eq!(subjects.len(), 9);
        for subject in &subjects {
            let verb = Verb::of(subject).unwrap();
            assert!(subject.starts_with(&format!("$SRV.{}", verb.token())), "{subject}");
        }
        assert_eq!(Verb::of("$SRV.SCHEMA.payment"), None);
        assert_eq!(Verb::of("$SRV"), None);
    }
}
