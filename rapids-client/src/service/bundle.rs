//! Several services in one process, over one live feed.
//!
//! Each is delivered to as if it ran alone, in exclusive delivery; what they share is the connection,
//! the feed and the look at each packet ([`delivery`](crate::delivery)).

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::sleep;
use tracing::error;

use super::Service;
use super::running::{Common, connect, failed_thread, runtime, work};
use super::signal::told_to_stop;
use crate::config::Delivery;
use crate::delivery::desk::Desk;
use crate::delivery::reactor;
use crate::delivery::{Hub, Seat};
use crate::error::with_causes;
use crate::{Error, Result};

/// Between the end of a service by a fault and its next start.
const REST: Duration = Duration::from_secs(5);

/// Several services that run in one process. Made by [`bundle`].
#[derive(Debug, Clone)]
pub struct Bundle {
    services: Vec<Service>,
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

    /// Runs until the process is told to stop by SIGTERM or Ctrl-C. See
    /// [`Service::run`](Service::run).
    ///
    /// # Errors
    /// As for [`run_until`](Self::run_until).
    pub async fn run(self) -> Result<()> {
        self.run_until(told_to_stop()).await
    }

    /// Runs until the future is ready, and every service has stopped. One that ends by a fault, as
    /// [`Service::run_until`] names them, is logged as an error and started again five seconds
    /// later, as whoever supervises a process would; the others go on.
    ///
    /// # Errors
    /// [`Error::Definition`] before anything is touched; [`Error::Connect`] if the server turns the
    /// bundle away; else the fault of a service that was not at work any more when it was stopped.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.check()?;
        let (stop, stopped) = watch::channel(false);
        let (done, mut ended) = oneshot::channel();
        let spawned = thread::Builder::new().name("rapids-bundle".to_owned()).spawn(move || {
            // The caller may have gone, and then nobody wants to know.
            let _ = done.send(deliver(&self.services, stopped));
        });
        spawned.map_err(|error| failed_thread(error.into()))?;
        tokio::select! {
            biased;
            ended = &mut ended => return outcome(ended),
            () = shutdown => {}
        }
        // The thread may have ended by itself meanwhile.
        let _ = stop.send(true);
        outcome(ended.await)
    }
}

fn outcome(ended: Result<Result<()>, oneshot::error::RecvError>) -> Result<()> {
    ended.unwrap_or_else(|_| Err(failed_thread("it panicked".into())))
}

/// The side of the reactions of one service.
fn react_on_a_thread(service: &Service) -> Result<Arc<Desk>> {
    let at_once = service.concurrency_limit();
    let desk = Arc::new(Desk::new(at_once));
    let jobs = Arc::clone(&desk);
    let (name, runtime) = (service.name().to_owned(), runtime()?);
    let spawned = thread::Builder::new()
        .name(name.clone())
        .spawn(move || runtime.block_on(reactor::serve(name, at_once, desk)));
    spawned.map_err(|error| failed_thread(error.into()))?;
    Ok(jobs)
}

/// The library's side of all services, on one thread.
fn deliver(services: &[Service], mut stopped: watch::Receiver<bool>) -> Result<()> {
    let Some(first) = services.first() else {
        return Ok(());
    };
    let delivering = async {
        let connection = tokio::select! {
            connection = connect(first.config(), "bundle") => connection?,
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        };
        let hub = Rc::new(Hub::new(services));
        let feeding = tokio::task::spawn_local(hub.clone().run(connection.clone()));
        let working = services.iter().enumerate().map(|(number, service)| {
            let seat = Seat { hub: hub.clone(), number };
            let common = Common { connection: connection.clone(), seat };
            keep(service, common, stopped.clone())
        });
        let ended = tokio::select! {
            ended = join_all(working) => ended,
            error = connection.given_up() => vec![Err(error)],
        };
        feeding.abort();
        ended.into_iter().collect()
    };
    let local = LocalSet::new();
    local.block_on(&runtime()?, delivering)
}

/// Keeps a service at work, until it is told to stop.
async fn keep(service: &Service, common: Common, mut stopped: watch::Receiver<bool>) -> Result<()> {
    loop {
        let desk = react_on_a_thread(service)?;
        let working = work(service.clone(), desk, stopped.clone(), Some(common.clone()));
        // A task of its own, so that a panic is the end of this one alone.
        let ended = tokio::task::spawn_local(working).await;
        let Err(error) = ended.unwrap_or_else(|panic| Err(failed_thread(panic.into()))) else {
            return Ok(());
        };
        let service = service.name();
        error!(service, "it ended, and is started again: {}", with_causes(&error));
        tokio::select! {
            () = sleep(REST) => {}
            _ = stopped.wait_for(|stop| *stop) => return Err(error),
        }
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
