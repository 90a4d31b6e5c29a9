//! A server with rapids, a console beside it, and what it answers.

use std::time::Duration;

use clap::Parser;
use rapids_client::{Config, Packet, Published, Rapids, River, Service};
use rapids_console::{Options, Server};
use rapids_test::{HttpAnswer, NatsServer, http_with};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

/// Longer than anything takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What forms are sent as.
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Every page that can be reached without an id.
pub(crate) const PAGES: [&str; 7] =
    ["/", "/live", "/map", "/dead-letters", "/timers", "/memories", "/operations"];

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

pub(crate) fn options(arguments: &[&str]) -> Options {
    let fixed = ["console", "--listen", "127.0.0.1:0"];
    Arguments::parse_from(fixed.iter().chain(arguments)).options
}

/// A console that serves.
pub(crate) struct Console {
    pub(crate) address: String,
    /// What ends it, where it is of this process.
    own: Option<(oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>)>,
}

impl Console {
    pub(crate) async fn start(config: Config, arguments: &[&str]) -> Self {
        let server = Server::bind(config, options(arguments)).await.unwrap();
        let address = server.address().to_string();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(async { drop(stopped.await) }));
        Self { address, own: Some((stop, task)) }
    }

    /// One of another process.
    pub(crate) fn at(address: String) -> Self {
        Self { address, own: None }
    }

    pub(crate) async fn get(&self, path: &str) -> HttpAnswer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    /// Sends a request with headers and a body.
    pub(crate) async fn ask(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> HttpAnswer {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<_> = headers.iter().map(owned).collect();
        let (address, request, body) = (self.address.clone(), request.to_owned(), body.to_owned());
        let asking = spawn_blocking(move || {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            http_with(&address, &request, &headers, &body).unwrap()
        });
        asking.await.unwrap()
    }

    /// The token of the forms of a page.
    pub(crate) async fn token(&self, path: &str) -> String {
        let page = self.get(path).await.body;
        let token = page.split("name=\"token\" value=\"").nth(1);
        token.and_then(|it| it.split('"').next()).unwrap_or_default().to_owned()
    }

    /// Sends a form of a page with its token.
    pub(crate) async fn act(&self, page: &str, path: &str, fields: &str) -> HttpAnswer {
        let form = format!("token={}&{fields}", self.token(page).await);
        self.ask(&format!("POST {path}"), &[FORM], &form).await
    }

    /// Asks for a page until it is as it is to be.
    pub(crate) async fn get_until(
        &self,
        path: &str,
        is_there: impl Fn(&HttpAnswer) -> bool,
    ) -> HttpAnswer {
        self.get_within(DEADLINE, path, is_there).await
    }

    /// As [`get_until`](Self::get_until), for what takes longer.
    pub(crate) async fn get_within(
        &self,
        patience: Duration,
        path: &str,
        is_there: impl Fn(&HttpAnswer) -> bool,
    ) -> HttpAnswer {
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.get(path).await;
            if is_there(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// As [`get_until`](Self::get_until) the page has this text.
    pub(crate) async fn get_with(&self, path: &str, text: &str) -> HttpAnswer {
        self.get_until(path, |answer| answer.body.contains(text)).await
    }

    pub(crate) async fn stop(self) {
        let (stop, task) = self.own.unwrap();
        let _ = stop.send(());
        tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap().unwrap();
    }
}

/// A server with a stream.
pub(crate) struct Bench {
    pub(crate) server: NatsServer,
    pub(crate) rapids: Rapids,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let server = spawn_blocking(NatsServer::start).await.unwrap().unwrap();
        let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
        Self { server, rapids }
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.server.url())
    }

    pub(crate) async fn console(&self, arguments: &[&str]) -> Console {
        Console::start(self.config(), arguments).await
    }

    /// Publishes a body as it is, as another client does.
    pub(crate) async fn publish_raw(&self, body: impl Into<Vec<u8>>) -> u64 {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let sent = jetstream.publish("rapids", body.into().into()).await.unwrap();
        sent.await.unwrap().sequence
    }

    pub(crate) async fn publish(&self, packet: Packet) -> Published {
        self.rapids.publish(packet).await.unwrap()
    }

    /// Starts a service of these rivers, and returns once it announces itself.
    pub(crate) async fn serve(&self, name: &str, rivers: Vec<River>) {
        let service = Service::new(name, self.config());
        let service = rivers.into_iter().fold(service, Service::river);
        tokio::spawn(service.run());
        let deadline = Instant::now() + DEADLINE;
        loop {
            let up = self.rapids.services(Duration::from_millis(100)).await.unwrap();
            if up.iter().any(|service| service.name == name) {
                return;
            }
            assert!(Instant::now() < deadline, "{name} does not announce itself");
        }
    }
}
