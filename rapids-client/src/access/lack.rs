//! A right that a login lacks, and the lines that give it.

use std::fmt::Write;

use super::declared::ServiceAccess;
use super::right::{Right, RightKind};
use crate::Delivery;
use crate::names::{
    DEAD_LETTER_PREFIX, DEAD_LETTERS, HANDLING, LATER, LATER_PREFIX, LIVE, ONCE, POSITIONS,
    PUBLISHER_PREFIX, REPLAYS, SERVICES, SUBJECT, memory_bucket,
};

/// A right that a login lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lack {
    pub(crate) right: Right,
    pub(crate) why: Why,
}

/// Why a right is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The user's permissions do not allow it.
    NotAllowed,
    /// They deny it by this subject.
    Denied(String),
    /// The account has not what the subject leads to: it neither holds the streams nor imports the subject.
    NotImported,
}

/// Whose rights, as far as the remedy depends on that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder<'a> {
    /// The service.
    pub(crate) name: &'a str,
    /// What it is.
    pub(crate) access: &'a ServiceAccess,
    /// Whether `rapids access` writes the accounts.
    pub(crate) is_secured: bool,
}

impl Right {
    /// What is done with the subject, such as ``publish to `rapids` ``.
    pub(crate) fn described(&self) -> String {
        let verb = if self.kind == RightKind::Feed { "subscribe to" } else { "publish to" };
        format!("{verb} `{}`", self.local())
    }

    /// What a service has it for.
    pub(crate) fn purpose(&self, service: &str) -> &'static str {
        let subject = self.subject.as_str();
        let has = |part: &str| subject.split('.').any(|token| token == part);
        let in_bucket = |bucket: &str| has(bucket) || has(&format!("KV_{bucket}"));
        if subject == SUBJECT || subject.starts_with(PUBLISHER_PREFIX) {
            "to publish packets"
        } else if has(DEAD_LETTERS) || subject.starts_with(DEAD_LETTER_PREFIX) {
            "dead letters"
        } else if has(REPLAYS) {
            "replays"
        } else if subject.starts_with(LATER_PREFIX) || subject.contains(&format!(".{LATER}")) {
            "timers"
        } else if in_bucket(HANDLING) {
            "to handle packets again"
        } else if in_bucket(ONCE) {
            "reactions that run once"
        } else if in_bucket(&memory_bucket(service)) {
            "its memories"
        } else if in_bucket(SERVICES) && (has(service) || !has("$KV")) {
            "its entry"
        } else if in_bucket(POSITIONS) && has(service) {
            "its position"
        } else if subject == LIVE || subject.starts_with(&format!("{LIVE}.")) {
            "the live feed"
        } else if !subject.starts_with('$') && self.kind == RightKind::Feed {
            "to answer requests"
        } else if !subject.starts_with('$') {
            "to ask other services"
        } else if subject.starts_with("$JS.ACK.") {
            "to acknowledge packets"
        } else if has("NEXT") {
            "to get packets"
        } else if subject == "$JS.API.INFO" {
            "to reach JetStream"
        } else if subject.contains("KV_RAPIDS_") {
            "to read what others remember"
        } else {
            "to read the rapids"
        }
    }
}

/// What gives these rights: lines for the configuration of the server, in a sentence.
pub(crate) fn remedy(holder: Holder<'_>, lacks: &[Lack]) -> String {
    if holder.is_secured {
        return rendered(holder, lacks);
    }
    let of = |why: Why| lacks.iter().filter(move |lack| lack.why == why).map(|lack| &lack.right);
    let mut steps = Vec::new();
    for (what, is_feed) in [("publish", false), ("subscribe", true)] {
        let allowed = of(Why::NotAllowed).filter(|it| (it.kind == RightKind::Feed) == is_feed);
        let allowed: Vec<_> = allowed.map(|right| format!("\"{}\"", right.local())).collect();
        if !allowed.is_empty() {
            steps.push(format!("allow its user `{what}: {{allow: [{}]}}`", allowed.join(", ")));
        }
    }
    let mut denied: Vec<_> = lacks
        .iter()
        .filter_map(|Lack { why, .. }| match why {
            Why::Denied(subject) => Some(format!("`{subject}`")),
            _ => None,
        })
        .collect();
    denied.dedup();
    if !denied.is_empty() {
        steps.push(format!("do not deny its user {}", denied.join(", ")));
    }
    let mut lines = of(Why::NotImported).fold(String::new(), |mut lines, right| {
        let comma = if lines.is_empty() { "" } else { ", " };
        write!(lines, "{comma}{}", imported(right)).expect("a text takes any text");
        lines
    });
    if !lines.is_empty() {
        lines = format!("have its account import from the one with the streams `[{lines}]`");
        steps.push(lines);
    }
    steps.join("; ")
}

