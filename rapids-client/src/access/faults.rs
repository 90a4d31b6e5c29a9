//! What is wrong with a declaration that has the right form.

use std::collections::{BTreeMap, BTreeSet};

use super::declared::Access;
use crate::config::read_from::read_from;
use crate::names::{RULE, is_name};

/// Names that mean something else: the account of the streams, that of the server, and the publisher of
/// what people publish.
const RESERVED: [&str; 3] = ["operators", "rapids", "sys"];

/// What the subjects of the account with the streams begin with.
const OF_STREAMS: [&str; 4] = ["dead_letters", "later", "later_due", "replays"];

impl Access {
    /// What is wrong: the table and the key of each fault, and what to do about it. Empty if nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.check_names(&mut faults);
        for (name, service) in &self.services {
            let table = format!("services.{name}");
            for memory in service.memories.iter().filter(|memory| !is_name(memory)) {
                faults.push(format!(
                    "[{table}] memories: `{memory}` can be no memory: {RULE}; write it as the service does"
                ));
            }
            if let Some(fault) =
                service.read_from.as_ref().and_then(|it| read_from("read_from", it).err())
            {
                faults.push(format!("[{table}] {fault}"));
            }
            check_answers(&table, name, &service.answers, &mut faults);
            self.check_reads(&table, name, &service.reads, &mut faults);
            self.check_requests(&table, &service.requests, &mut faults);
        }
        for (name, publisher) in &self.publishers {
            let table = format!("publishers.{name}");
            self.check_reads(&table, name, &publisher.reads, &mut faults);
            self.check_requests(&table, &publisher.requests, &mut faults);
        }
        faults
    }

    /// Each name with the table that declares it.
    fn tables(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let services = self.services.keys().map(|name| (name.as_str(), "services"));
        let operators = self.operators.keys().map(|name| (name.as_str(), "operators"));
        let publishers = self.publishers.keys().map(|name| (name.as_str(), "publishers"));
        services.chain(operators).chain(publishers)
    }

    fn check_names(&self, faults: &mut Vec<String>) {
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, table) in self.tables() {
            if !is_name(name) {
                faults.push(format!("[{table}.{name}]: {RULE}; choose another name"));
            }
            if RESERVED.contains(&name) {
                faults.push(format!(
                    "[{table}.{name}]: `{name}` is reserved, as are `{}`; choose another name",
                    RESERVED.join("`, `")
                ));
            }
            // Each has one key, whose file is called after it.
            if let Some(other) = known.insert(name, table) {
                faults.push(format!(
                    "[{table}.{name}]: there is [{other}.{name}], too, and each login has a name of \
                     its own; rename one of them"
                ));
            }
        }
    }

    fn check_reads(
        &self,
        table: &str,
        own: &str,
        reads: &BTreeSet<String>,
        faults: &mut Vec<String>,
    ) {
        for read in reads {
            let fault = match self.services.get(read) {
                None => format!("there is no [services.{read}]; add it, or take this out"),
                Some(_) if read == own => {
                    "a service reads its own memories anyway; take this out".to_owned()
                }
                Some(service) if service.memories.is_empty() => {
                    format!("[services.{read}] has no `memories`; name them, or take this out")
                }
                Some(_) => continue,
            };
            faults.push(format!("[{table}] reads: `{read}`, but {fault}"));
        }
    }

    fn check_requests(&self, table: &str, requests: &BTreeSet<String>, faults: &mut Vec<String>) {
        for subject in requests {
            if !self.services.values().any(|service| service.answers.contains(subject)) {
                faults.push(format!(
                    "[{table}] requests: `{subject}`, but no service has it in its `answers`; add it \
                     there, or take this out"
                ));
            }
        }
    }
}

fn check_answers(table: &str, own: &str, answers: &BTreeSet<String>, faults: &mut Vec<String>) {
    for subject in answers {
        let is_own = subject.split_once('.').is_some_and(|(name, rest)| {
            name == own && !OF_STREAMS.contains(&name) && rest.split('.').all(is_name)
        });
        if !is_own {
            faults.push(format!(
                "[{table}] answers: `{subject}` is no subject of its own; write `{own}.` and names of a-z, \
                 0-9, `_` and `-` behind it, without wildcards"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Vec<String> {
        serde_json::from_str::<Access>(json).unwrap().faults()
    }

    #[test]
    fn each_fault_names_its_table_and_key_and_the_remedy() {
        let json = r#"{
            "services": {
                "Payment": {},
                "rapids": {},
                "orders": {"memories": ["Open Orders"], "reads": ["orders", "map", "gone"],
                           "requests": ["map.roads"]},
                "map": {},
                "web-shop": {"answers": ["shop.price", "web-shop.*"]}
            },
            "operators": {"map": {"role": "viewer"}},
            "publishers": {"web": {"reads": ["map"]}}
        }"#;
        let rule = "its name is not 1 to 32 characters of a-z, 0-9, `_` and `-`";
        assert_eq!(
            faults(json),
            [
                &format!("[services.Payment]: {rule}; choose another name"),
                "[services.rapids]: `rapids` is reserved, as are `operators`, `rapids`, `sys`; choose \
                 another name",
                "[operators.map]: there is [services.map], too, and each login has a name of its own; \
                 rename one of them",
                &format!(
                    "[services.orders] memories: `Open Orders` can be no memory: {rule}; write it as the \
                     service does"
                ),
                "[services.orders] reads: `gone`, but there is no [services.gone]; add it, or take this \
                 out",
                "[services.orders] reads: `map`, but [services.map] has no `memories`; name them, or \
                 take this out",
                "[services.orders] reads: `orders`, but a service reads its own memories anyway; take \
                 this out",
                "[services.orders] requests: `map.roads`, but no service has it in its `answers`; add it \
                 there, or take this out",
                "[services.web-shop] answers: `shop.price` is no subject of its own; write `web-shop.` \
                 and names of a-z, 0-9, `_` and `-` behind it, without wildcards",
                "[services.web-shop] answers: `web-shop.*` is no subject of its own; write `web-shop.` \
                 and names of a-z, 0-9, `_` and `-` behind it, without wildcards",
                "[publishers.web] reads: `map`, but [services.map] has no `memories`; name them, or take \
                 this out",
            ]
        );
    }

    #[test]
    fn what_can_be_done_has_no_faults() {
        let json = r#"{
            "services": {
                "open_orders": {"memories": ["orders"], "answers": ["open_orders.count"]},
                "map": {"reads": ["open_orders"], "requests": ["open_orders.count"]}
            },
            "operators": {"ada": {"role": "operator"}},
            "publishers": {"web": {"asks": true, "reads": ["open_orders"]}}
        }"#;
        assert_eq!(faults(json), [""; 0]);
        assert_eq!(faults("{}"), [""; 0]);
    }
}
