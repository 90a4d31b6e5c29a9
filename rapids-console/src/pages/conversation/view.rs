//! What is shown of a conversation that was read: the facts, and the tree on its time axis.

use std::collections::BTreeSet;
use std::time::Duration;

use askama::Template;
use rapids_client::{Conversation, Timestamp};

use super::axis::{Axis, elapsed};
use super::folding::{Place, folds};
use super::lines::{Drawing, Line, changes, stored};
use super::source::Source;
use super::{Address, Wanted};
use crate::console::Console;
use crate::frame::Frame;
use crate::pages::packet::letters::is_open;
use crate::text::short;
use crate::times::{Time, count};

/// How many services are named.
const MOST_SERVICES: usize = 50;

/// What is shown of a conversation.
#[derive(Template)]
#[template(path = "conversation_tree.html")]
pub(super) struct View {
    action: String,
    wanted: Wanted,
    first: Time,
    last: Time,
    took: String,
    packets: String,
    letters: usize,
    waiting: usize,
    /// The services that took part, each with where it is on the map.
    services: Vec<(String, String)>,
    services_left_out: usize,
    packets_left_out: String,
    letters_left_out: usize,
    has_expired: bool,
    reading: String,
    missing: Option<String>,
    lines: Vec<Line>,
    matches: usize,
    first_match: Option<String>,
    is_folded: bool,
    unfolded: String,
    marks: [String; 3],
}

impl View {
    /// Draws what was read.
    pub(super) fn of(console: &Console, frame: &Frame, source: &Source, wanted: Wanted) -> Self {
        let conversation = &source.conversation;
        let nodes = conversation.tree();
        let span = Span::of(conversation);
        let whole = nodes.iter().filter_map(|node| node.since_first).max().unwrap_or_default();
        let axis = Axis::new(whole, wanted.is_widened());
        let mask = &console.mask;
        let changes = changes(conversation, mask);
        let drawing = Drawing { conversation, frame, mask, axis, changes };
        let mut lines = drawing.lines(&nodes);
        let query = wanted.q.trim().to_lowercase();
        let meant = wanted.at.parse().ok();
        for line in &mut lines {
            line.is_match = !query.is_empty() && line.has(&query);
            line.is_meant = meant.is_some() && line.sequence == meant;
        }
        let place = |(line, node): (&Line, &rapids_client::Node<'_>)| Place {
            depth: node.depth,
            is_letter: line.class == "letter",
            is_wanted: line.is_match || line.is_meant,
        };
        let places: Vec<_> = lines.iter().zip(&nodes).map(place).collect();
        for (line, fold) in lines.iter_mut().zip(folds(&places, wanted.is_unfolded())) {
            line.fold = fold;
        }
        let services = services(conversation);
        let on_map = |name: &&str| (short(name), frame.on_map(name));
        let address = Address { frame, id: &conversation.id, wanted: &wanted };
        Self {
            action: frame.to("/conversations/", &conversation.id),
            first: span.first.into(),
            last: span.last.into(),
            took: elapsed(span.took()),
            packets: count(conversation.packets.len() as u64),
            letters: conversation.letters.len(),
            waiting: conversation.letters.iter().filter(|letter| is_open(letter)).count(),
            services_left_out: services.len().saturating_sub(MOST_SERVICES),
            services: services.iter().take(MOST_SERVICES).map(on_map).collect(),
            packets_left_out: count(source.packets_left_out as u64),
            letters_left_out: source.letters_left_out,
            has_expired: conversation.has_expired,
            reading: source.reading.clone(),
            missing: source.missing.clone().map(short),
            matches: lines.iter().filter(|line| line.is_match).count(),
            first_match: lines.iter().find(|line| line.is_match).map(|line| line.anchor.clone()),
            is_folded: lines.iter().any(|line| line.fold.opens && !line.fold.is_open),
            unfolded: address.with("&open=1"),
            marks: axis.marks(),
            lines,
            wanted,
        }
    }
}

/// From the first packet to the last.
struct Span {
    first: Timestamp,
    last: Timestamp,
}

impl Span {
    fn of(conversation: &Conversation) -> Self {
        let times = || conversation.packets.iter().map(stored);
        let first = times().min().unwrap_or_default();
        Self { first, last: times().max().unwrap_or_default() }
    }

    fn took(&self) -> Duration {
        Duration::try_from(self.last.duration_since(self.first)).unwrap_or_default()
    }
}

/// The services that published its packets, or failed to handle one.
fn services(conversation: &Conversation) -> BTreeSet<&str> {
    let publishers = conversation.packets.iter().filter_map(|packet| packet.shown_publisher());
    let failed = conversation.letters.iter().map(|letter| letter.letter.id.service());
    publishers.chain(failed).collect()
}