fn imported(right: &Right) -> String {
    let kind = right.kind.in_accounts();
    format!(r#"{{{kind}: {{account: RAPIDS, subject: "{}"}}}}"#, right.subject)
}

/// In the secured form, where a command writes all of it.
fn rendered(Holder { name, access, .. }: Holder<'_>, lacks: &[Lack]) -> String {
    let mut keys: Vec<_> =
        lacks.iter().filter_map(|lack| access.key_for(name, &lack.right)).collect();
    keys.dedup();
    let keys = match keys.as_slice() {
        [] => format!("see that `access.toml` has [services.{name}]"),
        keys => format!("see that [services.{name}] in `access.toml` has `{}`", keys.join("`, `")),
    };
    format!("{keys}, run `rapids access render`, and reload the server")
}

impl ServiceAccess {
    /// The line of `access.toml` by which a service has this right; `None` if each service has it.
    fn key_for(&self, name: &str, right: &Right) -> Option<String> {
        let listed = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        if self.answers.contains(&right.subject) {
            return Some(format!("answers = [{}]", listed(&mut self.answers.iter())));
        }
        let (delivery, other) = match self.delivery {
            Delivery::Shared => ("shared", Delivery::Exclusive),
            Delivery::Exclusive => ("exclusive", Delivery::Shared),
        };
        let mut keys = vec![
            (format!("delivery = \"{delivery}\""), Self { delivery: other, ..self.clone() }),
            (
                format!("memories = [{}]", listed(&mut self.memories.iter())),
                Self { memories: [].into(), ..self.clone() },
            ),
            (
                format!("read_from = \"{}\"", self.read_from.as_deref().unwrap_or_default()),
                Self { read_from: None, ..self.clone() },
            ),
            ("once = true".to_owned(), Self { once: false, ..self.clone() }),
            ("timers = true".to_owned(), Self { timers: false, ..self.clone() }),
            (
                format!("reads = [{}]", listed(&mut self.reads.iter())),
                Self { reads: [].into(), ..self.clone() },
            ),
            (
                format!("requests = [{}]", listed(&mut self.requests.iter())),
                Self { requests: [].into(), ..self.clone() },
            ),
        ]
        .into_iter();
        keys.find(|(_, without)| !without.rights(name).contains(right)).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn service() -> ServiceAccess {
        ServiceAccess {
            memories: BTreeSet::from(["paid".to_owned()]),
            once: true,
            timers: true,
            reads: BTreeSet::from(["map".to_owned()]),
            requests: BTreeSet::from(["map.roads".to_owned()]),
            answers: BTreeSet::from(["payment.fee".to_owned()]),
            ..ServiceAccess::default()
        }
    }

    fn lack(right: Right, why: Why) -> Lack {
        Lack { right, why }
    }

    #[test]
    fn in_the_simple_form_the_lines_of_the_server_s_configuration_are_named() {
        let access = service();
        let holder = Holder { name: "payment", access: &access, is_secured: false };
        let lacks = [
            lack(Right::request("rapids"), Why::NotAllowed),
            lack(Right::request("later.payment.*"), Why::NotAllowed),
            lack(Right::feed("rapids.live"), Why::NotAllowed),
            lack(Right::request("$KV.a.b"), Why::Denied("$KV.>".to_owned())),
            lack(Right::request("$KV.a.c"), Why::Denied("$KV.>".to_owned())),
            lack(Right::request("dead_letters.payment.>"), Why::NotImported),
            lack(Right::feed("rapids.live"), Why::NotImported),
        ];
        assert_eq!(
            remedy(holder, &lacks),
            "allow its user `publish: {allow: [\"rapids\", \"later.payment.*\"]}`; allow its user \
             `subscribe: {allow: [\"rapids.live\"]}`; do not deny its user `$KV.>`; have its account import \
             from the one with the streams `[{service: {account: RAPIDS, subject: \
             \"dead_letters.payment.>\"}}, {stream: {account: RAPIDS, subject: \"rapids.live\"}}]`"
        );
    }

    #[test]
    fn in_the_secured_form_the_keys_of_the_declaration_are_named() {
        let access = service();
        let holder = Holder { name: "payment", access: &access, is_secured: true };
        let told = |subjects: &[&str]| {
            let of = |subject: &&str| {
                let mut all = access.rights("payment").into_iter().chain(access.answered());
                let right = all.find(|right| right.subject == **subject);
                lack(right.expect("it is one of its rights"), Why::NotImported)
            };
            remedy(holder, &subjects.iter().map(of).collect::<Vec<_>>())
        };
        let end = ", run `rapids access render`, and reload the server";
        assert_eq!(
            told(&["rapids.from.payment", "dead_letters.payment.>"]),
            format!("see that `access.toml` has [services.payment]{end}")
        );
        assert_eq!(
            told(&[
                "$JS.ACK.RAPIDS.payment.>",
                "$KV.RAPIDS_MEMORY_payment.>",
                "$KV.RAPIDS_ONCE.payment.>",
                "later.payment.*",
                "$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_map",
                "map.roads",
                "payment.fee",
            ]),
            format!(
                "see that [services.payment] in `access.toml` has `delivery = \"shared\"`, `memories = \
                 [\"paid\"]`, `once = true`, `timers = true`, `reads = [\"map\"]`, `requests = \
                 [\"map.roads\"]`, `answers = [\"payment.fee\"]`{end}"
            )
        );
    }

    #[test]
    fn every_right_says_what_it_is_for() {
        let access = service();
        let rights: Vec<_> =
            access.rights("payment").into_iter().chain(access.answered()).collect();
        let told = |subject: &str| {
            let right = rights.iter().find(|right| right.subject == subject);
            right.map(|right| right.purpose("payment"))
        };
        for (subject, purpose) in [
            ("rapids.from.payment", "to publish packets"),
            ("$JS.API.INFO", "to reach JetStream"),
            ("$JS.API.STREAM.INFO.RAPIDS", "to read the rapids"),
            ("$JS.ACK.RAPIDS.payment.>", "to acknowledge packets"),
            ("$JS.ACK.REPLAYS.payment.>", "replays"),
            ("$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment", "to get packets"),
            ("$JS.API.DIRECT.GET.DEAD_LETTERS.dead_letters.payment.>", "dead letters"),
            ("$KV.RAPIDS_HANDLING.payment.>", "to handle packets again"),
            ("$JS.API.STREAM.INFO.KV_RAPIDS_ONCE", "reactions that run once"),
            ("$JS.API.STREAM.INFO.LATER_payment", "timers"),
            ("$KV.RAPIDS_MEMORY_payment.>", "its memories"),
            ("$KV.RAPIDS_SERVICES.payment", "its entry"),
            ("$JS.API.STREAM.MSG.GET.KV_RAPIDS_SERVICES", "its entry"),
            ("$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_map", "to read what others remember"),
            ("map.roads", "to ask other services"),
            ("payment.fee", "to answer requests"),
        ] {
            assert_eq!(told(subject), Some(purpose), "{subject}");
        }
    }

    #[test]
    fn a_mirror_is_read_as_the_rapids_are() {
        let read_from = Some("RAPIDS_EU".to_owned());
        let rights = ServiceAccess { read_from, ..ServiceAccess::default() }.rights("payment");
        let purposes = rights.iter().filter_map(|right| {
            let (_, rest) = right.subject.split_once(".RAPIDS_EU")?;
            Some((rest, right.purpose("payment")))
        });
        let expected = [
            (".payment.>", "to acknowledge packets"),
            (".payment", "to read the rapids"),
            (".payment", "to get packets"),
            ("", "to read the rapids"),
            ("", "to read the rapids"),
        ];
        assert_eq!(Vec::from_iter(purposes), expected);
    }
}
