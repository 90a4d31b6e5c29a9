//! Several services that run in one process: their declaration.

use super::Service;
use crate::config::Delivery;
use crate::{Error, Result};

/// Several services that run in one process. Made by [`bundle`].
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(crate) services: Vec<Service>,
}

/// Runs several services in one process, over one connection and one live feed.
///
/// Each keeps its own name, position, retries, dead letters and memory, as if it ran alone, in
/// [exclusive](Service::exclusive) delivery whatever it says itself. The server sends each packet
/// once for all of them, and one matcher looks at it for all of their rivers. Reactions of each
/// service run on a thread of its own, so one that panics or blocks holds up no other service.
///
/// ```no_run
/// use rapids_client::{Packet, River, Service, bundle, telemetry};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> anyhow::Result<()> {
///     telemetry::init();
///     bundle([service("payment")?, service("shipping")?]).run().await?;
///     Ok(())
/// }
///
/// fn service(name: &str) -> rapids_client::Result<Service> {
///     let note = River::new("note").event("order_placed").react(|_: Packet| async { Ok(()) });
///     Ok(Service::from_env(name)?.river(note))
/// }
/// ```
pub fn bundle(services: impl IntoIterator<Item = Service>) -> Bundle {
    let exclusive = |service: Service| {
        let config = service.config.clone().delivery(Delivery::Exclusive);
        Service { config, ..service }
    };
    Bundle { services: services.into_iter().map(exclusive).collect() }
}

impl Bundle {
    /// Reports every fault of the declarations at once.
    ///
    /// # Errors
    /// [`Error::Definition`]: a fault of one of the services, no service, two of one name, or
    /// services of different servers.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        for (position, service) in self.services.iter().enumerate() {
            faults.extend(service.check().err().map(|error| error.to_string()));
            let before = &self.services[..position];
            if before.iter().any(|other| other.name() == service.name()) {
                faults.push(format!("service name `{}` is taken twice", service.name()));
            }
            if before.first().is_some_and(|first| first.config.url() != service.config.url()) {
                faults.push(format!("service `{}` is on another server", service.name()));
            }
        }
        if self.services.is_empty() {
            faults.push("it has no service".to_owned());
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Definition { of: "the bundle".to_owned(), faults })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::packet::Packet;
    use crate::river::River;

    fn service(name: &str, server: &str) -> Service {
        let river = River::new("r").event("x").react(|_: Packet| async { Ok(()) });
        Service::new(name, Config::new(server)).river(river)
    }

    #[test]
    fn faults_of_all_services_and_of_their_company_are_told() {
        let here = "nats://127.0.0.1:4222";
        assert!(bundle([service("a", here), service("b", here)]).check().is_ok());
        let faulty = bundle([
            service("a", here),
            service("a", here).concurrency(0),
            service("b", "nats://127.0.0.1:4223"),
        ]);
        let error = faulty.check().unwrap_err().to_string();
        for fault in ["its concurrency is 0", "`a` is taken twice", "`b` is on another server"] {
            assert!(error.contains(fault), "{error}");
        }
        assert!(bundle([]).check().unwrap_err().to_string().contains("it has no service"));
    }
}
