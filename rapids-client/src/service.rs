//! A service: a name, its rivers, and how it runs.
//!
//! Declares a service. Running it is left to [`delivery`](crate::delivery).

mod bundle;
mod flow;
mod memories;
mod needs;
mod version;

use jiff::Timestamp;

pub use bundle::{Bundle, bundle};
pub(crate) use memories::SharedMemory;
pub(crate) use needs::ServiceNeeds;
use version::is_version;

use crate::condition::Evaluation;
use crate::config::{Config, Delivery};
use crate::packet::Packet;
use crate::river::{River, Verdict};
use crate::start::Start;
use crate::{Error, Result};
use flow::Flow;

/// One or more rivers that share a name and a position in the stream.
///
/// All instances of a service share the work: each packet goes to one of them. A service keeps
/// its position over restarts.
///
/// ```no_run
/// use rapids_client::{Packet, River, Service, telemetry};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> anyhow::Result<()> {
///     telemetry::init();
///     let greet = River::new("greet").event("visitor_came").react(on_visitor_came);
///     Service::from_env("greeter")?.river(greet).run().await?;
///     Ok(())
/// }
///
/// async fn on_visitor_came(_: Packet) -> anyhow::Result<Packet> {
///     Ok(Packet::event("visitor_greeted"))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Service {
    name: String,
    version: String,
    rivers: Vec<River>,
    start: Option<Start>,
    flow: Flow,
    config: Config,
}

impl Service {
    /// A service of this name, with the settings of the environment.
    ///
    /// The name is that of its position on the server, of `[a-z0-9_-]`, at most 32 characters.
    ///
    /// # Errors
    /// [`Error::Config`] if a variable has a value that it cannot have.
    pub fn from_env(name: impl Into<String>) -> Result<Self> {
        Ok(Self::new(name, Config::from_env()?))
    }

    /// A service of this name with these settings.
    pub fn new(name: impl Into<String>, config: Config) -> Self {
        Self {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rivers: Vec::new(),
            start: None,
            flow: Flow::default(),
            config,
        }
    }

    /// Adds a river. A packet goes to every river that takes it, in the order of these calls.
    #[must_use]
    pub fn river(mut self, river: River) -> Self {
        self.rivers.extend(river.of_service(&self.name));
        self.share_expiry();
        self
    }

    /// Sets the version that the service announces, as three numbers, such as `1.4.0` or
    /// `1.4.0-rc.1`. Default: the library's.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// This packet as the service handles it: the ids of what it leads to are derived with the newest
    /// [key](Config::id_key) of the service, if it has one.
    ///
    /// For programs that run rivers without a server; a running service does this by itself.
    #[must_use]
    pub fn handled(&self, packet: Packet) -> Packet {
        packet.with_id_key(self.config.id_keys.newest().cloned())
    }

    /// Starts a new service with the oldest packet that the stream holds, instead of the next
    /// one. A service that has a position continues there, each time that it is started again.
    ///
    /// To read the past once more, move the position: `rapids position <service> --to-beginning`,
    /// or [`Rapids::move_position`](crate::Rapids::move_position). What it remembers passes old
    /// packets by, unless it is to forget that too (`--forget`). What its reactions publish about
    /// packets older than ten minutes is stored once more in any case.
    #[must_use]
    pub fn from_beginning(self) -> Self {
        self.start_at(Start::Beginning)
    }

    /// Starts a new service with this sequence; otherwise as
    /// [`from_beginning`](Self::from_beginning).
    #[must_use]
    pub fn from_sequence(self, sequence: u64) -> Self {
        self.start_at(Start::Sequence(sequence))
    }

    /// Starts a new service with the first packet stored at or after this time, which may not be in
    /// the future; otherwise as [`from_beginning`](Self::from_beginning).
    #[must_use]
    pub fn from_time(self, time: Timestamp) -> Self {
        self.start_at(Start::Time(time))
    }

    fn start_at(mut self, start: Start) -> Self {
        self.start = Some(start);
        self
    }

    /// Sets how many reactions of the service run at once in each instance. Default: 1.
    ///
    /// With more than one, packets overtake each other; [`ordered_by`](Self::ordered_by) keeps
    /// the order where it matters.
    #[must_use]
    pub fn concurrency(mut self, reactions: usize) -> Self {
        self.flow.concurrency = reactions;
        self
    }

    /// Keeps packets in order that have the same value at this path, such as `@.order_id`: they
    /// run one after the other in stream order, also while one of them is being tried again.
    /// Packets without a string, a number or a boolean there are in no order among each other.
    /// Default: no path.
    ///
    /// The order holds within one instance of the service, for as long as it runs; in
    /// [exclusive](Self::exclusive) delivery also from one to the next.
    #[must_use]
    pub fn ordered_by(mut self, path: &str) -> Self {
        self.flow.order_by(path);
        self
    }

