//! A test server with services.

use std::time::{Duration, Instant};

use rapids_client::{Config, Delivery, Rapids, Service};
use rapids_test::NatsServer;
use rapids_views::{ServiceStatus, State};
use tokio::task::JoinHandle;

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long services have to answer.
const ANSWERS: Duration = Duration::from_millis(100);

/// A server with a stream.
pub(crate) struct Bench {
    server: NatsServer,
    pub(crate) rapids: Rapids,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let server = NatsServer::start().unwrap();
        let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
        Self { server, rapids }
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.server.url())
    }

    /// A service in exclusive delivery.
    pub(crate) fn exclusive(&self, name: &str) -> Service {
        Service::new(name, self.config().delivery(Delivery::Exclusive))
    }

    /// Runs a service until the task is aborted.
    pub(crate) fn run(&self, service: Service) -> JoinHandle<rapids_client::Result<()>> {
        tokio::spawn(service.run_until(std::future::pending()))
    }

    /// The status of a service, once it is in this state.
    pub(crate) async fn once(&self, service: &str, state: State) -> ServiceStatus {
        let begun = Instant::now();
        loop {
            let positions = self.rapids.positions().await.unwrap();
            let instances = self.rapids.services(ANSWERS).await.unwrap();
            let status = ServiceStatus::of_all(positions, instances).remove(service);
            match status {
                Some(status) if status.state() == state => return status,
                status if begun.elapsed() > DEADLINE => panic!("{state:?}, and not {status:?}"),
                _ => {}
            }
        }
    }
}
