//! What a river tells the others of a packet that it has given up, or has handled after all.
//!
//! Declares it, and gives what is told its place in the conversation. When it is told, and once, is left to
//! [`delivery`](crate::delivery).

use std::fmt;
use std::sync::Arc;

use super::River;
use crate::letter_id::LetterId;
use crate::letter_kind::Kind;
use crate::packet::Packet;

type OnGiveUp = dyn Fn(&Packet, &GivenUp) -> Option<Packet> + Send + Sync;
type OnRecovered = dyn Fn(&Packet) -> Option<Packet> + Send + Sync;

/// Why a river has given a packet up: what its dead letter says.
///
/// ```
/// use rapids_client::{GivenUp, Kind, Packet};
///
/// fn payment_failed(packet: &Packet, cause: &GivenUp) -> Packet {
///     Packet::event("payment_failed").with("reason", cause.reason())
/// }
///
/// let cause = GivenUp::new("payment.charge.17".parse()?, Kind::Exhausted, "no answer", 5);
/// let told = payment_failed(&Packet::event("order_placed"), &cause);
/// assert_eq!(told.get::<String>("reason")?.as_deref(), Some("no answer"));
/// # Ok::<(), rapids_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    letter: LetterId,
    kind: Kind,
    reason: String,
    attempts: u32,
}

impl GivenUp {
    /// What the dead letter of this id says, for tests of a function that takes it.
    #[must_use]
    pub fn new(letter: LetterId, kind: Kind, reason: impl Into<String>, attempts: u32) -> Self {
        Self { letter, kind, reason: reason.into(), attempts }
    }

    /// The dead letter, which is stored by then.
    #[must_use]
    pub fn letter(&self) -> &LetterId {
        &self.letter
    }

    /// Why, in one word.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Why, in the words of what failed. It may contain values of the packet.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How often the reaction was tried; 0 if it never was.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// What is to be told of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Telling {
    /// It was given up.
    GivenUp(GivenUp),
    /// The replay of this letter was handled.
    Recovered(LetterId),
}

impl Telling {
    pub(crate) fn letter(&self) -> &LetterId {
        match self {
            Self::GivenUp(cause) => &cause.letter,
            Self::Recovered(letter) => letter,
        }
    }
}

/// The functions of a river that say what is told.
#[derive(Clone, Default)]
pub(super) struct Tellers {
    on_give_up: Option<Arc<OnGiveUp>>,
    on_recovered: Option<Arc<OnRecovered>>,
}

impl River {
    /// Tells the others that a packet is given up: beside the [dead letter](crate::DeadLetter), which only
    /// operators see, this packet is published, so that who waits for an answer has one. The function takes
    /// the packet and why it was given up, and returns a packet, or `None` where there is nothing to tell.
    /// Default: nothing is told.
    ///
    /// The letter is stored first, then the packet, and only then the handled one counts as done, so a crash
    /// in between loses neither. The packet belongs to the conversation like any other that the river
    /// publishes, and comes once for each letter: its id is the same each time, which the stream knows for ten
    /// minutes. Its [`dead_letter`](Packet::dead_letter) names the letter. It is told of every kind of letter,
    /// also where the reaction never ran (`invalid`, `too_costly`, `crashed`), so the function relies on no
    /// field of the packet, and of such a packet it may be told before those in front of it in its key are
    /// decided. Of one that `looped` nothing is told, as that would loop on, nor of one that nests too deep to
    /// be read. An instance without the function, of an older program, tells nothing.
    ///
    /// The function takes the slot of a reaction, but no part in [`rate`](Self::rate) and
    /// [`breaker`](Self::breaker). It has no second try: if it panics, or returns what cannot be published,
    /// that is logged as an error, and the letter stands. It may run again after a crash, so no outside
    /// effect belongs in it. One that ends its process three times alone does not run again.
    ///
    /// ```
    /// use rapids_client::{GivenUp, Packet, River};
    ///
    /// let charge = River::new("charge")
    ///     .event("order_placed")
    ///     .on_give_up(|packet: &Packet, cause: &GivenUp| {
    ///         let order = packet.get::<String>("order_id").ok().flatten();
    ///         order.map(|order| {
    ///             Packet::event("payment_failed")
    ///                 .with("order_id", order)
    ///                 .with("reason", cause.kind().as_str())
    ///         })
    ///     })
    ///     .react(|_: Packet| async { Err::<(), _>(anyhow::anyhow!("the bank is down")) });
    ///
    /// let placed = Packet::event("order_placed").with("order_id", "o-1");
    /// let cause = GivenUp::new(
    ///     "payment.charge.17".parse()?,
    ///     rapids_client::Kind::Exhausted,
    ///     "the bank is down",
    ///     5,
    /// );
    /// let told = charge.given_up("payment", &placed, &cause)?.unwrap();
    /// assert_eq!(told.get::<String>("reason")?.as_deref(), Some("exhausted"));
    /// assert_eq!(told.causation_id(), Some(placed.id()));
    /// assert_eq!(told.dead_letter().as_deref(), Some("payment.charge.17"));
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    #[must_use]
    pub fn on_give_up<P: Into<Option<Packet>>>(
        mut self,
        tell: impl Fn(&Packet, &GivenUp) -> P + Send + Sync + 'static,
    ) -> Self {
        let tell: Arc<OnGiveUp> = Arc::new(move |packet, cause| tell(packet, cause).into());
        match self.tellers.on_give_up.replace(tell) {
            None => self,
            Some(_) => self.fault(twice(".on_give_up")),
        }
    }

