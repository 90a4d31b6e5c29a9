//! Rapids in memory.
//!
//! Replaces only the stream, the delivery, and the clock. Matching, ids, memory and the limit of hops are
//! the library's own.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use rapids_client::{
    Arrival, Config, Effects, EntryKey, MemoryKey, Packet, Record, River, Service, TimerId,
    Timestamp, is_final,
};

use serde::de::DeserializeOwned;

use crate::letters::Letters;
use crate::timers::Timers;
use crate::{Problem, Trail};

/// Rivers on rapids without a server.
///
/// ```
/// use rapids_client::{Packet, River};
/// use rapids_test::TestRapids;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greet = River::new("greet").event("visitor_came").react(|packet: Packet| async move {
///     let name: Option<String> = packet.get("name")?;
///     Ok(name.map(|name| Packet::event("visitor_greeted").with("text", format!("Hi {name}"))))
/// });
/// let mut rapids = TestRapids::new().service("greeter", [greet]);
/// rapids.publish(Packet::event("visitor_came").with("name", "Ada")).await;
/// assert_eq!(rapids.only("visitor_greeted").get::<String>("text").unwrap().unwrap(), "Hi Ada");
/// # }
/// ```
#[derive(Debug)]
pub struct TestRapids {
    pub(crate) services: Vec<Service>,
    /// The settings of services that are added.
    config: Config,
    stored: Vec<Packet>,
    ids: HashSet<String>,
    pub(crate) records: HashMap<(String, MemoryKey), Record>,
    /// What reactions that run once have led to, by service, river and packet.
    once: HashMap<(String, String, String), Effects>,
    now: Timestamp,
    pub(crate) timers: Timers,
    pub(crate) problems: Vec<Problem>,
    pub(crate) letters: Letters,
}

impl Default for TestRapids {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            config: Config::new("nats://127.0.0.1"),
            stored: Vec::new(),
            ids: HashSet::new(),
            records: HashMap::new(),
            once: HashMap::new(),
            now: Timestamp::now(),
            timers: Timers::default(),
            problems: Vec::new(),
            letters: Letters::default(),
        }
    }
}

