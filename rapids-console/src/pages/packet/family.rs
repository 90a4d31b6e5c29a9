//! What led to a packet, and what it led to, each as a line with a link.

use rapids_client::{Packet, Rapids};

use super::meant::packet_of;
use crate::console::Console;
use crate::fault::Result;
use crate::frame::Frame;
use crate::text::short;
use crate::times::{Time, count};

/// How many causes are followed up.
const MOST_CAUSES: usize = 20;
/// How many effects are shown, and counted.
const MOST_EFFECTS: usize = 100;
const MOST_COUNTED: usize = 10_000;

/// A packet as a line.
#[derive(Debug)]
pub(crate) struct Relative {
    pub(crate) address: String,
    pub(crate) sequence: u64,
    pub(crate) name: String,
    pub(crate) publisher: String,
    pub(crate) stored: Time,
}

/// What led to a packet, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    pub(crate) chain: Vec<Relative>,
    /// Why the chain begins where it does, if not with the first packet of the conversation.
    pub(crate) beginning: Option<String>,
    /// Where to look for the cause that is missing.
    pub(crate) missing: Option<String>,
}

/// What a packet led to, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) shown: Vec<Relative>,
    /// How many there are, in words.
    pub(crate) total: String,
    pub(crate) is_cut: bool,
}

/// What a packet is called: `order_placed`, `command place_order`, `need price, tax`.
pub(crate) fn named(packet: &Packet) -> String {
    let names: Vec<_> = packet.names().iter().map(ToString::to_string).collect();
    if names.is_empty() { "packet without a name".to_owned() } else { short(names.join(", ")) }
}

/// Which service published a packet.
pub(crate) fn publisher(packet: &Packet) -> String {
    packet.shown_publisher().map_or("outside".to_owned(), short)
}

impl Relative {
    pub(crate) fn of(packet: &Packet, frame: &Frame) -> Self {
        let arrival = packet.arrival();
        let sequence = arrival.map_or(0, |arrival| arrival.sequence);
        Self {
            address: frame.at(&format!("/packets/{sequence}")),
            sequence,
            name: named(packet),
            publisher: publisher(packet),
            stored: arrival.map_or(packet.created(), |arrival| arrival.stored).into(),
        }
    }
}

impl Causes {
    /// # Errors
    /// Those of [`Rapids::packets`].
    pub(crate) async fn of(
        console: &Console,
        rapids: &Rapids,
        packet: &Packet,
        frame: &Frame,
    ) -> Result<Self> {
        let mut causes = Self::default();
        let mut seen = vec![packet.id().to_owned()];
        let mut next = packet.causation_id().map(str::to_owned);
        while let Some(id) = next {
            if seen.contains(&id) {
                causes.beginning = Some("Here the causes lead in a circle.".to_owned());
                break;
            }
            if causes.chain.len() == MOST_CAUSES {
                let words = "There are more causes before these; the conversation has all.";
                causes.beginning = Some(words.to_owned());
                break;
            }
            let Some(cause) = packet_of(console, rapids, &id).await? else {
                causes.beginning = Some(format!(
                    "The cause {} is not among the newest packets, which are found at once.",
                    short(&id)
                ));
                causes.missing = Some(frame.to("/packets/", &id));
                break;
            };
            causes.chain.push(Relative::of(&cause, frame));
            next = cause.causation_id().map(str::to_owned);
            seen.push(id);
        }
        causes.chain.reverse();
        Ok(causes)
    }
}

impl Effects {
    /// # Errors
    /// Those of [`Rapids::packets`].
    pub(crate) async fn of(
        console: &Console,
        rapids: &Rapids,
        packet: &Packet,
        frame: &Frame,
    ) -> Result<Self> {
        let found = console.packets.caused_by(packet.id(), MOST_COUNTED);
        let first = &found[..found.len().min(MOST_EFFECTS)];
        let read = rapids.packets(first).await?;
        let caused = read.iter().filter(|it| it.causation_id() == Some(packet.id()));
        let shown: Vec<_> = caused.map(|effect| Relative::of(effect, frame)).collect();
        let is_cut = found.len() > MOST_EFFECTS;
        let total = if is_cut { found.len() } else { shown.len() };
        let more = if found.len() == MOST_COUNTED { "at least " } else { "" };
        Ok(Self { shown, total: format!("{more}{}", count(total as u64)), is_cut })
    }
}