    /// Tells the others that a packet which was given up is handled after all: this packet is published when
    /// an operator has had it replayed, or edited, and the reaction has succeeded. The function takes the
    /// packet, and returns one, or `None` where there is nothing to tell. Default: nothing is told beside
    /// what the reaction publishes.
    ///
    /// It is published behind what the reaction publishes, once for each letter, and is in all else like that
    /// of [`on_give_up`](Self::on_give_up): its [`dead_letter`](Packet::dead_letter) names the letter that
    /// was replayed. A replay that fails again has a letter of its own, and it is told again that the packet
    /// is given up. Where a packet is replayed that has no letter, nothing is told.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    ///
    /// let charge = River::new("charge")
    ///     .event("order_placed")
    ///     .on_recovered(|_: &Packet| Packet::event("payment_recovered"))
    ///     .react(|_: Packet| async { Ok(Packet::event("payment_received")) });
    ///
    /// let letter = "payment.charge.17".parse()?;
    /// let told = charge.recovered("payment", &Packet::event("order_placed"), &letter)?.unwrap();
    /// assert_eq!(told.dead_letter().as_deref(), Some("payment.charge.17"));
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    #[must_use]
    pub fn on_recovered<P: Into<Option<Packet>>>(
        mut self,
        tell: impl Fn(&Packet) -> P + Send + Sync + 'static,
    ) -> Self {
        let tell: Arc<OnRecovered> = Arc::new(move |packet| tell(packet).into());
        match self.tellers.on_recovered.replace(tell) {
            None => self,
            Some(_) => self.fault(twice(".on_recovered")),
        }
    }

    /// What [`on_give_up`](Self::on_give_up) tells of this packet, with its place in the conversation and its
    /// derived id; `None` if it tells nothing.
    ///
    /// For programs that run rivers without a server; [`Service`](crate::Service) does this by itself.
    ///
    /// # Errors
    /// [`Error::Field`](crate::Error::Field) if the packet cannot be written.
    pub fn given_up(
        &self,
        service: &str,
        packet: &Packet,
        cause: &GivenUp,
    ) -> crate::Result<Option<Packet>> {
        self.told(service, packet, &Telling::GivenUp(cause.clone()))
    }

    /// What [`on_recovered`](Self::on_recovered) tells of this packet when this letter about it was replayed,
    /// as [`given_up`](Self::given_up) does.
    ///
    /// # Errors
    /// [`Error::Field`](crate::Error::Field) if the packet cannot be written.
    pub fn recovered(
        &self,
        service: &str,
        packet: &Packet,
        letter: &LetterId,
    ) -> crate::Result<Option<Packet>> {
        self.told(service, packet, &Telling::Recovered(letter.clone()))
    }

    /// Whether it tells anything of any packet.
    pub(crate) fn has_tellers(&self) -> bool {
        self.tellers.on_give_up.is_some() || self.tellers.on_recovered.is_some()
    }

    /// Whether there may be something to tell of this packet.
    pub(crate) fn tells(&self, packet: &Packet, telling: &Telling) -> bool {
        let tells = match telling {
            Telling::GivenUp(cause) => {
                cause.kind != Kind::Looped && self.tellers.on_give_up.is_some()
            }
            Telling::Recovered(_) => self.tellers.on_recovered.is_some(),
        };
        tells && packet.beyond_limits().is_none()
    }

    /// What is told of this packet.
    pub(crate) fn told(
        &self,
        service: &str,
        packet: &Packet,
        telling: &Telling,
    ) -> crate::Result<Option<Packet>> {
        if !self.tells(packet, telling) {
            return Ok(None);
        }
        let Tellers { on_give_up, on_recovered } = &self.tellers;
        let told = match telling {
            Telling::GivenUp(cause) => on_give_up.as_ref().and_then(|tell| tell(packet, cause)),
            Telling::Recovered(_) => on_recovered.as_ref().and_then(|tell| tell(packet)),
        };
        let Some(told) = told else { return Ok(None) };
        told.check()?;
        let letter = telling.letter().to_string();
        let told = told.caused_by(packet, service, self.name(), telling.position());
        Ok(Some(told.of_letter(&letter)))
    }
}

