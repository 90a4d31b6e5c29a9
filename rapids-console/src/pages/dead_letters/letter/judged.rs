//! What the river of a letter, as it is announced now, would make of the packet.

use rapids_client::{Packet, RiverName, StoredLetter};

use crate::console::Console;
use crate::frame::Frame;
use crate::pages::packet::rivers::{Judged, Rivers};
use crate::text::short;

/// What the river would make of it, or why that is not known.
pub(in crate::pages::dead_letters) enum Judging {
    Judged(Box<Judged>),
    Unknown(String),
}

impl Judging {
    pub(super) async fn of(
        console: &Console,
        (stored, river): (&StoredLetter, &RiverName),
        frame: &Frame,
    ) -> Self {
        match stored.packet() {
            Ok(packet) => Self::of_packet(console, river, packet, frame).await,
            Err(error) => {
                let why = console.mask.sentence(&error.to_string());
                Self::Unknown(format!("The body is no packet, so no river takes it: {why}"))
            }
        }
    }

    /// What a river would make of this packet.
    pub(in crate::pages::dead_letters) async fn of_packet(
        console: &Console,
        name: &RiverName,
        packet: Packet,
        frame: &Frame,
    ) -> Self {
        let mut instances = console.status.latest().announced_by(name.service());
        if instances.is_empty() {
            let service = short(name.service());
            return Self::Unknown(format!(
                "No instance of {service} has answered, so its rules are not known."
            ));
        }
        for instance in &mut instances {
            instance.rules.retain(|rules| rules.name == name.river());
        }
        let (mask, frame) = (console.mask.clone(), frame.clone());
        // Rules may take their time in the processor.
        let judging =
            tokio::task::spawn_blocking(move || Rivers::of(&instances, &packet, &mask, &frame));
        let rivers = match judging.await {
            Ok(rivers) => rivers,
            Err(error) => return Self::Unknown(format!("It cannot be told: {error}")),
        };
        // Where instances differ, the one that it concerns.
        match rivers.concerned.into_iter().chain(rivers.ignoring).next() {
            Some(judged) => Self::Judged(Box::new(judged)),
            None => {
                let (service, river) = (short(name.service()), short(name.river()));
                Self::Unknown(format!("{service} announces no river {river} now."))
            }
        }
    }
}