impl TestRapids {
    /// Empty rapids without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The time on these rapids: that at which they were made, until it is moved by
    /// [`advance`](Self::advance).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass: what timers bring meanwhile is published, each at its time, and the rivers react
    /// until no packet is left.
    pub async fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, packet)) = self.timers.take_due(end) {
            self.now = due.max(self.now);
            let first = self.store(packet.body().into());
            self.deliver(first).await;
        }
        self.now = end;
    }

    /// The timers that wait, by the order of their times: which, when it is due, and what it brings.
    #[must_use]
    pub fn timers(&self) -> Vec<(&TimerId, Timestamp, &Packet)> {
        self.timers.waiting()
    }

    /// Has the services that are added from here on derive the ids of what they publish with this key, as
    /// with `RAPIDS_ID_KEY`.
    ///
    /// # Panics
    /// If it is no key.
    #[must_use]
    #[track_caller]
    pub fn id_key(mut self, key: &str) -> Self {
        match self.config.id_key(key) {
            Ok(config) => self.config = config,
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// Adds a service with these rivers.
    ///
    /// # Panics
    /// If the service could not start because it is declared wrongly.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, name: &str, rivers: impl IntoIterator<Item = River>) -> Self {
        let service = Service::new(name, self.config.clone());
        let service = rivers.into_iter().fold(service, Service::river);
        if let Err(error) = service.check() {
            panic!("{error}");
        }
        self.services.push(service);
        self
    }

    /// Publishes a packet, and lets the rivers react until no packet is left. A reaction that returns
    /// a packet which its river does not [declare](River::publishes) is a [problem](Self::problems),
    /// and nothing that it returned is stored. Of a packet that is given up its river
    /// [tells](River::on_give_up) as on a server.
    pub async fn publish(&mut self, packet: Packet) {
        self.publish_bytes(packet.body()).await;
    }

    /// Publishes a body as `nats pub` would, and lets the rivers react until no packet is left. A body
    /// that is no packet is skipped, as by a service.
    pub async fn publish_bytes(&mut self, body: impl Into<Vec<u8>>) {
        let first = self.store(body.into());
        self.deliver(first).await;
    }

    /// Delivers a stored packet once more, as after a crash, and lets the rivers react until no
    /// packet is left.
    ///
    /// # Panics
    /// If no packet of this id is stored.
    pub async fn redeliver(&mut self, packet_id: &str) {
        let stored = self.stored.iter().find(|packet| packet.id() == packet_id).cloned();
        assert!(stored.is_some(), "no packet `{packet_id}` to deliver again:\n{}", self.trail());
        self.deliver(stored).await;
    }

    /// Stores what a river publishes, and delivers it and everything that follows from it.
    pub(crate) async fn deliver_published(&mut self, published: Vec<Packet>) {
        let stored = published.into_iter().filter_map(|packet| self.store(packet.body().into()));
        let stored = stored.collect();
        self.deliver_all(stored).await;
    }

    /// Delivers a packet and everything that follows from it.
    async fn deliver(&mut self, first: Option<Packet>) {
        self.deliver_all(first.into_iter().collect()).await;
    }

    async fn deliver_all(&mut self, mut queue: VecDeque<Packet>) {
        while let Some(packet) = queue.pop_front().or_else(|| self.next_overdue()) {
            for position in 0..self.services.len() {
                let service = self.services[position].clone();
                for published in self.react(&service, &packet).await {
                    queue.extend(self.store(published.body().into()));
                }
            }
        }
    }

    /// What a timer brings that was set for a time that is over.
    fn next_overdue(&mut self) -> Option<Packet> {
        loop {
            let (_, packet) = self.timers.take_due(self.now)?;
            if let Some(stored) = self.store(packet.body().into()) {
                return Some(stored);
            }
        }
    }

    /// Stores a body, as the stream would: not if its id is there already.
    fn store(&mut self, body: Vec<u8>) -> Option<Packet> {
        let sequence = u64::try_from(self.stored.len()).unwrap_or(u64::MAX) + 1;
        let created = Timestamp::UNIX_EPOCH;
        let arrival = Arrival { stream_created: created, ..Arrival::at(sequence, self.now) };
        let packet = Packet::arrived(body, arrival).ok()?;
        self.ids.insert(packet.id().to_owned()).then(|| {
            self.stored.push(packet.clone());
            packet
        })
    }

    /// Runs a reaction as often as it takes. An error comes with how often that was.
    pub(crate) async fn run(
        &mut self,
        service: &Service,
        river: &River,
        packet: &Packet,
    ) -> Result<Effects, (anyhow::Error, u32)> {
        let entry = (service.name().to_owned(), river.name().to_owned(), packet.id().to_owned());
        if let Some(effects) = self.once.get(&entry) {
            return Ok(effects.clone());
        }
        let key = river.memory_key(packet).map(|key| (service.name().to_owned(), key));
        let (mut attempt, attempts) = (1, river.retry_policy().attempts_allowed());
        loop {
            let stored = key.as_ref().and_then(|key| self.records.get(key));
            let mut record = stored.cloned().unwrap_or_default();
            match river.handle(service.name(), packet, &mut record, self.now).await {
                Ok(effects) => {
                    if let Some(key) = key {
                        self.records.insert(key, record);
                    }
                    if river.is_once() {
                        self.once.insert(entry, effects.clone());
                    }
                    return Ok(effects);
                }
                Err(error) if attempt == attempts || is_final(&error) => {
                    return Err((error, attempt));
                }
                Err(_) => attempt += 1,
            }
        }
    }

    /// What a service remembers under a key of one of its memories, as
    /// [`Rapids::memory`](rapids_client::Rapids::memory) reads it; `None` if there is nothing.
    ///
    /// # Panics
    /// If the value is of another type.
    #[must_use]
    #[track_caller]
    pub fn memory<T: DeserializeOwned>(
        &self,
        service: &str,
        memory: &str,
        key: impl Into<EntryKey>,
    ) -> Option<T> {
        let key = MemoryKey::new(memory, key);
        let record = self.records.get(&(service.to_owned(), key.clone()))?;
        record.value().unwrap_or_else(|error| panic!("`{key}` of service `{service}`: {error}"))
    }

    /// All packets, in the order in which they were published.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.stored
    }

    /// The events of this name, in order.
    #[must_use]
    pub fn events(&self, name: &str) -> Vec<&Packet> {
        let named = |packet: &&Packet| packet.event_name().as_deref() == Some(name);
        self.stored.iter().filter(named).collect()
    }

    /// The only event of this name.
    ///
    /// # Panics
    /// If there is none, or more than one; the message shows the whole trail.
    #[track_caller]
    pub fn only(&self, name: &str) -> &Packet {
        match self.events(name).as_slice() {
            [packet] => packet,
            found => panic!("{} packets `{name}` instead of one:\n{}", found.len(), self.trail()),
        }
    }

    /// Asserts that there is no event of this name.
    ///
    /// # Panics
    /// If there is one; the message shows the whole trail.
    #[track_caller]
    pub fn none(&self, name: &str) {
        let count = self.events(name).len();
        assert!(count == 0, "{count} packets `{name}` instead of none:\n{}", self.trail());
    }

    /// Which packet caused which, as text.
    #[must_use]
    pub fn trail(&self) -> Trail<'_> {
        Trail { packets: &self.stored, problems: &self.problems }
    }

    /// The packets that could not be handled, in order.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

