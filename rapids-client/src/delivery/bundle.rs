//! Several services in one process, over one live feed.
//!
//! Each is delivered to as if it ran alone, in exclusive delivery; what they share is the connection,
//! the feed and the look at each packet.

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

use super::executor;
use super::executor::queue::JobQueue;
use super::live::shared_feed::{FeedSubscriber, SharedFeed};
use super::run::{Common, connect, failed_thread, runtime, work};
use super::signal::told_to_stop;
use crate::Result;
use crate::error::with_causes;
use crate::service::{Bundle, Service};

/// Between the end of a service by a fault and its next start.
const REST: Duration = Duration::from_secs(5);

impl Bundle {
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
fn react_on_a_thread(service: &Service) -> Result<Arc<JobQueue>> {
    let at_once = service.concurrency_limit();
    let desk = Arc::new(JobQueue::new(at_once));
    let jobs = Arc::clone(&desk);
    let (name, runtime) = (service.name().to_owned(), runtime()?);
    let spawned = thread::Builder::new()
        .name(name.clone())
        .spawn(move || runtime.block_on(executor::serve(name, at_once, desk)));
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
        let hub = Rc::new(SharedFeed::new(services));
        let feeding = tokio::task::spawn_local(hub.clone().run(connection.clone()));
        let working = services.iter().enumerate().map(|(number, service)| {
            let seat = FeedSubscriber { hub: hub.clone(), number };
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
