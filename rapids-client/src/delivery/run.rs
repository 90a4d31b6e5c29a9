//! Starting a service: the library's thread on one side, the reactions on the other.

use std::future::{Future, pending};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tracing::{Instrument, info_span, warn};

use super::signal::told_to_stop;
use crate::config::Config;
use crate::connection::Connection;
use crate::delivery::engine::Ended;
use crate::delivery::executor;
use crate::delivery::executor::queue::{Attended, JobQueue};
use crate::delivery::live::shared_feed::FeedSubscriber;
use crate::delivery::startup::Startup;
use crate::error::with_causes;
use crate::service::Service;
use crate::{Error, Result, backoff};

/// Between two tries to reach a server that is not there yet, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A server that fails more often than this while a service starts has another fault than that it
/// goes away.
const RESTARTS: u32 = 10;

impl Service {
    /// Runs until the process is told to stop by SIGTERM or Ctrl-C, then finishes what runs,
    /// hands back the rest, and returns. Waits for a server that is not there yet.
    ///
    /// Being told to stop is heard also while a reaction blocks the thread: only that reaction is
    /// waited for then.
    ///
    /// # Errors
    /// As for [`run_until`](Self::run_until).
    pub async fn run(self) -> Result<()> {
        self.check()?;
        run(self, pending(), told_to_stop()).await
    }

    /// Runs until the future is ready. See [`run`](Self::run).
    ///
    /// Reactions run on the runtime of the caller; everything else on a thread of the library. A
    /// runtime of one thread is the quickest, unless [`concurrency`](Self::concurrency) is to let
    /// reactions that block or compute run at the same time.
    ///
    /// # Errors
    /// [`Error::Definition`] before anything is touched; [`Error::Connect`] if the server turns
    /// the service away, or does so for five minutes after a connection was lost;
    /// [`Error::Stream`], [`Error::Position`], [`Error::NotPermitted`], [`Error::Server`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.check()?;
        run(self, shutdown, pending()).await
    }
}

/// Runs until `shutdown`, which is waited for here, or `told`, which the library's thread waits for:
/// reactions may block this one.
pub(crate) async fn run(
    service: Service,
    shutdown: impl Future<Output = ()>,
    told: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let at_once = service.concurrency_limit();
    let desk = Arc::new(JobQueue::new(at_once));
    let (stop, stopped) = watch::channel(false);
    let (done, mut ended) = oneshot::channel();
    let name = service.name().to_owned();
    let jobs = Arc::clone(&desk);
    let spawned = thread::Builder::new().name(format!("rapids-{name}")).spawn(move || {
        // The caller may have gone, and then nobody wants to know.
        let _ = done.send(deliver(service, jobs, (stopped, told)));
    });
    spawned.map_err(|error| failed_thread(error.into()))?;

    let reactor = executor::serve(name, at_once, desk);
    tokio::pin!(reactor, shutdown);
    let (mut stopping, mut serving) = (false, true);
    loop {
        tokio::select! {
            biased;
            ended = &mut ended => {
                return ended.unwrap_or_else(|_| Err(failed_thread("it panicked".into())));
            }
            () = &mut shutdown, if !stopping => {
                stopping = true;
                // The thread may have ended by itself meanwhile.
                let _ = stop.send(true);
            }
            () = &mut reactor, if serving => serving = false,
        }
    }
}

pub(crate) fn failed_thread(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Server { action: "run the delivery thread".to_owned(), source }
}

/// The library's side, on a thread of its own.
fn deliver(
    service: Service,
    jobs: Arc<JobQueue>,
    (mut stopped, told): (watch::Receiver<bool>, impl Future<Output = ()>),
) -> Result<()> {
    let (stop, is_told) = watch::channel(false);
    let stopping = async {
        tokio::select! {
            // Also when the caller was dropped.
            _ = stopped.wait_for(|stop| *stop) => {}
            () = told => {}
        }
        stop.send_replace(true);
        pending().await
    };
    runtime()?.block_on(async {
        tokio::select! {
            ended = work(service, jobs, is_told, None) => ended,
            never = stopping => never,
        }
    })
}

/// A runtime for a thread of the library.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(|error| failed_thread(error.into()))
}

/// What a service shares with others of its process.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) connection: Connection,
    pub(crate) seat: FeedSubscriber,
}

