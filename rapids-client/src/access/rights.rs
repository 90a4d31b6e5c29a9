//! The rights of a service and of a program from outside.
//!
//! Nobody may create, change or delete a stream or a consumer: a request for a consumer chooses where the
//! server delivers, which may be any subject of the account with the streams.

use std::collections::BTreeSet;

use super::declared::{PublisherAccess, ServiceAccess};
use super::right::Right;
use crate::Delivery;
use crate::names::{
    DEAD_LETTER_PREFIX, DEAD_LETTERS, HANDLING, LATER, LATER_PREFIX, LIVE, ONCE, POSITIONS,
    REPLAYS, SERVICES, STREAM, SUBJECT, later_of, live_of, memory_bucket,
};

impl ServiceAccess {
    /// All rights of the service of this name, sorted, each once.
    pub fn rights(&self, name: &str) -> Vec<Right> {
        let mut rights = of_every_login(name);
        rights.extend([STREAM, REPLAYS, DEAD_LETTERS].map(stream_info));
        rights.extend(pulling(REPLAYS, name));
        rights.push(Right::request(format!("{DEAD_LETTER_PREFIX}{name}.>")));
        rights.push(direct_get(DEAD_LETTERS, &format!("{DEAD_LETTER_PREFIX}{name}.>")));
        rights.extend(whole(STREAM));
        rights.extend(keys(SERVICES, name));
        rights.extend(keys(HANDLING, &format!("{name}.>")));
        let source = self.read_from.as_deref().unwrap_or(STREAM);
        if self.read_from.is_some() {
            rights.extend([stream_info(source), any_of(source)]);
        }
        rights.push(api(&format!("CONSUMER.INFO.{source}.{name}")));
        match self.delivery {
            Delivery::Shared => rights.extend(pulling(source, name)),
            Delivery::Exclusive => {
                rights.extend(keys(POSITIONS, name));
                rights.push(Right::feed(live_of(source)));
                rights.push(Right::feed(format!("$KV.{POSITIONS}.{name}")));
            }
        }
        if self.once {
            rights.extend(keys(ONCE, &format!("{name}.>")));
        }
        if !self.memories.is_empty() {
            rights.extend(keys(&memory_bucket(name), ">"));
            rights.extend(whole(&format!("KV_{}", memory_bucket(name))));
        }
        if self.timers {
            rights.push(stream_info(&later_of(name)));
            rights.push(Right::request(format!("{LATER_PREFIX}{name}.*")));
        }
        rights.extend(reading(&self.reads));
        rights.extend(self.requests.iter().map(Right::request));
        sorted(rights)
    }
}

impl ServiceAccess {
    /// What it may receive in its own account, which is nobody's to import: requests that it answers.
    pub(crate) fn answered(&self) -> impl Iterator<Item = Right> {
        self.answers.iter().map(Right::feed)
    }

    /// All rights in the simple form, in which what is published has one subject, and all timers lie in one
    /// stream. A service that makes consumers `reads_by_consumers` what it has to catch up with.
    pub(crate) fn rights_in_simple_form(&self, name: &str, reads_by_consumers: bool) -> Vec<Right> {
        let in_simple_form = |right: Right| match right {
            right if right.to.is_some() => Right::request(SUBJECT),
            right if right == stream_info(&later_of(name)) => stream_info(LATER),
            right => right,
        };
        let mut rights: Vec<_> = self.rights(name).into_iter().map(in_simple_form).collect();
        if reads_by_consumers && self.delivery == Delivery::Exclusive {
            let source = self.read_from.as_deref().unwrap_or(STREAM);
            rights.extend([
                api(&format!("CONSUMER.CREATE.{source}.>")),
                api(&format!("CONSUMER.DELETE.{source}.*")),
                Right::streamed(format!("$JS.API.CONSUMER.MSG.NEXT.{source}.*")),
            ]);
        }
        sorted(rights)
    }
}

