//! The one stream of all packets: publishing to it and watching it.
//!
//! Everything that reads with a position of its own is a [`Service`](crate::Service).

mod ask;
mod by_sequence;
mod memory;
mod replicas;
mod stored_packet;
mod tail;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use ask::Asks;
pub use ask::{Answer, Ask, Collect};
pub use by_sequence::RawMessage;
pub use memory::{Change, MemoryEnd, MemorySize, MemoryView, MemoryWatch};
pub use replicas::{ReplicaState, Replication};
pub use tail::Tail;
pub use timers::{PutOff, TimerListing, WaitingTimer};

use crate::Result;
use crate::announcement::instances::{self, ServiceInfo};
use crate::announcement::stats::{self, ServiceStats};
use crate::config::Config;
use crate::connection::Connection;
use crate::jetstream::form::Form;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::publisher::{Outgoing, Published, Publisher, Sent};
use crate::jetstream::stream::{StreamContents, StreamFacts};
use crate::jetstream::timers::TimerStore;
use crate::jetstream::validity::LeaseValidity;
use crate::jetstream::{bulk, stream};
use crate::operations::Operations;
use crate::packet::Packet;
use crate::position::retire::{self, Retired, Retiring};
use crate::position::seek::{self, Seek, SeekReport};

use crate::position::status::{self, Position};
use crate::start::Start;

/// How long a publisher keeps trying while the server does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the rapids, for programs that publish or watch without being a service.
///
/// Cloning is cheap and shares the connection.
#[derive(Debug, Clone)]
pub struct Rapids {
    connection: Connection,
    facts: StreamFacts,
    publisher: Arc<Publisher>,
    timers: Arc<TimerStore>,
    asks: Arc<Asks>,
}

/// A packet on its way to the stream; see [`Rapids::send`]. Dropped before it is stored, it may be
/// stored or not.
#[derive(Debug)]
#[must_use = "a packet is stored for certain only once `stored` says so"]
pub struct Sending(Sent);

impl Sending {
    /// Waits until the packet is stored; while the server is away it is sent again under the same
    /// id.
    ///
    /// # Errors
    /// As for [`Rapids::publish`].
    pub async fn stored(self) -> Result<Published> {
        self.0.acknowledged(Patience::For(PATIENCE)).await
    }
}