/// Works until told to stop; one that is replaced by another instance stands by.
pub(crate) async fn work(
    service: Service,
    jobs: Arc<JobQueue>,
    mut stopped: watch::Receiver<bool>,
    common: Option<Common>,
) -> Result<()> {
    let span = info_span!("service", service = service.name());
    let _attended = Attended(jobs.clone());
    let working = async {
        let (connection, seat) = match common {
            Some(Common { connection, seat }) => (connection, Some(seat)),
            None => tokio::select! {
                connected = connect(service.config(), service.name()) => (connected?, None),
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            },
        };
        loop {
            let opening = open(&service, &jobs, (&connection, &seat));
            let serving = Box::pin(async {
                let opening = tokio::select! {
                    opened = opening => opened?,
                    _ = stopped.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
                };
                serve(opening, &mut stopped).await
            });
            let ended = tokio::select! {
                ended = serving => ended?,
                // Others share the connection of a bundle, which looks after it itself.
                error = connection.given_up(), if seat.is_none() => return Err(error),
            };
            if ended == Ended::Stopped {
                return Ok(());
            }
        }
    };
    working.instrument(span).await
}

/// Delivers packets until told to stop, or replaced by another instance.
async fn serve(opening: Startup, stopped: &mut watch::Receiver<bool>) -> Result<Ended> {
    match opening.take_up(stopped).await? {
        Some(engine) => Box::pin(engine.run(stopped.clone())).await,
        None => Ok(Ended::Stopped),
    }
}

/// Opens all that the service needs, anew where the server fails in the middle of it.
async fn open(
    service: &Service,
    jobs: &Arc<JobQueue>,
    (connection, seat): (&Connection, &Option<FeedSubscriber>),
) -> Result<Startup> {
    let mut attempt = 0;
    loop {
        let opening =
            Startup::begin(service.clone(), connection.clone(), jobs.clone(), seat.clone());
        match Box::pin(opening).await {
            Err(error) if error.is_passing() && attempt < RESTARTS => {
                attempt += 1;
                warn!("starting again: {}", with_causes(&error));
                tokio::time::sleep(backoff::exponential(attempt).min(LONGEST_WAIT)).await;
            }
            opened => return opened,
        }
    }
}

/// Connects, and waits for a server that is not there yet.
pub(crate) async fn connect(config: &Config, name: &str) -> Result<Connection> {
    let mut attempt = 0;
    loop {
        let error = match Connection::open(config, name).await {
            Ok(connection) => return Ok(connection),
            Err(error) if crate::connection::is_absent(&error) => error,
            // It went away, or came, in between.
            Err(error @ Error::Server { .. }) => error,
            Err(error) => return Err(error),
        };
        attempt += 1;
        // Once is news, each further time is noise.
        if attempt == 1 {
            let url = config.url();
            warn!("waiting for a server at {url}: {}", with_causes(&error));
        }
        tokio::time::sleep(backoff::exponential(attempt).min(LONGEST_WAIT)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;
    use crate::rapids::Rapids;
    use crate::river::River;
    use crate::service::bundle;
    use nkeys::KeyPair;
    use rapids_test::NatsServer;

    /// Runs until the login that it had at first has been refused for two seconds.
    async fn refused(run: impl AsyncFnOnce(Service) -> Result<()>) -> String {
        let (key, other) = (KeyPair::new_user(), KeyPair::new_user());
        let admin = "no_auth_user: admin\nauthorization { users: [{ user: admin, password: pw }";
        let knows = |key: &KeyPair| format!("{admin}, {{ nkey: {} }}] }}", key.public_key());
        let server = NatsServer::with_config(&knows(&key)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.seed().unwrap()).unwrap();
        let mut config = Config::new(server.url()).nkey_file(file.path());
        config.login_patience = Duration::from_secs(2);
        let river = River::new("r").event("x").react(|_: Packet| async { Ok(()) });
        let running = run(Service::new("refused", config).river(river));
        let refusing = async {
            let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
            let up = async || rapids.services(Duration::from_millis(100)).await.unwrap();
            while up().await.is_empty() {}
            server.reload(&knows(&other)).unwrap();
            pending::<()>().await;
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::select! {
                ended = running => ended,
                () = refusing => unreachable!("it never ends"),
            }
        });
        let error = ended.await.unwrap().unwrap_err();
        assert!(error.is_refusal(), "{error}");
        let path = file.path().display().to_string();
        with_causes(&error).replace(&path, "PATH").replace(&server.url(), "URL")
    }

    const ERROR: &str = "cannot connect to `URL`: the server turns away the nkey in `PATH` (set by \
                         the program), for 2 seconds now; put a valid login there";

    #[tokio::test]
    async fn a_login_that_stays_refused_ends_the_service_with_the_name_of_its_file() {
        assert_eq!(refused(async |service| service.run_until(pending()).await).await, ERROR);
    }

    #[tokio::test]
    async fn a_login_that_stays_refused_ends_the_bundle_with_the_name_of_its_file() {
        let error = refused(async |service| bundle([service]).run_until(pending()).await).await;
        assert_eq!(error, ERROR);
    }
}
