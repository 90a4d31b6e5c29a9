//! A server, a service on it, and waits with a deadline.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_nats::jetstream::consumer::{Info, PullConsumer};
use rapids_client::{
    Bundle, Config, DeadLetters, Delivery, Filter, Packet, Rapids, River, Service, Start,
    StoredLetter, Tail,
};
use rapids_test::NatsServer;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than anything takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at whether something is so.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for a future that must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// Waits until this is so. Looks every few milliseconds: who looks without a break takes the time of the
/// processor that everything else needs.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    found(what, async || is_so().await.then_some(())).await;
}

/// Waits until there is something, and returns it. Looks every few milliseconds.
pub(crate) async fn found<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(thing) = look().await {
                return thing;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

pub(crate) fn called(n: u64) -> Packet {
    Packet::event("called").with("n", n)
}

/// Answers each call.
pub(crate) fn echo() -> River {
    River::new("echo").event("called").react(|packet: Packet| async move {
        Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?))
    })
}

/// A server and a connection to its rapids.
pub(crate) struct Bench {
    pub(crate) server: NatsServer,
    pub(crate) rapids: Rapids,
    delivery: Delivery,
}

/// How services get their packets where a test does not say: as `RAPIDS_DELIVERY` does.
pub(crate) fn delivery() -> Delivery {
    match std::env::var("RAPIDS_DELIVERY").as_deref() {
        Ok("exclusive") => Delivery::Exclusive,
        _ => Delivery::Shared,
    }
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with_config("").await
    }

    /// On a server with these lines of configuration.
    pub(crate) async fn with_config(lines: &str) -> Self {
        let server = NatsServer::with_config(lines).unwrap();
        let rapids = Rapids::connect(&config(&server.url())).await.unwrap();
        Self::over(server, rapids)
    }

    pub(crate) fn over(server: NatsServer, rapids: Rapids) -> Self {
        Self { server, rapids, delivery: delivery() }
    }

    /// For services of this delivery.
    pub(crate) async fn of(delivery: Delivery) -> Self {
        Self { delivery, ..Self::start().await }
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.delivery == Delivery::Exclusive
    }

    /// For services of this delivery, on a server that is there.
    pub(crate) fn of_server(delivery: Delivery, server: NatsServer, rapids: Rapids) -> Self {
        Self { delivery, ..Self::over(server, rapids) }
    }

    pub(crate) fn config(&self) -> Config {
        config(&self.server.url()).delivery(self.delivery)
    }

    pub(crate) fn service(&self, name: &str, rivers: impl IntoIterator<Item = River>) -> Service {
        Self::service_of(self.config(), name, rivers)
    }

    /// A service with settings of its own.
    pub(crate) fn service_of(
        config: Config,
        name: &str,
        rivers: impl IntoIterator<Item = River>,
    ) -> Service {
        rivers.into_iter().fold(Service::new(name, config), Service::river)
    }

    /// Watches from the beginning.
    pub(crate) async fn tail(&self) -> Watch {
        Watch(self.rapids.tail(Start::Beginning).await.unwrap())
    }

    /// Runs a service and returns once it has announced itself.
    pub(crate) async fn run(&self, service: Service) -> Running {
        let name = service.name().to_owned();
        let before = self.instances(&name).await;
        let mut running = Running::spawn(service);
        // By id: an instance from before may leave meanwhile.
        let announced = async { while self.instances(&name).await.is_subset(&before) {} };
        running.during(soon("the service announces itself", announced)).await;
        running
    }

    async fn instances(&self, name: &str) -> BTreeSet<String> {
        let up = self.rapids.services(Duration::from_millis(100)).await.unwrap();
        up.into_iter().filter(|service| service.name == name).map(|service| service.id).collect()
    }

    /// Waits until the services have acknowledged everything that the stream holds.
    pub(crate) async fn quiet(&self, services: &[&str]) {
        let jetstream = self.jetstream().await;
        let last = async || {
            jetstream.get_stream("RAPIDS").await.unwrap().cached_info().state.last_sequence
        };
        let done = async |service: &str| {
            self.rapids.position(service).await.unwrap().unwrap().acknowledged
        };
        until("all is quiet", async || {
            let end = last().await;
            for service in services {
                if done(service).await < end {
                    return false;
                }
            }
            last().await == end
        })
        .await;
    }

    /// What is true of the service at the moment, as its only instance shows it, once that is so.
    pub(crate) async fn fact(&self, service: &str, fact: &str) -> String {
        found(fact, async || {
            let up = self.rapids.services(Duration::from_millis(100)).await.unwrap();
            let instance = up.into_iter().find(|instance| instance.name == service);
            instance.and_then(|mut it| it.facts.remove(fact))
        })
        .await
    }

    /// Waits until an instance of the service has announced itself.
    pub(crate) async fn is_up(&self, service: &str) {
        until(service, async || !self.instances(service).await.is_empty()).await;
    }

    /// Waits until no instance of the service answers: each has ended, or has begun to stop.
    pub(crate) async fn is_gone(&self, service: &str) {
        until("it is gone", async || self.instances(service).await.is_empty()).await;
    }

    /// Waits until the service has been given so many packets, those that came again included.
    pub(crate) async fn is_delivered(&self, service: &str, deliveries: u64) {
        let consumer = self.consumer(service).await;
        let delivered = async || consumer.get_info().await.unwrap().delivered.consumer_sequence;
        until("the deliveries", async || delivered().await >= deliveries).await;
    }

    /// How the service stands, as the server sees it.
    pub(crate) async fn position(&self, service: &str) -> Info {
        self.consumer(service).await.cached_info().clone()
    }

    async fn consumer(&self, service: &str) -> PullConsumer {
        self.jetstream().await.get_consumer_from_stream(service, "RAPIDS").await.unwrap()
    }

    /// When the rapids were created, in seconds.
    pub(crate) async fn stream_created(&self) -> i64 {
        let stream = self.jetstream().await.get_stream("RAPIDS").await.unwrap();
        stream.cached_info().created.unix_timestamp()
    }

    /// The dead letters, once there is a stream for them.
    pub(crate) async fn dead_letters(&self) -> DeadLetters {
        DeadLetters::open(&self.config()).await.unwrap().unwrap()
    }

    /// The ids of all letters, oldest first.
    pub(crate) async fn letters(&self) -> Vec<String> {
        let letters = self.dead_letters().await;
        let mut listing = letters.list(&Filter::new()).await.unwrap();
        let mut ids = Vec::new();
        while let Some(stored) = soon("the next letter", listing.next()).await.unwrap() {
            ids.push(stored.letter.id.to_string());
        }
        ids
    }

    /// The letter of this id, once it is stored.
    pub(crate) async fn letter(&self, id: &str) -> StoredLetter {
        let (letters, letter) = (self.dead_letters().await, id.parse().unwrap());
        found(id, async || letters.get(&letter).await.unwrap()).await
    }

    /// Waits until the service, of one instance, does not show this any more.
    pub(crate) async fn no_fact(&self, service: &str, fact: &str) {
        until(fact, async || {
            let up = self.rapids.services(Duration::from_millis(100)).await.unwrap();
            let instance = up.into_iter().find(|instance| instance.name == service);
            instance.is_some_and(|it| !it.facts.contains_key(fact))
        })
        .await;
    }

    /// The server without the library.
    pub(crate) async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.server.url()).await.unwrap())
    }

    /// How many requests of the service wait on the server.
    pub(crate) async fn waiting_requests(&self, service: &str) -> usize {
        self.position(service).await.num_waiting
    }

    /// Publishes a body as `nats pub` does, without a `rapids` object.
    pub(crate) async fn publish_raw(&self, body: impl Into<Vec<u8>>) {
        let jetstream = self.jetstream().await;
        jetstream.publish("rapids", body.into().into()).await.unwrap().await.unwrap();
    }
}

