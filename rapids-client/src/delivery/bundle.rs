//! Several services in one process, over one live feed.
//!
//! Each gets its packets as if it ran alone, in exclusive delivery. They share the connection, the feed,
//! and one matcher that looks at each packet once.

use std::cell::RefCell;
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

use super::blocked::exit_if_blocked;
use super::executor::{self, JobQueue};
use super::health::Health;
use super::probes::Probes;
use super::run::{Common, Process, connect, failed_thread, runtime, work};
use super::signal::{exit_at_next_signal, shutdown_signal};
use crate::Result;
use crate::config::Config;
use crate::error::with_causes;
use crate::live::shared_feed::{FeedSubscriber, SharedFeed};
use crate::service::{Bundle, Service};

/// The wait before a service that has ended with an error is started again.
const REST: Duration = Duration::from_secs(5);

impl Bundle {
    /// Runs until the process is told to stop by SIGTERM or Ctrl-C. See
    /// [`Service::run`](Service::run).
    ///
    /// # Errors
    /// As for [`run_until`](Self::run_until).
    pub async fn run(self) -> Result<()> {
        self.run_in(shutdown_signal(), Process::Owned).await
    }

    /// Runs until the future is ready, and every service has stopped. One that ends by a fault, as
    /// [`Service::run_until`] names them, is logged as an error and started again five seconds
    /// later, as whoever supervises a process would; the others go on.
    ///
    /// # Errors
    /// [`Error::Definition`] before anything is touched; [`Error::Listen`] if metrics and probes cannot be
    /// served where they should; [`Error::Connect`] if the server turns the bundle away; else the fault of
    /// a service that was not at work any more when it was stopped.
    ///
    /// [`Error::Definition`]: crate::Error::Definition
    /// [`Error::Connect`]: crate::Error::Connect
    /// [`Error::Listen`]: crate::Error::Listen
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.run_in(shutdown, Process::Shared).await
    }

    async fn run_in(self, shutdown: impl Future<Output = ()>, process: Process) -> Result<()> {
        self.check()?;
        let (stop, stopped) = watch::channel(false);
        let (done, mut ended) = oneshot::channel();
        let spawned = thread::Builder::new().name("rapids-bundle".to_owned()).spawn(move || {
            // The caller may have been dropped.
            let _ = done.send(deliver(&self.services, stopped, process));
        });
        spawned.map_err(|error| failed_thread(error.into()))?;
        tokio::select! {
            biased;
            ended = &mut ended => return outcome(ended),
            () = shutdown => {}
        }
        // The thread may have ended by itself meanwhile.
        let _ = stop.send(true);
        tokio::select! {
            ended = ended => outcome(ended),
            never = exit_at_next_signal(), if process == Process::Owned => never,
        }
    }
}

fn outcome(ended: Result<Result<()>, oneshot::error::RecvError>) -> Result<()> {
    ended.unwrap_or_else(|_| Err(failed_thread("it panicked".into())))
}

/// Runs the reactions of one service on a thread of its own.
fn react_on_a_thread(service: &Service) -> Result<Arc<JobQueue>> {
    let at_once = service.concurrency_limit();
    let queue = Arc::new(JobQueue::new(at_once));
    let jobs = Arc::clone(&queue);
    let (name, runtime) = (service.name().to_owned(), runtime()?);
    let spawned = thread::Builder::new()
        .name(name.clone())
        .spawn(move || runtime.block_on(executor::serve(name, at_once, queue)));
    spawned.map_err(|error| failed_thread(error.into()))?;
    Ok(jobs)
}

/// The library's side of all services, on one thread.
fn deliver(services: &[Service], stopped: watch::Receiver<bool>, process: Process) -> Result<()> {
    let Some(first) = services.first() else {
        return Ok(());
    };
    let queues = RefCell::default();
    let health = |service| Rc::new(Health::new(service, stopped.clone()));
    let healths: Vec<_> = services.iter().map(health).collect();
    let delivering = async {
        let probes = Probes::open(first.config(), healths.clone()).await?;
        tokio::select! {
            ended = work_together(first.config(), (services, &healths), stopped, &queues) => ended,
            () = probes.answer() => Ok(()),
        }
    };
    let local = LocalSet::new();
    let ended = local.block_on(&runtime()?, delivering);
    if ended.is_ok() && process == Process::Owned {
        exit_if_blocked(&queues.borrow());
    }
    ended
}

/// Runs services over one connection and one feed, until all have ended.
async fn work_together<'a>(
    config: &Config,
    (services, healths): (&'a [Service], &[Rc<Health>]),
    mut stopped: watch::Receiver<bool>,
    queues: &Stopped<'a>,
) -> Result<()> {
    let connection = tokio::select! {
        connection = connect(config, "bundle") => connection?,
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
    };
    let feed = Rc::new(SharedFeed::new(services));
    let feeding = tokio::task::spawn_local(feed.clone().run(connection.clone()));
    let working = services.iter().zip(healths).enumerate().map(|(number, (service, health))| {
        let subscriber = FeedSubscriber { feed: feed.clone(), number };
        let common = Common { connection: connection.clone(), subscriber };
        keep((service, health.clone()), common, stopped.clone(), queues)
    });
    let ended = tokio::select! {
        ended = join_all(working) => ended,
        error = connection.given_up() => vec![Err(error)],
    };
    feeding.abort();
    ended.into_iter().collect()
}

/// The queues of services that have stopped.
type Stopped<'a> = RefCell<Vec<(&'a Service, Arc<JobQueue>)>>;

/// Runs a service until it is asked to stop, and starts it again after an error.
async fn keep<'a>(
    (service, health): (&'a Service, Rc<Health>),
    common: Common,
    mut stopped: watch::Receiver<bool>,
    queues: &Stopped<'a>,
) -> Result<()> {
    loop {
        let queue = react_on_a_thread(service)?;
        let of = (service.clone(), queue.clone(), health.clone());
        let working = work(of, stopped.clone(), Some(common.clone()));
        // A task of its own, so that a panic ends no other service.
        let ended = tokio::task::spawn_local(working).await;
        let Err(error) = ended.unwrap_or_else(|panic| Err(failed_thread(panic.into()))) else {
            queues.borrow_mut().push((service, queue));
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