impl PublisherAccess {
    /// All rights of the program of this name, sorted, each once.
    pub fn rights(&self, name: &str) -> Vec<Right> {
        let mut rights = of_every_login(name);
        rights.push(stream_info(STREAM));
        if self.asks {
            rights.push(Right::feed(LIVE));
            rights.extend(whole(STREAM));
        }
        rights.extend(reading(&self.reads));
        rights.extend(self.requests.iter().map(Right::request));
        sorted(rights)
    }
}

/// To publish, and to learn that the account of the streams has JetStream: without that, the server
/// answers every request to its API that there is none.
fn of_every_login(name: &str) -> Vec<Right> {
    vec![Right::publish_as(name), api("INFO")]
}

/// To pull from the consumer of a service, and to acknowledge.
fn pulling(stream: &str, service: &str) -> [Right; 3] {
    [
        api(&format!("CONSUMER.INFO.{stream}.{service}")),
        Right::streamed(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{service}")),
        Right::request(format!("$JS.ACK.{stream}.{service}.>")),
    ]
}

/// To read and write these keys of a bucket. In a cluster its leader is asked, which a request for one key cannot
/// be limited to; any replica answers the other one.
fn keys(bucket: &str, keys: &str) -> [Right; 4] {
    let subjects = format!("$KV.{bucket}.{keys}");
    let stream = format!("KV_{bucket}");
    let of_leader = api(&format!("STREAM.MSG.GET.{stream}"));
    [stream_info(&stream), direct_get(&stream, &subjects), of_leader, Right::request(subjects)]
}

/// To read what services remember, and up to where they have.
fn reading(services: &BTreeSet<String>) -> Vec<Right> {
    let of = |service: &String| {
        let stream = format!("KV_{}", memory_bucket(service));
        let key = |bucket: &str| {
            let stream = format!("KV_{bucket}");
            let read = direct_get(&stream, &format!("$KV.{bucket}.{service}"));
            [stream_info(&stream), read]
        };
        let position = api(&format!("CONSUMER.INFO.{STREAM}.{service}"));
        let memory = direct_get(&stream, &format!("$KV.{}.>", memory_bucket(service)));
        let all = [stream_info(&stream), memory, position].into_iter().chain(whole(&stream));
        all.chain(key(SERVICES)).chain(key(POSITIONS))
    };
    services.iter().flat_map(of).collect()
}

fn stream_info(stream: &str) -> Right {
    api(&format!("STREAM.INFO.{stream}"))
}

/// To read the last message of each of these subjects.
fn direct_get(stream: &str, subjects: &str) -> Right {
    api(&format!("DIRECT.GET.{stream}.{subjects}"))
}

/// To read any message of a stream, and many of them by one request.
fn any_of(stream: &str) -> Right {
    Right::streamed(format!("$JS.API.DIRECT.GET.{stream}"))
}

/// The same, and to ask the leader where a replica may be behind.
fn whole(stream: &str) -> [Right; 2] {
    [any_of(stream), api(&format!("STREAM.MSG.GET.{stream}"))]
}

fn api(request: &str) -> Right {
    Right::request(format!("$JS.API.{request}"))
}

fn sorted(rights: Vec<Right>) -> Vec<Right> {
    rights.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::RightKind;

    fn names(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    /// A service that may do everything that can be declared.
    fn demanding() -> ServiceAccess {
        ServiceAccess {
            memories: names(&["paid"]),
            once: true,
            timers: true,
            reads: names(&["open_orders"]),
            ..ServiceAccess::default()
        }
    }

    fn listed(rights: &[Right]) -> Vec<String> {
        let shown = |right: &Right| match right.kind {
            RightKind::Request => right.subject.clone(),
            RightKind::Streamed => format!("{} ..", right.subject),
            RightKind::Feed => format!("{} <", right.subject),
        };
        rights.iter().map(shown).collect()
    }

    #[test]
    fn a_service_that_only_reacts_has_these_rights_and_no_other() {
        assert_eq!(
            listed(&ServiceAccess::default().rights("notification")),
            [
                "$JS.ACK.RAPIDS.notification.>",
                "$JS.ACK.REPLAYS.notification.>",
                "$JS.API.CONSUMER.INFO.RAPIDS.notification",
                "$JS.API.CONSUMER.INFO.REPLAYS.notification",
                "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.notification ..",
                "$JS.API.CONSUMER.MSG.NEXT.REPLAYS.notification ..",
                "$JS.API.DIRECT.GET.DEAD_LETTERS.dead_letters.notification.>",
                "$JS.API.DIRECT.GET.KV_RAPIDS_HANDLING.$KV.RAPIDS_HANDLING.notification.>",
                "$JS.API.DIRECT.GET.KV_RAPIDS_SERVICES.$KV.RAPIDS_SERVICES.notification",
                "$JS.API.DIRECT.GET.RAPIDS ..",
                "$JS.API.INFO",
                "$JS.API.STREAM.INFO.DEAD_LETTERS",
                "$JS.API.STREAM.INFO.KV_RAPIDS_HANDLING",
                "$JS.API.STREAM.INFO.KV_RAPIDS_SERVICES",
                "$JS.API.STREAM.INFO.RAPIDS",
                "$JS.API.STREAM.INFO.REPLAYS",
                "$JS.API.STREAM.MSG.GET.KV_RAPIDS_HANDLING",
                "$JS.API.STREAM.MSG.GET.KV_RAPIDS_SERVICES",
                "$JS.API.STREAM.MSG.GET.RAPIDS",
                "$KV.RAPIDS_HANDLING.notification.>",
                "$KV.RAPIDS_SERVICES.notification",
                "dead_letters.notification.>",
                "rapids.from.notification",
            ]
        );
    }

    #[test]
    fn in_exclusive_delivery_a_service_has_the_live_feed_and_pulls_no_packets() {
        let exclusive = ServiceAccess { delivery: Delivery::Exclusive, ..ServiceAccess::default() };
        let listed = listed(&exclusive.rights("map"));
        for right in ["rapids.live <", "$KV.RAPIDS_POSITIONS.map <", "$KV.RAPIDS_POSITIONS.map"] {
            assert!(listed.iter().any(|it| it == right), "{right} in {listed:?}");
        }
        for part in ["MSG.NEXT.RAPIDS", "ACK.RAPIDS"] {
            assert!(!listed.iter().any(|it| it.contains(part)), "{part} in {listed:?}");
        }
    }

    #[test]
    fn who_reads_from_a_mirror_gets_no_packets_from_the_rapids() {
        let read_from = Some("RAPIDS_EU".to_owned());
        for (delivery, right, other) in [
            (Delivery::Shared, "$JS.ACK.RAPIDS_EU.map.>", "$JS.ACK.RAPIDS.map.>"),
            (Delivery::Exclusive, "rapids.live.RAPIDS_EU <", "rapids.live <"),
        ] {
            let access =
                ServiceAccess { delivery, read_from: read_from.clone(), ..Default::default() };
            let listed = listed(&access.rights("map"));
            assert!(listed.iter().any(|it| it == right), "{right} in {listed:?}");
            assert!(!listed.iter().any(|it| it == other), "{other} in {listed:?}");
        }
    }

    #[test]
    fn in_the_simple_form_packets_and_timers_lie_with_those_of_others() {
        let of = |access: ServiceAccess, by_consumers| {
            listed(&access.rights_in_simple_form("payment", by_consumers))
        };
        let rights = of(demanding(), true);
        for right in ["rapids", "later.payment.*", "$JS.API.STREAM.INFO.LATER"] {
            assert!(rights.iter().any(|it| it == right), "{right} in {rights:?}");
        }
        let others = ["rapids.from", "CREATE"];
        let is_other = |it: &String| others.iter().any(|other| it.contains(other));
        assert!(!rights.iter().any(is_other), "{rights:?}");
        let exclusive = ServiceAccess { delivery: Delivery::Exclusive, ..ServiceAccess::default() };
        let more: Vec<_> = of(exclusive.clone(), true);
        let (less, created) = (of(exclusive, false), "$JS.API.CONSUMER.CREATE.RAPIDS.>".to_owned());
        assert!(more.contains(&created) && !less.contains(&created));
        assert_eq!(more.len(), less.len() + 3);
    }

    #[test]
    fn nobody_may_create_change_or_delete_or_use_what_is_another_s() {
        let own = ["payment", "RAPIDS_MEMORY_payment", "LATER_payment"];
        let read = ["open_orders", "RAPIDS_MEMORY_open_orders"];
        let shared = [
            "$JS.API.INFO",
            "$JS.API.DIRECT.GET.RAPIDS",
            "$JS.API.STREAM.INFO.RAPIDS",
            "$JS.API.STREAM.MSG.GET.KV_RAPIDS_HANDLING",
            "$JS.API.STREAM.MSG.GET.KV_RAPIDS_ONCE",
            "$JS.API.STREAM.MSG.GET.KV_RAPIDS_POSITIONS",
            "$JS.API.STREAM.MSG.GET.KV_RAPIDS_SERVICES",
            "$JS.API.STREAM.MSG.GET.RAPIDS",
            "$JS.API.STREAM.INFO.REPLAYS",
            "$JS.API.STREAM.INFO.DEAD_LETTERS",
            "$JS.API.STREAM.INFO.KV_RAPIDS_HANDLING",
            "$JS.API.STREAM.INFO.KV_RAPIDS_ONCE",
            "$JS.API.STREAM.INFO.KV_RAPIDS_POSITIONS",
            "$JS.API.STREAM.INFO.KV_RAPIDS_SERVICES",
            "rapids.live",
        ];
        let exclusive = ServiceAccess { delivery: Delivery::Exclusive, ..demanding() };
        let publisher = PublisherAccess {
            asks: true,
            reads: names(&["open_orders"]),
            ..PublisherAccess::default()
        };
        let all = [demanding().rights("payment"), exclusive.rights("payment")];
        for right in all.concat().into_iter().chain(publisher.rights("payment")) {
            let subject = &right.subject;
            for part in ["CREATE", "DELETE", "UPDATE", "PURGE", "RESET", "PAUSE", "NAMES", "LIST"] {
                assert!(!subject.split('.').any(|token| token == part), "{subject}");
            }
            let names = |own: &[&str]| {
                let of = |token: &str| own.contains(&token.trim_start_matches("KV_"));
                subject.split('.').any(of)
            };
            let is_read = names(&read) && subject.starts_with("$JS.API.");
            assert!(names(&own) || is_read || shared.contains(&subject.as_str()), "{subject}");
            // A wildcard stands behind the name that it is limited to.
            let (before, _) = subject.split_once(['*', '>']).unwrap_or((subject, ""));
            let ends = before.len() == subject.len()
                || own.iter().chain(&read).any(|name| before.ends_with(&format!("{name}.")));
            assert!(ends, "{subject}");
        }
    }

    #[test]
    fn a_subject_is_used_in_one_way_by_all() {
        let mut known = std::collections::BTreeMap::new();
        let publisher = PublisherAccess {
            asks: true,
            reads: names(&["open_orders"]),
            ..PublisherAccess::default()
        };
        let owner = ServiceAccess { memories: names(&["orders"]), ..ServiceAccess::default() };
        let all = [demanding().rights("payment"), publisher.rights("web")];
        for right in all.concat().into_iter().chain(owner.rights("open_orders")) {
            let kind = *known.entry(right.subject.clone()).or_insert(right.kind);
            assert_eq!(kind, right.kind, "{}", right.subject);
        }
    }
}
