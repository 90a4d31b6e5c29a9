//! How many reactions of a service run at once, and which packets keep their order meanwhile.
//!
//! Declares it. Keeping it is left to [`delivery`](crate::delivery).

use crate::condition::{Evaluation, Path};
use crate::memory::KeySource;
use crate::packet::Packet;

/// How the reactions of a service run side by side.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) concurrency: usize,
    order: Option<KeySource>,
    faults: Vec<String>,
}

impl Default for Flow {
    fn default() -> Self {
        Self { concurrency: 1, order: None, faults: Vec::new() }
    }
}

impl Flow {
    pub(super) fn faults(&self) -> Vec<String> {
        let none = (self.concurrency == 0)
            .then(|| "its concurrency is 0; at least one reaction must run".to_owned());
        self.faults.iter().cloned().chain(none).collect()
    }

    /// Keeps packets in order that have the same value at this path.
    pub(super) fn order_by(&mut self, path: &str) {
        match Path::to_field(path) {
            Ok(path) => self.order = Some(KeySource::Path(path)),
            Err(error) => self.faults.push(format!("`.ordered_by` needs a path: {error}")),
        }
    }

    /// The value that packets have in common which must not overtake each other.
    pub(super) fn order_key(&self, packet: &Packet) -> Option<String> {
        let key = self.order.as_ref()?.entry_key(&Evaluation::of(packet.node(), 1)).ok()?.ok()?;
        Some(key.encoded().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::river::River;
    use crate::service::Service;

    fn service() -> Service {
        let river = River::new("r").event("x").react(|_: Packet| async { Ok(()) });
        Service::new("s", Config::new("nats://127.0.0.1:4222")).river(river)
    }

    #[test]
    fn equal_values_are_one_key_and_what_is_no_value_is_none() {
        let service = service().ordered_by("@.order.id");
        let key = |id: &str| {
            let body = format!(r#"{{"order":{{"id":{id}}}}}"#);
            service.order_key(&Packet::from_bytes(body).unwrap())
        };
        assert_eq!(key(r#""o-1""#), key(r#""o-1""#));
        assert_eq!(key("7"), key("7.0"));
        let different: std::collections::HashSet<_> =
            [key("7"), key(r#""7""#), key("true"), key(r#""true""#), key(r#""""#)].into();
        assert_eq!((different.len(), different.contains(&None)), (5, false));
        let long = format!(r#""{}""#, "é".repeat(1_000));
        assert!(key(&long).is_some());
        for none in ["null", "[7]", "{}", r#"7,"id":7"#] {
            assert_eq!(key(none), None, "{none}");
        }
        assert_eq!(service.order_key(&Packet::event("x")), None);
    }

    #[test]
    fn without_a_path_there_is_no_order() {
        let packet = Packet::event("x").with("order_id", 7);
        assert_eq!(service().order_key(&packet), None);
    }

    #[test]
    fn faults_of_the_flow_are_faults_of_the_service() {
        assert_eq!(service().concurrency_limit(), 1);
        assert_eq!(service().concurrency(8).concurrency_limit(), 8);
        assert!(service().concurrency(8).ordered_by("$.order_id").check().is_ok());
        let error = service().concurrency(0).check().unwrap_err().to_string();
        assert!(error.contains("its concurrency is 0"), "{error}");
        for path in ["order_id", "@.items[*]", "@.a == 1", "@", "@type", ""] {
            let error = service().ordered_by(path).check().unwrap_err().to_string();
            assert!(error.contains("`.ordered_by` needs a path: expression"), "{error}");
        }
    }
}
