//! How many reactions of a service run at once, and what keeps its order meanwhile.
//!
//! Declares it. Keeping it is left to [`delivery`](crate::delivery).

use super::Service;
use crate::condition::{Evaluation, Path};
use crate::config::Delivery;
use crate::memory::KeySource;
use crate::packet::Packet;

/// What a service says about running its reactions side by side.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    concurrency: usize,
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
}

impl Service {
    /// Sets how many reactions of the service run at once in each instance. Default: 1.
    ///
    /// With more than one, packets overtake each other; [`ordered_by`](Self::ordered_by) keeps
    /// the order where it matters.
    #[must_use]
    pub fn concurrency(mut self, reactions: usize) -> Self {
        self.flow.concurrency = reactions;
        self
    }

    /// Keeps packets in order that have the same value at this path, such as `@.order_id`: they
    /// run one after the other in stream order, also while one of them is being tried again.
    /// Packets without a string, a number or a boolean there are in no order among each other.
    /// Default: no path.
    ///
    /// The order holds within one instance of the service, for as long as it runs; in
    /// [exclusive](Self::exclusive) delivery also from one to the next.
    #[must_use]
    pub fn ordered_by(mut self, path: &str) -> Self {
        match Path::to_field(path) {
            Ok(path) => self.flow.order = Some(KeySource::Path(path)),
            Err(error) => self.flow.faults.push(format!("it is ordered by no path: {error}")),
        }
        self
    }

    /// Lets one instance of the service read all packets, in stream order, while the others stand
    /// by. Default: all instances share the packets, unless `RAPIDS_DELIVERY` says `exclusive`.
    ///
    /// The packets come from the copies that the server sends of what it has stored, so a service
    /// costs the server a fraction of what it does in shared delivery; worth it where services are
    /// many, or order matters across crashes. A standby takes over within about three seconds of
    /// the active instance's last sign of life, and at once where that ends by itself. What an
    /// instance has begun while it was stopped for longer than that may still come to its end: what
    /// it publishes and remembers has no effect twice, but other effects may.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.config.delivery = Delivery::Exclusive;
        self
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.config.delivery == Delivery::Exclusive
    }

    pub(crate) fn concurrency_limit(&self) -> usize {
        self.flow.concurrency
    }

    /// What packets that must not overtake each other have in common.
    pub(crate) fn order_key(&self, packet: &Packet) -> Option<String> {
        self.flow.order.as_ref()?.encoded(&Evaluation::of(packet.node(), 1)).ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::river::River;

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
            assert!(error.contains("it is ordered by no path: expression"), "{error}");
        }
    }
}
