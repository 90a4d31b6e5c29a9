//! Reads a window of the rapids, for the map of it and for schemas.
//!
//! What is told of it is left to the map and the shapes of the library.

use rapids_client::map::{Observation, RapidsMap, Shapes, Window};
use rapids_client::{
    DeadLetters, Error, Filter, Packet, PacketName, Rapids, Result, ServiceInfo, Start, State,
    Tail, Timestamp,
};
use tokio::task::spawn_blocking;

/// So many packets are judged at a time on another thread, so that others are served meanwhile.
const AT_A_TIME: usize = 500;

/// Reads what was stored since a time, up to the end of the stream.
#[derive(Debug, Clone, Copy)]
pub struct WindowReader<'a> {
    rapids: &'a Rapids,
    since: Timestamp,
}

/// A map, and what operators are to be warned of.
#[derive(Debug)]
#[non_exhaustive]
pub struct ObservedMap {
    /// The map.
    pub map: RapidsMap,
    /// What is not on it, and why, each as a line. Names in it are those that others wrote: print them
    /// through [`printable`](rapids_client::printable).
    pub warnings: Vec<String>,
}

impl<'a> WindowReader<'a> {
    /// Begins with this time.
    #[must_use]
    pub fn new(rapids: &'a Rapids, since: Timestamp) -> Self {
        Self { rapids, since }
    }

    /// Reads the packets and those of the dead letters that wait, and draws the map with the services that
    /// answered; `None` if they could not be asked.
    ///
    /// # Errors
    /// The errors of [`Rapids::tail`], [`Tail::next_stored`] and [`DeadLetters::list`], except those that
    /// [`without_letters`] makes a warning of.
    pub async fn map(
        &self,
        letters: Option<&DeadLetters>,
        up: Option<&[ServiceInfo]>,
    ) -> Result<ObservedMap> {
        let (observation, tail) = self.begin(up).await?;
        let mut observation = Box::pin(each_packet(tail, observation, observe)).await?;
        let mut warnings = Vec::new();
        if let Some(letters) = letters {
            let reading = read_letters(&mut observation, letters, self.since, &mut warnings);
            if let Err(error) = Box::pin(reading).await {
                warnings.push(without_letters(error)?);
            }
        }
        Ok(ObservedMap::of(&observation, warnings))
    }

    /// As [`map`](Self::map), without dead letters, and with what packets look like.
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    pub async fn map_and_shapes(
        &self,
        up: Option<&[ServiceInfo]>,
    ) -> Result<(ObservedMap, Shapes)> {
        let (observation, tail) = self.begin(up).await?;
        let feed = |(observation, shapes): &mut (Observation, Shapes), packet: Option<&Packet>| {
            observe(observation, packet);
            packet.into_iter().for_each(|packet| shapes.packet(packet));
        };
        let state = (observation, Shapes::new());
        let (observation, shapes) = Box::pin(each_packet(tail, state, feed)).await?;
        Ok((ObservedMap::of(&observation, Vec::new()), shapes))
    }

    /// Tells what the packets of this name look like.
    ///
    /// # Errors
    /// The errors of [`Rapids::tail`] and [`Tail::next_stored`].
    pub async fn shapes(&self, name: &PacketName) -> Result<Shapes> {
        let tail = self.rapids.tail(Start::Time(self.since)).await?;
        let feed = |(shapes, name): &mut (Shapes, PacketName), packet: Option<&Packet>| {
            let packet = packet.filter(|packet| packet.names().contains(name));
            packet.into_iter().for_each(|packet| shapes.packet(packet));
        };
        let state = (Shapes::new(), name.clone());
        Ok(Box::pin(each_packet(tail, state, feed)).await?.0)
    }

