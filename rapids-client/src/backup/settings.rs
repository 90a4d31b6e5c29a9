//! With which settings a stream is restored: those that it had, and what else is stated.

use serde_json::{Map, Value, json};

use crate::config::Provision;
use crate::names::{HANDLING, ONCE, STREAM};

/// Changes them as far as others are stated: another cluster may have other servers than the one that it is the backup
/// of, and what is too old would be gone at once.
pub(super) fn adapt(config: &mut Map<String, Value>, name: &str, provision: &Provision) {
    if let Some(replicas) = provision.replicas {
        config.insert("num_replicas".to_owned(), json!(replicas));
    }
    // What is kept for as long as packets.
    let ages = [STREAM.to_owned(), format!("KV_{HANDLING}"), format!("KV_{ONCE}")];
    let Some(stated) = provision.max_age.filter(|_| ages.iter().any(|it| it == name)) else {
        return;
    };
    let nanoseconds = u64::try_from(stated.as_nanos()).unwrap_or_default();
    let found = config.get("max_age").and_then(Value::as_u64).unwrap_or_default();
    // Zero is for ever.
    if nanoseconds == 0 || (found > 0 && found < nanoseconds) {
        config.insert("max_age".to_owned(), json!(nanoseconds));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stated_replicas_and_a_longer_age_of_packets_count() {
        const DAY: Duration = Duration::from_secs(86_400);
        let adapted = |name: &str, days: u64, found: u64| {
            let Value::Object(mut config) = json!({"num_replicas": 1, "max_age": found}) else {
                panic!()
            };
            let max_age = Some(DAY * u32::try_from(days).unwrap());
            let provision = Provision { replicas: Some(3), max_age, ..Provision::default() };
            adapt(&mut config, name, &provision);
            (config["num_replicas"].clone(), config["max_age"].as_u64())
        };
        let day = u64::try_from(DAY.as_nanos()).unwrap();
        assert_eq!(adapted("RAPIDS", 2, day), (json!(3), Some(2 * day)));
        assert_eq!(adapted("RAPIDS", 0, day).1, Some(0), "for ever");
        assert_eq!(adapted("RAPIDS", 2, 3 * day).1, Some(3 * day));
        assert_eq!(adapted("RAPIDS", 2, 0).1, Some(0));
        assert_eq!(adapted("KV_RAPIDS_ONCE", 2, day).1, Some(2 * day));
        assert_eq!(adapted("DEAD_LETTERS", 2, day).1, Some(day));
    }
}