#[cfg(test)]
mod tests {
    use rapids_client::{AfterEnd, Kind, Outputs};

    use super::*;

    fn ping_pong() -> [River; 2] {
        let hit = |name: &str, hears: &str, says: &'static str| {
            River::new(name).event(hears).react(move |_| async move { Ok(Packet::event(says)) })
        };
        [hit("ping", "ping", "pong"), hit("pong", "pong", "ping")]
    }

    #[tokio::test]
    async fn a_service_with_a_key_gives_ids_that_begin_with_the_time_of_their_cause() {
        let river = || {
            River::new("r").event("x").react(|_| async {
                let later = Packet::event("late");
                let now = Duration::ZERO;
                Ok(Outputs::new().publish(Packet::event("y")).later("t", "k", now, later))
            })
        };
        let ids = async |rapids: TestRapids| {
            let mut rapids = rapids.service("s", [river()]);
            rapids.publish_bytes(r#"{"event":"x","rapids":{"id":"a"}}"#).await;
            ["y", "late"].map(|event| rapids.only(event).id().to_owned())
        };
        let plain = ids(TestRapids::new()).await;
        let [key, other] = ["5e".repeat(32), "5f".repeat(32)];
        let mut rapids = TestRapids::new().id_key(&key);
        rapids.now = "2026-11-21T09:30:00.5Z".parse().unwrap();
        let keyed = ids(rapids).await;
        assert_eq!(plain, ids(TestRapids::new()).await);
        assert_ne!(keyed, ids(TestRapids::new().id_key(&other)).await);
        for id in keyed {
            assert!(id.starts_with("01a1fd70-f3b4-8"), "{id}");
        }
    }

    #[tokio::test]
    async fn a_loop_ends_at_the_limit_and_names_the_services() {
        let mut rapids = TestRapids::new().service("table", ping_pong());
        rapids.publish(Packet::event("ping")).await;
        assert_eq!(rapids.packets().len(), 10);
        let [problem] = rapids.problems() else { panic!("{}", rapids.trail()) };
        assert_eq!(problem.reason, format!("looped, by way of {}", ["table"; 9].join(" > ")));
    }

    #[tokio::test]
    async fn a_final_error_is_not_tried_again_and_another_one_is() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        for (is_final, runs) in [(true, 1), (false, 5)] {
            let counter = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&counter);
            let river = River::new("r").event("x").react(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    let error = anyhow::anyhow!("down");
                    Err::<(), _>(if is_final { rapids_client::reject("no") } else { error })
                }
            });
            let mut rapids = TestRapids::new().service("s", [river]);
            rapids.publish(Packet::event("x")).await;
            assert_eq!((counter.load(Ordering::Relaxed), rapids.problems().len()), (runs, 1));
        }
    }

    #[tokio::test]
    async fn a_reaction_that_runs_once_is_not_run_again_by_a_packet_that_comes_again() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let river = River::new("r").event("x").once().react(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(Packet::event("y")) }
        });
        let mut rapids = TestRapids::new().service("s", [river]);
        let packet = Packet::event("x");
        rapids.publish(packet.clone()).await;
        rapids.redeliver(packet.id()).await;
        assert_eq!((runs.load(Ordering::Relaxed), rapids.events("y").len()), (1, 1));
    }

    #[tokio::test]
    async fn a_packet_that_is_not_declared_is_a_problem_and_is_not_stored() {
        let charge = |event: &'static str| {
            let river = River::new("charge").event("placed").publishes(["paid", "declined"]);
            let packets = move || vec![Packet::event("paid"), Packet::event(event)];
            let river = river.react(move |_| async move { Ok(packets()) });
            TestRapids::new().service("payment", [river])
        };
        let mut rapids = charge("declined");
        rapids.publish(Packet::event("placed")).await;
        assert_eq!((rapids.packets().len(), rapids.problems()), (3, &[][..]));
        let mut rapids = charge("payed");
        rapids.publish(Packet::event("placed")).await;
        rapids.none("paid");
        let [problem] = rapids.problems() else { panic!("{}", rapids.trail()) };
        assert_eq!(problem.kind.as_str(), "undeclared");
        assert_eq!(problem.reason, "published event `payed`, which the river does not declare");
    }

    #[tokio::test]
    async fn the_same_packet_twice_is_stored_once() {
        let mut rapids = TestRapids::new();
        let packet = Packet::event("x");
        rapids.publish(packet.clone()).await;
        rapids.publish(packet).await;
        assert_eq!(rapids.events("x").len(), 1);
    }

    #[tokio::test]
    async fn a_packet_that_comes_again_leads_to_the_same_packets() {
        let mut rapids = TestRapids::new().service("table", ping_pong());
        let first = Packet::event("ping");
        rapids.publish(first.clone()).await;
        rapids.redeliver(first.id()).await;
        assert_eq!(rapids.packets().len(), 10, "{}", rapids.trail());
    }

    #[tokio::test]
    #[should_panic(expected = "0 packets `greeted` instead of one:\n- came\n")]
    async fn a_missing_packet_shows_the_trail() {
        let mut rapids = TestRapids::new();
        rapids.publish(Packet::event("came")).await;
        rapids.only("greeted");
    }

    #[test]
    #[should_panic(expected = "service `s` is declared wrongly: river `r`: expression `@.total >`")]
    fn a_faulty_river_is_refused_as_by_a_service() {
        let river = River::new("r").when("@.total >").react(|_| async { Ok(()) });
        let _ = TestRapids::new().service("s", [river]);
    }

    #[tokio::test]
    async fn a_timer_brings_its_packet_when_its_time_has_come_and_is_replaced_or_cancelled() {
        const MINUTE: Duration = Duration::from_secs(60);
        let set = River::new("set").event("placed").react(|packet: Packet| async move {
            let order: String = packet.get("order")?.unwrap_or_default();
            let overdue = Packet::event("overdue").with("order", &order);
            Ok(Outputs::new().later("due", &order, MINUTE * 2, overdue))
        });
        let cancel = River::new("cancel").event("paid").react(|packet: Packet| async move {
            Ok(Outputs::new().cancel("due", packet.get::<String>("order")?.unwrap_or_default()))
        });
        let mut rapids = TestRapids::new().service("order", [set, cancel]);
        let placed = |order: &str| Packet::event("placed").with("order", order);
        let first = placed("a");
        rapids.publish(first.clone()).await;
        rapids.publish(placed("b")).await;
        rapids.advance(MINUTE).await;
        rapids.publish(placed("a")).await;
        rapids.redeliver(first.id()).await;
        rapids.publish(Packet::event("paid").with("order", "b")).await;
        let waiting: Vec<_> = rapids.timers().iter().map(|(id, ..)| id.to_string()).collect();
        assert_eq!(waiting, ["order.due:a"]);
        rapids.advance(MINUTE).await;
        rapids.none("overdue");
        rapids.advance(MINUTE).await;
        let overdue = rapids.only("overdue");
        assert_eq!(overdue.timer().as_deref(), Some("order.due:a"));
        assert_eq!(overdue.arrival().unwrap().stored, rapids.now());
        assert_eq!(overdue.shown_publisher(), Some("order"));
    }

    #[tokio::test]
    async fn a_memory_that_nothing_moves_for_long_expires() {
        let minute = Duration::from_secs(60);
        let count = River::new("count").event("came").memory("counts", "'all'").expires(minute);
        let count = count.after_end(AfterEnd::New).react(|count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", *count))
        });
        let mut rapids = TestRapids::new().service("counter", [count]);
        for wait in [0, 59, 60] {
            rapids.advance(Duration::from_secs(wait)).await;
            rapids.publish(Packet::event("came")).await;
        }
        let counts = rapids.events("counted").into_iter();
        let counts: Vec<_> = counts.map(|packet| packet.get::<u64>("n").unwrap()).collect();
        assert_eq!(counts, [Some(1), Some(2), Some(1)]);
    }

    #[tokio::test]
    async fn a_time_that_is_over_is_now() {
        let set = River::new("set").event("placed").react(|_| async {
            Ok(Outputs::new().publish(Packet::event("seen")).later(
                "due",
                "",
                Timestamp::UNIX_EPOCH,
                Packet::event("overdue"),
            ))
        });
        let mut rapids = TestRapids::new().service("order", [set]);
        rapids.publish(Packet::event("placed")).await;
        let names: Vec<_> = rapids.packets().iter().filter_map(Packet::event_name).collect();
        assert_eq!(names, ["placed", "seen", "overdue"]);
    }

    #[tokio::test]
    async fn a_timer_without_a_proper_name_is_a_problem() {
        let set = River::new("set").event("placed").react(|_| async {
            Ok(Outputs::new().later("Due!", "k", Duration::ZERO, Packet::event("overdue")))
        });
        let mut rapids = TestRapids::new().service("order", [set]);
        rapids.publish(Packet::event("placed")).await;
        let [problem] = rapids.problems() else { panic!("{}", rapids.trail()) };
        assert_eq!(problem.kind, Kind::Rejected);
        assert!(problem.reason.starts_with("the timer `Due!` is refused: its name"), "{problem}");
    }
}
