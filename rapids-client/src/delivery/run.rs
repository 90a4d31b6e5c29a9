//! Starts a service: the engine on a thread of the library, the reactions on the caller's runtime.

use std::future::{Future, pending};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tracing::{Instrument, info_span, warn};

use super::begun::Unfinished;
use super::blocked::exit_if_blocked;
use super::engine::EngineEnd;
use super::executor::{self, CloseOnDrop, JobQueue};
use super::health::Health;
use super::probes::Probes;
use super::rights::RightsCheck;
use super::signal::{exit_at_next_signal, shutdown_signal};
use super::startup::Startup;
use crate::config::Config;
use crate::connection::{Connection, Retry};
use crate::error::with_causes;
use crate::live::shared_feed::FeedSubscriber;
use crate::service::Service;
use crate::{Error, Result, backoff};

/// The longest wait between two tries to reach a server that is not there yet.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// After as many failures of the server while a service starts, the service ends.
const STARTS: u32 = 11;

impl Service {
    /// Runs until the process is told to stop by SIGTERM or Ctrl-C, then finishes what runs,
    /// hands back the rest, and returns. Waits for a server that is not there yet.
    ///
    /// It also stops while a reaction blocks the thread. A reaction that still does so when the grace
    /// period is over (10 s by default) is named in the log, and the process exits with code 70. At a
    /// second signal the process exits at once.
    ///
    /// # Errors
    /// As for [`run_until`](Self::run_until).
    pub async fn run(self) -> Result<()> {
        self.check()?;
        run(self, pending(), Process::Owned).await
    }

    /// Runs until the future is ready. Like [`run`](Self::run), but it listens to no signals, and never
    /// exits the process.
    ///
    /// Reactions run on the runtime of the caller; everything else on a thread of the library. A
    /// runtime of one thread is the quickest, unless [`concurrency`](Self::concurrency) is to let
    /// reactions that block or compute run at the same time.
    ///
    /// # Errors
    /// [`Error::Definition`] before anything is touched; [`Error::Listen`] if metrics and probes cannot be
    /// served where they should; [`Error::Connect`] if the server turns the service away, or does so for
    /// five minutes after a connection was lost; [`Error::Stream`], [`Error::Position`],
    /// [`Error::NotPermitted`], [`Error::Server`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        self.check()?;
        run(self, shutdown, Process::Shared).await
    }
}

/// Whether the process runs nothing but the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// The library listens to its signals, and exits it if a reaction keeps it from ending.
    Owned,
    /// The caller decides when it ends.
    Shared,
}

/// Runs until `shutdown`, which is waited for here, or until a signal of an owned process, which the
/// library's thread waits for: reactions may block this one.
async fn run(service: Service, shutdown: impl Future<Output = ()>, process: Process) -> Result<()> {
    let at_once = service.concurrency_limit();
    let queue = Arc::new(JobQueue::new(at_once));
    let (stop, stopped) = watch::channel(false);
    let (done, mut ended) = oneshot::channel();
    let name = service.name().to_owned();
    let jobs = Arc::clone(&queue);
    let spawned = thread::Builder::new().name(format!("rapids-{name}")).spawn(move || {
        let ended = deliver(&service, &jobs, stopped, process);
        if ended.is_ok() && process == Process::Owned {
            exit_if_blocked(&[(&service, jobs)]);
        }
        // The caller may have been dropped.
        let _ = done.send(ended);
    });
    spawned.map_err(|error| failed_thread(error.into()))?;

    let executor = executor::serve(name, at_once, queue);
    tokio::pin!(executor, shutdown);
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
            () = &mut executor, if serving => serving = false,
        }
    }
}

pub(crate) fn failed_thread(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Server { action: "run the delivery thread".to_owned(), source }
}