    async fn begin(&self, up: Option<&[ServiceInfo]>) -> Result<(Observation, Tail)> {
        let tail = self.rapids.tail(Start::Time(self.since)).await?;
        let contents = self.rapids.contents().await?;
        let last_sequence = contents.map_or(0, |contents| contents.last_sequence);
        let window = Window::new(self.since, Timestamp::now(), last_sequence);
        let observation = match up {
            Some(up) => Observation::new(up, window),
            None => Observation::without_rivers(window),
        };
        Ok((observation, tail))
    }
}

/// Makes a warning of an error for which a map is drawn without dead letters: this user may not read them,
/// or their stream is not as it has to be.
///
/// # Errors
/// Any other error, unchanged.
pub fn without_letters(error: Error) -> Result<String> {
    match error {
        Error::NotPermitted { .. } | Error::Stream { .. } => {
            Ok(format!("dead letters are not read: {error}"))
        }
        error => Err(error),
    }
}

/// Feeds all packets that were stored when the tail was opened, and `None` for a body that is no packet.
async fn each_packet<S: Send + 'static>(
    mut tail: Tail,
    mut state: S,
    feed: fn(&mut S, Option<&Packet>),
) -> Result<S> {
    let mut read: Vec<Option<Packet>> = Vec::with_capacity(AT_A_TIME);
    loop {
        let next = match Box::pin(tail.next_stored()).await {
            Err(Error::Malformed { .. }) => Some(None),
            next => next?.map(Some),
        };
        let is_end = next.is_none();
        read.extend(next);
        if read.len() == AT_A_TIME || is_end {
            let packets = std::mem::replace(&mut read, Vec::with_capacity(AT_A_TIME));
            let feeding = spawn_blocking(move || {
                packets.iter().for_each(|packet| feed(&mut state, packet.as_ref()));
                state
            });
            state =
                feeding.await.expect("whoever waits keeps the runtime, and feeding never panics");
        }
        if is_end {
            return Ok(state);
        }
    }
}

fn observe(observation: &mut Observation, packet: Option<&Packet>) {
    match packet {
        Some(packet) => observation.packet(packet),
        None => observation.malformed(),
    }
}

/// Feeds the dead letters that were written since then and still wait: what somebody has dealt with is no
/// failure any more. Warns of each message that is no letter.
async fn read_letters(
    observation: &mut Observation,
    letters: &DeadLetters,
    since: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let mut listing = letters.list(&Filter::new().since(since).state(State::Waiting)).await?;
    loop {
        match listing.next().await {
            Ok(Some(stored)) => observation.letter(&stored.letter),
            Ok(None) => return Ok(()),
            Err(error @ Error::Stream { .. }) => warnings.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
}

impl ObservedMap {
    fn of(observation: &Observation, mut warnings: Vec<String>) -> Self {
        let map = observation.map();
        warnings.extend(what_is_missing(&map));
        Self { map, warnings }
    }
}

/// What is not on the map.
fn what_is_missing(map: &RapidsMap) -> Vec<String> {
    let unreadable = |service| {
        format!(
            "service `{service}` announces no rules that this program can read: what it takes is not \
             on the map"
        )
    };
    let mut missing: Vec<_> = map.unreadable.iter().map(unreadable).collect();
    let left_out = &map.left_out;
    if left_out.names > 0 {
        missing.push(format!(
            "{} packets are not on the map: their names are too long or too many",
            left_out.names
        ));
    }
    if left_out.counts > 0 {
        missing.push(format!(
            "the map is not complete: there are too many ways from packet to packet ({} times)",
            left_out.counts
        ));
    }
    if left_out.ids > 0 {
        missing.push(format!(
            "the window is too long to know which packet led to which everywhere: {} ids were \
             forgotten, and the cause of {} packets is not known",
            left_out.ids, left_out.causes
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_not_be_read_is_left_out_with_a_warning() {
        let refused = Error::NotPermitted { violation: "subscribe to `x`".to_owned() };
        let warning = without_letters(refused).unwrap();
        assert!(warning.starts_with("dead letters are not read: the server does not permit "));
        let other = Error::Malformed { reason: "x".to_owned() };
        assert!(without_letters(other).is_err());
    }
}