    /// Lets one instance of the service read all packets, in stream order, while the others stand
    /// by. Default: all instances share the packets, unless `RAPIDS_DELIVERY` says `exclusive`.
    ///
    /// The packets come from the copies that the server sends of what it has stored, so a service
    /// costs the server a fraction of what it does in shared delivery; worth it where services are
    /// many, or order matters across crashes. A standby takes over within about three seconds of
    /// the active instance's last sign of life, and at once where that ends by itself. What an
    /// instance has begun while it was stopped for longer than that may still come to its end: what
    /// it publishes and remembers has no effect twice, but other effects may.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.config.delivery = Delivery::Exclusive;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that it announces.
    pub(crate) fn announced_version(&self) -> &str {
        &self.version
    }

    /// The rivers in the order of their declaration.
    pub fn rivers(&self) -> &[River] {
        &self.rivers
    }

    /// What each river makes of a packet. A packet that a river would take or report, and that has
    /// made as many hops as it may, is [`Looped`](Verdict::Looped) instead.
    ///
    /// All rivers together take at most 300 million steps, and half of these are divided equally: a
    /// river whose rules are [too costly](Verdict::TooCostly) leaves enough for the others.
    pub fn judge(&self, packet: &Packet) -> Vec<(&River, Verdict)> {
        let all: Vec<usize> = (0..self.rivers.len()).collect();
        let verdicts = self.verdicts(&all, packet).into_iter();
        verdicts.map(|(river, verdict)| (&self.rivers[river], verdict)).collect()
    }

    /// What some of the rivers make of a packet.
    pub(crate) fn verdicts(&self, rivers: &[usize], packet: &Packet) -> Vec<(usize, Verdict)> {
        let looped = packet.read_count() >= u64::from(self.config.read_limit);
        let evaluation = Evaluation::of(packet.node(), rivers.len());
        let judge = |&river: &usize| {
            evaluation.next_river();
            let verdict = match self.rivers[river].verdict(packet, &evaluation) {
                Verdict::Matches | Verdict::Invalid(_) if looped => Verdict::Looped,
                verdict => verdict,
            };
            (river, verdict)
        };
        rivers.iter().map(judge).collect()
    }

    /// Reports every fault of the declaration at once.
    ///
    /// # Errors
    /// [`Error::Definition`]: a name or a version that is none, no river, two rivers of one name,
    /// an expression that does not parse, a river without a reaction, one memory of two types,
    /// limits that let nothing through.
    pub fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        if !crate::names::is_name(&self.name) {
            faults.push(crate::names::RULE.to_owned());
        }
        faults.extend(self.flow.faults());
        for river in &self.rivers {
            let named = |fault| format!("river `{}`: {fault}", river.name());
            faults.extend(river.faults().into_iter().map(named));
        }
        if !is_version(&self.version) {
            let version = &self.version;
            faults.push(format!("its version `{version}` is not three numbers, such as `1.4.0`"));
        }
        faults.extend(self.start.and_then(|start| start.fault(Timestamp::now())));
        if self.rivers.is_empty() {
            faults.push("it has no river; add one with `.river(...)`".to_owned());
        }
        for (position, river) in self.rivers.iter().enumerate() {
            if self.rivers[..position].iter().any(|other| other.name() == river.name()) {
                faults.push(format!("river name `{}` is taken twice", river.name()));
            }
        }
        faults.extend(self.memory_faults());
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Definition { of: format!("service `{}`", self.name), faults })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.config.delivery == Delivery::Exclusive
    }

    pub(crate) fn concurrency_limit(&self) -> usize {
        self.flow.concurrency
    }

    /// The value that packets have in common which must not overtake each other.
    pub(crate) fn order_key(&self, packet: &Packet) -> Option<String> {
        self.flow.order_key(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Service {
        Service::new(name, Config::new("nats://127.0.0.1:4222").read_limit(3))
    }

    fn river(name: &str) -> River {
        River::new(name).event("x").react(|_: Packet| async { Ok(()) })
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let faulty = service("Pay ment").river(river("a")).river(river("b").when("@.n >> 1"));
        let error = faulty.river(river("a")).check().unwrap_err().to_string();
        let expected = "service `Pay ment` is declared wrongly: its name is not 1 to 32 characters \
                        of a-z, 0-9, `_` and `-`; river `b`: expression `@.n >> 1` is wrong at \
                        column 6: ";
        assert!(error.starts_with(expected), "{error}");
        assert!(error.ends_with("; river name `a` is taken twice"), "{error}");
        let empty = service("payment").check().unwrap_err().to_string();
        assert!(empty.contains("it has no river"), "{empty}");
        assert!(service("payment").river(river("a")).check().is_ok());
    }

    #[test]
    fn a_packet_at_the_limit_of_hops_is_a_loop_to_those_that_would_take_it() {
        let service = service("s").river(river("taking")).river(River::new("other").event("y"));
        let packet = Packet::from_bytes(r#"{"event":"x","rapids":{"read_count":3}}"#).unwrap();
        let verdicts: Vec<_> =
            service.judge(&packet).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::Looped, Verdict::NotForMe]);
    }
}
