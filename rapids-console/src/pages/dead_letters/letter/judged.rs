//! What the river of a letter, as it is announced now, would make of the packet.

use rapids_client::StoredLetter;

use crate::console::Console;
use crate::frame::Frame;
use crate::pages::packet::rivers::{Judged, Rivers};
use crate::text::short;

/// What the river would make of it, or why that is not known.
pub(super) enum Judging {
    Judged(Box<Judged>),
    Unknown(String),
}

impl Judging {
    pub(super) async fn of(console: &Console, stored: &StoredLetter, frame: &Frame) -> Self {
        let id = &stored.letter.id;
        let packet = match stored.packet() {
            Ok(packet) => packet,
            Err(error) => {
                let why = console.mask.sentence(&error.to_string());
                return Self::Unknown(format!(
                    "The body is no packet, so no river takes it: {why}"
                ));
            }
        };
        let status = console.status.latest();
        let instances = status.services.get(id.service()).map(|it| it.instances.clone());
        let instances = instances.unwrap_or_default();
        if instances.is_empty() {
            let service = short(id.service());
            return Self::Unknown(format!(
                "No instance of {service} has answered, so its rules are not known."
            ));
        }
        let (mask, frame) = (console.mask.clone(), frame.clone());
        // Rules may take their time in the processor.
        let judging =
            tokio::task::spawn_blocking(move || Rivers::of(&instances, &packet, &mask, &frame));
        let rivers = match judging.await {
            Ok(rivers) => rivers,
            Err(error) => return Self::Unknown(format!("It cannot be told: {error}")),
        };
        let river = short(id.river());
        let mut judged = rivers.concerned.into_iter().chain(rivers.ignoring);
        judged.find(|judged| judged.river == river).map_or_else(
            || Self::Unknown(format!("{} announces no river {river} now.", short(id.service()))),
            |judged| Self::Judged(Box::new(judged)),
        )
    }
}
