//! What an erasure finds, removes and leaves, in words and as JSON.

use anyhow::Result;
use rapids_client::{Erased, Held, HeldIn, Holdings, StayingPackets, Timestamp};
use serde::Serialize;

use crate::screen::Format;
use crate::session::Session;

/// What is told of an erasure.
pub(super) struct Report {
    /// What was removed, once it is.
    removed: Option<Vec<Held>>,
    /// What is there.
    holdings: Holdings,
    packets: Option<StayingPackets>,
}

impl Report {
    /// Of what is there to be removed.
    pub(super) fn found(holdings: Holdings, packets: Option<StayingPackets>) -> Self {
        Self { removed: None, holdings, packets }
    }

    /// Of what was removed.
    pub(super) fn done(self, erased: Erased) -> Self {
        let Erased { removed, left, .. } = erased;
        Self { removed: Some(removed), holdings: left, packets: self.packets }
    }

    /// How much there is that can be removed.
    pub(super) fn removable(&self) -> u64 {
        self.holdings.held.iter().map(|held| held.count - held.in_hand).sum()
    }

    /// Whether nothing is left.
    pub(super) fn is_complete(&self) -> bool {
        self.holdings.is_empty()
    }

    /// What came of it, for the log: how much was removed where, and how much was not.
    pub(super) fn outcome(&self) -> String {
        let removed = self.removed.iter().flatten().map(counted).collect::<Vec<_>>();
        let removed = if removed.is_empty() { "nothing".to_owned() } else { removed.join(", ") };
        let left: u64 = self.holdings.held.iter().map(|held| held.count).sum();
        let packets = self.packets.as_ref().map_or(0, |packets| packets.count);
        format!("removed {removed}; left: {left}, packets that stay: {packets}")
    }

    /// Prints the plan as messages, before anything is asked.
    pub(super) fn note(&self, session: &Session) {
        for line in self.lines() {
            session.screen.note(line);
        }
    }

    /// Prints it as the output.
    pub(super) fn print(&self, session: &Session, output: Format) -> Result<()> {
        match output {
            Format::Line => {
                self.lines().into_iter().try_for_each(|line| session.screen.line(line))?
            }
            Format::Json => return session.screen.json(&serde_json::to_string(&self.json())?),
        }
        self.warn(session);
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let held = &self.holdings.held;
        let mut lines = match &self.removed {
            None => listed("found", held),
            Some(removed) => {
                let mut lines = listed("removed", removed);
                if !held.is_empty() {
                    lines.extend(listed("left", held));
                    let why =
                        "services have that in hand, or have written it meanwhile; do this again";
                    lines.push(format!("left: {why}"));
                }
                lines
            }
        };
        lines.extend(self.packets.iter().flat_map(staying));
        if self.packets.is_none() {
            lines.push("stays: no packet of the stream RAPIDS".to_owned());
        }
        lines
    }

    /// Warns of what may be meant, and is not seen.
    fn warn(&self, session: &Session) {
        let Holdings { unjudged, unread, .. } = &self.holdings;
        for why in unread {
            session.screen.warning(format_args!("it is not known whose this is: {why}"));
        }
        let unjudged = unjudged + self.packets.as_ref().map_or(0, |packets| packets.unjudged);
        if unjudged > 0 {
            session.screen.warning(format_args!(
                "of {unjudged} more the expression cannot say whether it is true: they are no packets, \
                 repeat a key, or take too much to judge"
            ));
        }
    }

    fn json(&self) -> ReportJson<'_> {
        let Holdings { unjudged, unread, held: there, .. } = &self.holdings;
        let (found, left) = match self.removed {
            None => (Some(HeldJson::of_all(there)), None),
            Some(_) => (None, Some(HeldJson::of_all(there))),
        };
        let packets = self.packets.as_ref().map(PacketsJson::of);
        let removed = self.removed.as_deref().map(HeldJson::of_all);
        ReportJson { found, removed, left, unjudged: *unjudged, unread, packets }
    }
}