/// The library's side, on a thread of its own.
fn deliver(
    service: &Service,
    jobs: &Arc<JobQueue>,
    mut stopped: watch::Receiver<bool>,
    process: Process,
) -> Result<()> {
    let (stop, must_stop) = watch::channel(false);
    let health = Rc::new(Health::new(service, must_stop.clone()));
    let is_owned = process == Process::Owned;
    let stopping = async {
        tokio::select! {
            // Also when the caller was dropped.
            _ = stopped.wait_for(|stop| *stop) => {}
            () = shutdown_signal(), if is_owned => {}
        }
        stop.send_replace(true);
        if is_owned {
            exit_at_next_signal().await;
        }
        pending().await
    };
    runtime()?.block_on(async {
        let probes = Probes::open(service.config(), vec![health.clone()]).await?;
        tokio::select! {
            ended = work((service.clone(), jobs.clone(), health), must_stop, None) => ended,
            never = stopping => never,
            () = probes.answer() => Ok(()),
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
    pub(crate) subscriber: FeedSubscriber,
}

/// Runs a service until it is asked to stop. If it is replaced by another instance, it stands by.
pub(crate) async fn work(
    (service, jobs, health): (Service, Arc<JobQueue>, Rc<Health>),
    mut stopped: watch::Receiver<bool>,
    common: Option<Common>,
) -> Result<()> {
    let span = info_span!("service", service = service.name());
    let _attended = CloseOnDrop(jobs.clone());
    health.set_jobs(&jobs);
    let working = async {
        let (connection, subscriber) = match common {
            Some(Common { connection, subscriber }) => (connection, Some(subscriber)),
            None => tokio::select! {
                connected = connect(service.config(), service.name()) => (connected?, None),
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            },
        };
        let rights = RightsCheck::new();
        let mut checking = Box::pin(rights.run(&service, &connection, health.lacks()));
        let unfinished = Unfinished::default();
        let going_on = unfinished.go_on(stopped.clone(), service.config().grace);
        let mut going_on = Box::pin(going_on);
        loop {
            let opening = open(&service, &jobs, (&connection, &subscriber));
            let serving = Box::pin(async {
                let mut opening = tokio::select! {
                    opened = opening => opened?,
                    _ = stopped.wait_for(|stop| *stop) => return Ok(EngineEnd::Stopped),
                };
                rights.opened();
                let _opened = health.opened(opening.opened(health.url(), health.lacks()));
                serve(opening, &mut stopped, &unfinished).await
            });
            let ended = tokio::select! {
                ended = serving => ended,
                // A bundle's services share a connection, which the bundle watches.
                error = connection.given_up(), if subscriber.is_none() => return Err(error),
                never = &mut checking => never,
                never = &mut going_on => never,
            };
            let outcome = match ended {
                Ok(EngineEnd::Replaced | EngineEnd::PositionGone) => continue,
                Ok(EngineEnd::Stopped) => Ok(()),
                // Which of its rights are lacking may be why.
                Err(error) => tokio::select! {
                    () = rights.checked() => Err(error),
                    never = &mut checking => never,
                    never = &mut going_on => never,
                },
            };
            return tokio::select! {
                biased;
                never = &mut going_on => never,
                () = unfinished.ended() => outcome,
                error = connection.given_up(), if subscriber.is_none() => Err(error),
            };
        }
    };
    working.instrument(span).await
}

/// Runs the engine until it is asked to stop, or replaced by another instance.
async fn serve(
    startup: Startup,
    stopped: &mut watch::Receiver<bool>,
    unfinished: &Unfinished,
) -> Result<EngineEnd> {
    match startup.acquire(stopped).await? {
        Some(engine) => Box::pin(engine.run(stopped.clone(), unfinished)).await,
        None => Ok(EngineEnd::Stopped),
    }
}

/// Opens all that the service needs, and tries again if the server fails meanwhile.
async fn open(
    service: &Service,
    jobs: &Arc<JobQueue>,
    (connection, subscriber): (&Connection, &Option<FeedSubscriber>),
) -> Result<Startup> {
    let mut retry = Retry::new(connection, "start").at_most(STARTS).longest_wait(LONGEST_WAIT);
    loop {
        let opening =
            Startup::begin(service.clone(), connection.clone(), jobs.clone(), subscriber.clone());
        match Box::pin(opening).await {
            Ok(opened) => return Ok(opened),
            Err(error) => retry.again_if_passing(error).await?,
        }
    }
}

/// Connects, and waits for a server that is not there yet.
pub(crate) async fn connect(config: &Config, name: &str) -> Result<Connection> {
    let mut attempt = 0;
    loop {
        let error = match Connection::open(config, name).await {
            Ok(connection) => return Ok(connection),
            Err(error) if error.is_absent() => error,
            // It went away, or came back, meanwhile.
            Err(error @ Error::Server { .. }) => error,
            Err(error) => return Err(error),
        };
        attempt += 1;
        // Not again for each attempt.
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