impl Rapids {
    /// Connects, and creates the stream or checks that it is as it must be.
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect) if the server cannot be reached or turns the
    /// login away, [`Error::Stream`](crate::Error::Stream) if the stream exists with settings
    /// that the rapids cannot work with, or another one holds the subject,
    /// [`Error::Limit`](crate::Error::Limit) if the account or the server has no place for it,
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn connect(config: &Config) -> Result<Self> {
        let connection = Box::pin(Connection::open(config, "rapids")).await?;
        Box::pin(Self::over(connection)).await
    }

    /// Connects to a stream that exists, for programs that only look or publish: `None` if there
    /// is none. Creates and changes nothing on the server, and takes the stream as it is; but who then sets
    /// the first timer creates the stream for them.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), but not [`Error::Stream`](crate::Error::Stream).
    pub async fn open(config: &Config) -> Result<Option<Self>> {
        let connection = Box::pin(Connection::open(config, "rapids")).await?;
        let info = Box::pin(stream::info(&connection)).await?;
        match info {
            Some(info) => Ok(Some(Self::with_facts(connection, StreamFacts::from(&info)).await?)),
            None => Ok(None),
        }
    }

    pub(crate) async fn over(connection: Connection) -> Result<Self> {
        let facts = Box::pin(stream::ensure(&connection, Form::Simple)).await?;
        Self::with_facts(connection, facts).await
    }

    async fn with_facts(connection: Connection, facts: StreamFacts) -> Result<Self> {
        let publisher = Arc::new(Publisher::open(connection.clone(), &facts).await?);
        let timers =
            Arc::new(TimerStore::new(connection.clone(), facts.form, LeaseValidity::endless()));
        let asks = Arc::new(Asks::new(connection.clone(), facts));
        Ok(Self { connection, facts, publisher, timers, asks })
    }

    /// A publisher over the same connection that publishes only while a lease is valid.
    pub(crate) fn publisher_while_valid(&self, validity: LeaseValidity) -> Publisher {
        self.publisher.while_valid(validity)
    }

    /// Publishes a packet, and returns once the server has stored it.
    ///
    /// Fields of `rapids` that the packet lacks are filled in. Publishing the same packet again within ten
    /// minutes (or the age that packets are kept for, if that is less) stores nothing; while the
    /// server is away it is tried again under the same id.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) if the packet is too large,
    /// [`Error::Full`](crate::Error::Full) if the stream, the account or the server has no room,
    /// [`Error::Field`](crate::Error::Field) if a field could not be set,
    /// [`Error::Server`](crate::Error::Server) if there was no answer for 30 seconds: the packet
    /// may or may not be stored then. [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn publish(&self, packet: Packet) -> Result<Published> {
        self.send(packet).await?.stored().await
    }

    /// Hands a packet to the server, and returns before it is stored, for programs that have many
    /// packets under way. Packets are stored in the order of these calls, as long as the server answers.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) if the packet is too large,
    /// [`Error::Field`](crate::Error::Field) if a field could not be set.
    pub async fn send(&self, packet: Packet) -> Result<Sending> {
        let outgoing = self.publisher.prepare(&packet)?;
        Ok(self.sending(outgoing).await)
    }

    async fn sending(&self, outgoing: Outgoing) -> Sending {
        Sending(self.publisher.send(outgoing).await)
    }

    /// Asks with a packet: publishes it and waits for what comes of it.
    ///
    /// Only packets of its conversation count, those with its
    /// [`correlation_id`](Packet::correlation_id) that are stored behind it. Who answers, and whether
    /// anybody does, is not known, so there is a deadline, and none is hidden.
    ///
    /// What comes is read from the live feed, over one subscription for all asks of this connection
    /// and its clones: from the first ask until ten seconds after the last one. Where this user may not
    /// subscribe, or the stream sends no copies, the stream itself is read.
    ///
    /// A packet that [came](Answer::Came) is in the stream: a copy that would end the wait is compared
    /// with the stored packet, at the cost of one request. The other packets of
    /// [`TimedOut`](Answer::TimedOut) are not compared, and whoever may publish to `rapids.live` can
    /// forge one. They are kept in memory until the wait ends, however many come.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use rapids_client::{Answer, Config, Packet, Rapids};
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let order = Packet::command("place_order").with("customer", "ada");
    /// let asked = rapids.ask(order).until_event(["order_placed", "order_refused"]);
    /// match asked.within(Duration::from_secs(2)).await? {
    ///     Answer::Came(outcome) => println!("{outcome}"),
    ///     Answer::TimedOut(so_far) => println!("{} packets, and no outcome yet", so_far.len()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn ask(&self, packet: Packet) -> Ask {
        Ask::new(self.clone(), packet)
    }

    /// Publishes packets in order, many at a time, and returns once all are stored.
    ///
    /// Much faster than publishing one by one: up to 4,096 are in flight. Where the server is slow
    /// to answer, because it writes to the disk for each answer (`sync_interval: always`) or is far
    /// away, they are stored in batches of up to 1,000 after the first several hundred. They are
    /// stored in their order, unless the server did not answer and some had to be sent again; the
    /// answers come in that order in any case. That all or none of them is stored is not promised:
    /// only what a reaction returns is kept together.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish), the first one, after an answer for each packet that was
    /// under way: those before the one at fault, and up to 4,096 after it, may be stored.
    pub async fn publish_all(
        &self,
        packets: impl IntoIterator<Item = Packet>,
    ) -> Result<Vec<Published>> {
        bulk::publish(&self.publisher, Patience::For(PATIENCE), packets).await
    }

    /// The connection itself, with its login and TLS, for what is no packet, such as requests between programs
    /// and the service API of NATS. Clones share it; it is made again after an outage.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use rapids_client::{Config, Rapids};
    ///
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let answer = rapids.nats().request("catalogue.price", r#"{"sku":"summit/tent"}"#.into()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn nats(&self) -> async_nats::Client {
        self.connection.client.clone()
    }

    /// Watches the rapids from a point on, without a position on the server and without
    /// acknowledging anything.
    ///
    /// # Errors
    /// [`Error::Definition`](crate::Error::Definition) for a time in the future or before the
    /// server's, [`Error::Stream`](crate::Error::Stream) if there is no stream any more,
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn tail(&self, from: Start) -> Result<Tail> {
        Box::pin(Tail::open(&self.connection, from)).await
    }

    /// The packet with this sequence; `None` if the stream holds none there, because it has expired or is
    /// not stored yet.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) if its body is no packet; otherwise as for
    /// [`tail`](Self::tail).
    pub async fn packet(&self, sequence: u64) -> Result<Option<Packet>> {
        let mut tail = self.tail(Start::Sequence(sequence)).await?;
        let next = Box::pin(tail.next_stored_message()).await?;
        // Where there is none, the next one comes, whatever it is.
        let found = next.filter(|delivered| delivered.sequence == sequence);
        found.map(|delivered| tail.packet(delivered)).transpose()
    }

    /// Lists the services that are up: every instance that answers within this time.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn services(&self, wait: Duration) -> Result<Vec<ServiceInfo>> {
        instances::ask(&self.connection, wait).await
    }

    /// What every instance that answers within this time has counted since it started.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn stats(&self, wait: Duration) -> Result<Vec<ServiceStats>> {
        stats::ask(&self.connection, wait).await
    }

    /// How full the stream is; `None` if there is none any more.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn contents(&self) -> Result<Option<StreamContents>> {
        Ok(stream::info(&self.connection).await?.as_ref().map(StreamContents::from))
    }

    /// How far each service is, by name: also those that are down at present. Empty if there is no
    /// stream any more.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn positions(&self) -> Result<Vec<Position>> {
        Box::pin(status::all(&self.connection)).await
    }

    /// How far one service is; `None` if it has no position, because it has never run or was made
    /// to forget it.
    ///
    /// # Errors
    /// [`Error::Position`](crate::Error::Position) if it had one in exclusive delivery that was
    /// deleted, garbled, or in another stream. [`Error::Server`](crate::Error::Server),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn position(&self, service: &str) -> Result<Option<Position>> {
        Box::pin(status::one(&self.connection, service)).await
    }

    /// Moves the position of a service: to read the past again, to skip what waits, or to repair a
    /// position that was deleted, garbled, or in a stream that was made anew. `None` if the service
    /// has never run.
    ///
    /// With [`Start::Sequence`] the service goes on with that sequence, with [`Start::Now`] behind
    /// the last packet that is stored. Instances may run meanwhile: they finish what they have in hand,
    /// and go on from the new position. In exclusive delivery the active one is replaced, which takes
    /// three seconds: once its lease has run out, it or one that stands by goes on.
    ///
    /// Memories take a packet once, and keep up to where they have taken all: read again, packets
    /// of the past do not move them, and `once` reactions do not run. A service that is to
    /// [`forget`](Seek::forget) makes its memories anew from the past.
    ///
    /// If this is broken off, the instances of the service do the rest, or the next call does.
    ///
    /// # Errors
    /// [`Error::NotMoved`](crate::Error::NotMoved) for a sequence beyond the stream's end, and a time in
    /// the future; and in a stream that was made anew, for a service that has memories of the other
    /// one, unless it forgets them. [`Error::Stream`](crate::Error::Stream) if there is no stream any more,
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn move_position(
        &self,
        service: &str,
        to: Start,
        how: Seek,
    ) -> Result<Option<SeekReport>> {
        Box::pin(seek::move_position(&self.connection, service, to, how)).await
    }

    /// Tells what [`move_position`](Self::move_position) would mean now, and moves nothing. Whoever has decided
    /// by that moves to [`next`](SeekReport::next), with [`Seek::planned`].
    ///
    /// # Errors
    /// As for [`move_position`](Self::move_position).
    pub async fn plan_move(
        &self,
        service: &str,
        to: Start,
        how: Seek,
    ) -> Result<Option<SeekReport>> {
        Box::pin(seek::plan(&self.connection, service, to, how)).await
    }

    /// Retires a service: removes its position, its consumer on the stream of replays, and what is
    /// noted of it and of packets that it has not finished; also what it remembers, if it is to
    /// [`forget`](Retiring::forget). `None` if nothing is known of it. Its dead letters stay.
    ///
    /// Should a service of the name be started later, it is new.
    ///
    /// # Errors
    /// [`Error::NotRetired`](crate::Error::NotRetired) while an instance answers or reads;
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn retire(&self, service: &str, how: Retiring) -> Result<Option<Retired>> {
        Box::pin(retire::retire(&self.connection, service, how)).await
    }

    /// The log of what people did.
    pub fn operations(&self) -> Operations {
        Operations::over(self.connection.clone())
    }

    /// How many packets of a service may be unacknowledged over all its instances.
    pub(crate) fn max_ack_pending(&self) -> u32 {
        self.connection.max_ack_pending()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn facts(&self) -> &StreamFacts {
        &self.facts
    }
}