fn listed(what: &str, held: &[Held]) -> Vec<String> {
    match held.is_empty() {
        true => vec![format!("{what}: nothing")],
        false => held.iter().map(|held| format!("{what}: {}", counted(held))).collect(),
    }
}

/// Such as `2 dead letters of payment/charge`.
fn counted(held: &Held) -> String {
    let Held { kind, of, count, in_hand, .. } = held;
    let (one, many) = match kind {
        HeldIn::Timers => ("timer of", "timers of"),
        HeldIn::Fired => ("fired timer in", "fired timers in"),
        HeldIn::Letters => ("dead letter of", "dead letters of"),
        HeldIn::Replays => ("replay to", "replays to"),
        HeldIn::Memory => ("entry of the memory", "entries of the memory"),
        HeldIn::Returned => {
            ("unpublished result in the memory", "unpublished results in the memory")
        }
        HeldIn::Outcomes => ("outcome of the `once` reaction", "outcomes of the `once` reaction"),
        _ => ("of", "of"),
    };
    let in_hand = if *in_hand > 0 { format!(" ({in_hand} in hand)") } else { String::new() };
    format!("{count} {} {of}{in_hand}", if *count == 1 { one } else { many })
}

/// What is said of the packets that stay.
fn staying(packets: &StayingPackets) -> Vec<String> {
    let StayingPackets { count, first, last, until, unread_by, .. } = packets;
    let place = |(sequence, stored): &(u64, Timestamp)| format!("{sequence} ({stored:.0})");
    let staying = match count {
        1 => format!("1 packet in the stream RAPIDS, sequence {}", place(first)),
        _ => format!("{count} packets in the stream RAPIDS, {} to {}", place(first), place(last)),
    };
    let until = match until {
        Some(until) => format!("{until:.0}, by its max_age; to drop all that are older, sooner"),
        None => "for ever, as it has no max_age; to drop all that are older".to_owned(),
    };
    let mut lines = vec![
        format!("stays: {staying}"),
        format!("until: {until}: nats stream edit RAPIDS --max-age=AGE"),
    ];
    if !unread_by.is_empty() {
        lines.push(format!(
            "comes: {} will handle some of them yet, and may remember or set something again",
            unread_by.join(", ")
        ));
    }
    lines
}

/// All of it as JSON.
#[derive(Serialize)]
struct ReportJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Vec<HeldJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<HeldJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Vec<HeldJson<'a>>>,
    unjudged: u64,
    unread: &'a [String],
    packets: Option<PacketsJson<'a>>,
}

/// One place.
#[derive(Serialize)]
struct HeldJson<'a> {
    r#in: &'static str,
    of: &'a str,
    count: u64,
    in_hand: u64,
}

impl<'a> HeldJson<'a> {
    fn of_all(held: &'a [Held]) -> Vec<Self> {
        held.iter().map(Self::of).collect()
    }

    fn of(held: &'a Held) -> Self {
        Self { r#in: held.kind.as_str(), of: &held.of, count: held.count, in_hand: held.in_hand }
    }
}

/// The packets that stay.
#[derive(Serialize)]
struct PacketsJson<'a> {
    count: u64,
    first: PlaceJson,
    last: PlaceJson,
    until: Option<Timestamp>,
    unjudged: u64,
    unread_by: &'a [String],
}

impl<'a> PacketsJson<'a> {
    fn of(packets: &'a StayingPackets) -> Self {
        Self {
            count: packets.count,
            first: PlaceJson::of(packets.first),
            last: PlaceJson::of(packets.last),
            until: packets.until,
            unjudged: packets.unjudged,
            unread_by: &packets.unread_by,
        }
    }
}

/// Where a packet is.
#[derive(Serialize)]
struct PlaceJson {
    sequence: u64,
    stored: Timestamp,
}

impl PlaceJson {
    fn of((sequence, stored): (u64, Timestamp)) -> Self {
        Self { sequence, stored }
    }
}