/// The settings of every service here: what is left behind comes again soon.
pub(crate) fn config(url: &str) -> Config {
    Config::new(url).ack_wait(Duration::from_secs(1))
}

/// A service at work, until it is told to stop. It runs on a thread of its own: a reaction that blocks its
/// thread may keep a runtime from looking at its timers, and tests from failing in time.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: oneshot::Receiver<rapids_client::Result<()>>,
}

impl Running {
    pub(crate) fn spawn(service: Service) -> Self {
        Self::begin(|stop| service.run_until(stop))
    }

    pub(crate) fn spawn_bundle(bundle: Bundle) -> Self {
        Self::begin(|stop| bundle.run_until(stop))
    }

    fn begin<F>(
        run: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = rapids_client::Result<()>>,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let (done, task) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let stopped = Box::pin(async {
                let _ = stopped.await;
            });
            // Nobody waits for it where the test has failed.
            let _ = done.send(runtime.block_on(run(stopped)));
        });
        Self { stop, task }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        soon("the service stops", self.task).await.unwrap().unwrap();
    }

    /// Waits for something that comes while the service runs.
    pub(crate) async fn during<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        tokio::select! {
            thing = awaited => thing,
            ended = &mut self.task => panic!("the service ended: {ended:?}"),
        }
    }

    /// Waits for a service that ends by itself.
    pub(crate) async fn ended(self) -> rapids_client::Error {
        soon("the service ends", self.task).await.unwrap().unwrap_err()
    }
}

/// The packets of the rapids, one after the other.
pub(crate) struct Watch(Tail);

impl Watch {
    pub(crate) fn new(tail: Tail) -> Self {
        Self(tail)
    }

    /// The next packet that states this fact.
    pub(crate) async fn event(&mut self, name: &str) -> Packet {
        soon(name, async {
            loop {
                if let Ok(packet) = self.0.next().await
                    && packet.event_name().as_deref() == Some(name)
                {
                    return packet;
                }
            }
        })
        .await
    }

    /// The next packet.
    pub(crate) async fn next(&mut self) -> Packet {
        soon("the next packet", async {
            loop {
                if let Ok(packet) = self.0.next().await {
                    return packet;
                }
            }
        })
        .await
    }

    /// Every packet up to and including the first that states this fact.
    pub(crate) async fn until(&mut self, name: &str) -> Vec<Packet> {
        soon(name, async {
            let mut packets = Vec::new();
            loop {
                let Ok(packet) = self.0.next().await else {
                    continue;
                };
                let last = packet.event_name().as_deref() == Some(name);
                packets.push(packet);
                if last {
                    return packets;
                }
            }
        })
        .await
    }
}