impl Telling {
    /// Which of the packets that the river publishes about the handled one it is: the derived id depends on
    /// that, and so on the letter.
    fn position(&self) -> String {
        match self {
            Self::GivenUp(cause) => format!("give up {}", cause.letter),
            Self::Recovered(letter) => recovered_position(letter),
        }
    }
}

/// The place of what tells that the replay of a letter was handled, among what the river publishes.
pub(crate) fn recovered_position(letter: &LetterId) -> String {
    format!("recovered {letter}")
}

impl fmt::Debug for Tellers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tellers")
    }
}

fn twice(said: &str) -> String {
    format!("it says `{said}` twice, so the first would never run; remove one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge() -> River {
        River::new("charge")
            .event("placed")
            .on_give_up(|packet: &Packet, cause: &GivenUp| {
                let order = packet.get::<String>("order").ok().flatten()?;
                Some(Packet::event("failed").with("order", order).with("why", cause.reason()))
            })
            .on_recovered(|_: &Packet| Packet::event("recovered"))
            .react(|_: Packet| async { Ok(()) })
    }

    fn cause(letter: &str, kind: Kind) -> GivenUp {
        GivenUp::new(letter.parse().unwrap(), kind, "no answer", 5)
    }

    fn told(packet: &Packet, cause: &GivenUp) -> Option<Packet> {
        charge().given_up("payment", packet, cause).unwrap()
    }

    #[test]
    fn what_is_told_has_its_place_in_the_conversation_and_an_id_for_each_letter() {
        let packet = Packet::event("placed").with("order", "o-1");
        let first = told(&packet, &cause("payment.charge.17", Kind::Exhausted)).unwrap();
        assert_eq!(first.correlation_id(), packet.correlation_id());
        assert_eq!(first.causation_id(), Some(packet.id()));
        assert_eq!(first.breadcrumbs(), ["payment"]);
        assert_eq!(first.get::<String>("why").unwrap().as_deref(), Some("no answer"));
        let by_letter = River::new("r").when("@.rapids.dead_letter == 'payment.charge.17'");
        assert_eq!(by_letter.judge(&first), super::super::Verdict::Matches);
        let again = told(&packet, &cause("payment.charge.17", Kind::Rejected)).unwrap();
        assert_eq!(again.id(), first.id());
        let letter = "payment.charge.17".parse().unwrap();
        let recovered = charge().recovered("payment", &packet, &letter).unwrap().unwrap();
        let other = told(&packet, &cause("payment.charge.17-2", Kind::Exhausted)).unwrap();
        assert!(first.id() != recovered.id() && first.id() != other.id());
        assert_eq!(recovered.dead_letter(), first.dead_letter());
        assert_eq!(packet.dead_letter(), None);
    }

    #[test]
    fn nothing_is_told_of_a_loop_and_where_the_river_has_nothing_to_tell() {
        let packet = Packet::event("placed").with("order", "o-1");
        assert_eq!(told(&packet, &cause("payment.charge.17", Kind::Looped)).map(|_| ()), None);
        let exhausted = cause("payment.charge.17", Kind::Exhausted);
        assert!(told(&Packet::event("placed"), &exhausted).is_none());
        let silent = River::new("charge").react(|_: Packet| async { Ok(()) });
        assert!(silent.given_up("payment", &packet, &exhausted).unwrap().is_none());
        assert!(silent.recovered("payment", &packet, exhausted.letter()).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let tell = |_: &Packet, _: &GivenUp| Packet::event("failed").with("rate", f64::NAN);
        let river = River::new("charge").on_give_up(tell);
        let cause = cause("payment.charge.17", Kind::Rejected);
        assert!(river.given_up("payment", &Packet::event("placed"), &cause).is_err());
    }

    #[test]
    fn a_river_that_tells_the_same_twice_is_declared_wrongly() {
        let river = charge()
            .on_give_up(|_: &Packet, _: &GivenUp| Packet::event("failed"))
            .on_recovered(|_: &Packet| None::<Packet>);
        let error = river.check().unwrap_err().to_string();
        for said in [".on_give_up", ".on_recovered"] {
            let fault = format!("it says `{said}` twice, so the first would never run; remove one");
            assert!(error.contains(&fault), "{error}");
        }
    }
}
