//! Reads a window of the rapids, for the map of it and for schemas.

use anyhow::Result;
use clap::Args;
use rapids_client::map::{Observation, RapidsMap, Shapes, Window};
use rapids_client::{
    DeadLetters, Error, Filter, Packet, PacketName, Rapids, ServiceInfo, Start, Tail, Timestamp,
};
use tokio::task::spawn_blocking;

use crate::session::Session;
use crate::times::since;

/// So many packets are judged at a time on another thread, so that an interrupt is handled meanwhile.
const AT_A_TIME: usize = 500;

/// Which packets are looked at.
#[derive(Debug, Args)]
pub(crate) struct WindowArgument {
    /// Look at the packets stored since this time (`2026-11-21 09:30`, in UTC unless it says
    /// otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", default_value = "15m",
        value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Timestamp,
}

impl WindowArgument {
    /// Reads the packets and the dead letters, and draws the map with the services that answered; `None`
    /// if they could not be asked.
    ///
    /// # Errors
    /// The errors of the library.
    pub(crate) async fn map(
        &self,
        session: &Session,
        rapids: &Rapids,
        up: Option<&[ServiceInfo]>,
    ) -> Result<RapidsMap> {
        let (observation, tail) = self.begin(rapids, up).await?;
        let mut observation = Box::pin(each_packet(tail, observation, observe)).await?;
        Box::pin(letters(&mut observation, session, self.since)).await?;
        let map = observation.map();
        tell_what_is_missing(session, &map);
        Ok(map)
    }

    /// As [`map`](Self::map), without dead letters, and with what packets look like.
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    pub(crate) async fn map_and_shapes(
        &self,
        session: &Session,
        rapids: &Rapids,
        up: Option<&[ServiceInfo]>,
    ) -> Result<(RapidsMap, Shapes)> {
        let (observation, tail) = self.begin(rapids, up).await?;
        let feed = |(observation, shapes): &mut (Observation, Shapes), packet: Option<&Packet>| {
            observe(observation, packet);
            packet.into_iter().for_each(|packet| shapes.packet(packet));
        };
        let state = (observation, Shapes::new());
        let (observation, shapes) = Box::pin(each_packet(tail, state, feed)).await?;
        let map = observation.map();
        tell_what_is_missing(session, &map);
        Ok((map, shapes))
    }

    /// What the packets of this name look like.
    ///
    /// # Errors
    /// The errors of the library.
    pub(crate) async fn shapes(&self, rapids: &Rapids, name: &PacketName) -> Result<Shapes> {
        let tail = rapids.tail(Start::Time(self.since)).await?;
        let feed = |(shapes, name): &mut (Shapes, PacketName), packet: Option<&Packet>| {
            let packet = packet.filter(|packet| packet.names().contains(name));
            packet.into_iter().for_each(|packet| shapes.packet(packet));
        };
        let state = (Shapes::new(), name.clone());
        Ok(Box::pin(each_packet(tail, state, feed)).await?.0)
    }

    async fn begin(
        &self,
        rapids: &Rapids,
        up: Option<&[ServiceInfo]>,
    ) -> Result<(Observation, Tail)> {
        let tail = rapids.tail(Start::Time(self.since)).await?;
        let last_sequence = rapids.contents().await?.map_or(0, |contents| contents.last_sequence);
        let window = Window::new(self.since, Timestamp::now(), last_sequence);
        let observation = match up {
            Some(up) => Observation::new(up, window),
            None => Observation::without_rivers(window),
        };
        Ok((observation, tail))
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
            state = feeding.await?;
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

/// Feeds the dead letters that were written since then; none if there is no stream of them, if it is not as
/// it has to be, or if this user may not read it. Warns of each message that is no letter.
async fn letters(observation: &mut Observation, session: &Session, since: Timestamp) -> Result<()> {
    let reading = async {
        let Some(letters) = DeadLetters::open(&session.config()?).await? else {
            return Ok(());
        };
        let mut listing = letters.list(&Filter::new().since(since)).await?;
        loop {
            match listing.next().await {
                Ok(Some(stored)) => observation.letter(&stored.letter),
                Ok(None) => return anyhow::Ok(()),
                Err(error @ Error::Stream { .. }) => session.screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    };
    let Err(error) = reading.await else {
        return Ok(());
    };
    match error.downcast_ref() {
        Some(Error::NotPermitted { .. } | Error::Stream { .. }) => {
            session.screen.warning(format_args!("dead letters are not read: {error:#}"));
            Ok(())
        }
        _ => Err(error),
    }
}

/// Warns of what is not on the map.
fn tell_what_is_missing(session: &Session, map: &RapidsMap) {
    let screen = &session.screen;
    for service in &map.unreadable {
        screen.warning(format_args!(
            "service `{service}` announces no rules that this program can read: what it takes is not \
             on the map"
        ));
    }
    let left_out = &map.left_out;
    if left_out.names > 0 {
        screen.warning(format_args!(
            "{} packets are not on the map: their names are too long or too many",
            left_out.names
        ));
    }
    if left_out.counts > 0 {
        screen.warning(format_args!(
            "the map is not complete: there are too many ways from packet to packet ({} times)",
            left_out.counts
        ));
    }
    if left_out.ids > 0 {
        screen.warning(format_args!(
            "the window is too long to know which packet led to which everywhere: {} ids were \
             forgotten, and the cause of {} packets is not known",
            left_out.ids, left_out.causes
        ));
    }
}
