//! Takes in the packets of a window, one by one, and keeps what the map needs of them.
//!
//! Drawing the map from it is left to [`rapids_map`](super::rapids_map).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::halves::Halves;
use super::known_ids::{KnownIds, MOST_IDS};
use super::labels::{Numbered, is_kept, is_short};
use super::limited::Limited;
use super::{AnnouncedRiver, RapidsMap, rapids_map};
use crate::announcement::instances::ServiceInfo;
use crate::condition::Evaluation;
use crate::dead_letters::DeadLetter;
use crate::matcher::Matcher;
use crate::packet::{Packet, PacketName};
use crate::river::Verdict;

/// How many names of packets are told apart, services that publish, and pairs or triples of them.
const MOST_LABELS: usize = 2_000;
const MOST_PUBLISHERS: usize = 1_000;
pub(super) const MOST_COUNTS: usize = 20_000;

/// From when to when, and where the stream ended then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// When the oldest packet may have been stored.
    pub from: Timestamp,
    /// When the newest may have been stored.
    pub to: Timestamp,
    /// The sequence of the last packet of the stream: the later half of the window begins in the middle
    /// between the first packet and this one.
    pub last_sequence: u64,
}

impl Window {
    /// From when to when, and the sequence of the last packet of the stream then.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp, last_sequence: u64) -> Self {
        Self { from, to, last_sequence }
    }
}

/// What was seen in a window of the stream: feed it the packets in their order.
///
/// It keeps counts and hashes of ids, and no packet. The ids of the newest 500,000 packets are known, of
/// up to 1,000,000, so that it can be told which packet led to which; 2,000 names of packets are told
/// apart, 1,000 services, and 20,000 ways from a packet to another. What is beyond is counted in
/// [`LeftOut`](super::LeftOut).
#[derive(Debug)]
pub struct Observation {
    pub(super) window: Window,
    pub(super) rivers: Vec<AnnouncedRiver>,
    pub(super) rivers_known: bool,
    /// Services that answer, but announce no rules that can be read.
    pub(super) unreadable: BTreeSet<String>,
    pub(super) tally: Tally,
    matcher: Matcher,
    /// By label: the rivers that may take packets of these names.
    readers: Vec<Vec<usize>>,
    ids: KnownIds,
    /// The sequence of the first packet.
    first: Option<u64>,
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) packets: u64,
    pub(super) malformed: u64,
    /// The names of packets; none for those of no kind.
    pub(super) labels: Numbered<Vec<PacketName>>,
    /// Services; `None` for what came from outside.
    pub(super) publishers: Numbered<Option<String>>,
    /// By publisher and label.
    pub(super) published: Limited<(u32, u32)>,
    /// By the label of the cause, publisher and label.
    pub(super) flows: Limited<(u32, u32, u32)>,
    /// By the position of the river, and label.
    pub(super) halves: FxHashMap<(usize, u32), Halves>,
    /// By the position of the river: taken, and refused as malformed or too costly.
    pub(super) verdicts: Vec<(u64, u64)>,
    /// By service, river and kind.
    pub(super) letters: BTreeMap<(String, String, String), u64>,
    /// Packets whose cause is in the stream before the window, or was forgotten.
    pub(super) causes_unknown: u64,
    pub(super) ids_forgotten: u64,
    pub(super) names_left_out: u64,
    pub(super) counts_left_out: u64,
}

impl Observation {
    /// Begins with nothing seen, and the rivers of the services that answer.
    pub fn new(services: &[ServiceInfo], window: Window) -> Self {
        let rivers = AnnouncedRiver::all(services);
        let is_unreadable = |service: &&ServiceInfo| service.rules.is_empty();
        let unreadable = services.iter().filter(is_unreadable);
        Self {
            window,
            unreadable: unreadable.map(|service| service.name.clone()).collect(),
            tally: Tally::new(rivers.len()),
            matcher: Matcher::new(rivers.iter().map(AnnouncedRiver::river)),
            rivers,
            rivers_known: true,
            readers: Vec::new(),
            ids: KnownIds::new(MOST_IDS),
            first: None,
        }
    }

    /// Begins with nothing seen, where the services could not be asked: which rivers there are is not known,
    /// and nothing is told to be odd.
    pub fn without_rivers(window: Window) -> Self {
        Self { rivers_known: false, ..Self::new(&[], window) }
    }

    /// Takes in the next packet of the stream.
    pub fn packet(&mut self, packet: &Packet) {
        self.tally.packets += 1;
        let names = packet.names();
        let is_later = self.is_later(packet);
        let label = is_kept(&names).then(|| self.label(&names)).flatten();
        self.judge(packet, label, is_later);
        let Some(label) = label else {
            self.tally.names_left_out += 1;
            return;
        };
        let publisher = packet.shown_publisher().filter(|name| is_short(name)).map(str::to_owned);
        let Some(publisher) = self.tally.publishers.number(publisher) else {
            self.tally.names_left_out += 1;
            return;
        };
        self.tally.published.add((publisher, label), 1);
        self.ids.insert(packet.id(), label);
        self.tally.ids_forgotten = self.ids.forgotten;
        match packet.causation_id().map(|cause| self.ids.get(cause)) {
            Some(Some(cause)) => self.tally.flows.add((cause, publisher, label), 1),
            Some(None) => self.tally.causes_unknown += 1,
            None => {}
        }
    }

    /// Takes note of a body that is no packet.
    pub fn malformed(&mut self) {
        self.tally.malformed += 1;
    }

    /// Takes in a dead letter that was written in the window.
    pub fn letter(&mut self, letter: &DeadLetter) {
        let (service, river) = (letter.id.service().to_owned(), letter.id.river().to_owned());
        let key = (service, river, letter.kind.as_str().to_owned());
        let letters = &mut self.tally.letters;
        if letters.len() < MOST_COUNTS || letters.contains_key(&key) {
            *letters.entry(key).or_default() += 1;
        } else {
            self.tally.counts_left_out += 1;
        }
    }

    /// Draws the map of what was seen.
    #[must_use]
    pub fn map(&self) -> RapidsMap {
        rapids_map::of(self)
    }

    fn is_later(&mut self, packet: &Packet) -> bool {
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        let first = *self.first.get_or_insert(sequence);
        let middle = first + self.window.last_sequence.saturating_sub(first) / 2;
        sequence > middle
    }

    /// The number of these names. With a new one, the rivers that may take such packets are listed.
    fn label(&mut self, names: &[PacketName]) -> Option<u32> {
        let label = self.tally.labels.number(names.to_vec())?;
        if self.readers.len() < self.tally.labels.len() {
            let may_take =
                |river: &AnnouncedRiver| !river.takes_everything() && river.admits_one_of(names);
            let readers = self.rivers.iter().enumerate().filter(|(_, river)| may_take(river));
            self.readers.push(readers.map(|(position, _)| position).collect());
        }
        Some(label)
    }

    /// Takes note of what each river makes of the packet.
    fn judge(&mut self, packet: &Packet, label: Option<u32>, is_later: bool) {
        let body = packet.body();
        let candidates = self.matcher.candidates(&body);
        let evaluation = Evaluation::of(packet.node(), candidates.len());
        let judged = candidates.iter().map(|&river| {
            evaluation.next_river();
            (river, self.rivers[river].river().verdict(packet, &evaluation))
        });
        let judged: Vec<(usize, Verdict)> = judged.collect();
        for (river, verdict) in &judged {
            match verdict {
                Verdict::Matches => self.tally.verdicts[*river].0 += 1,
                Verdict::Invalid(_) | Verdict::TooCostly(_) => self.tally.verdicts[*river].1 += 1,
                Verdict::NotForMe | Verdict::Looped => {}
            }
        }
        let Some(label) = label else {
            return;
        };
        for &reader in &self.readers[label as usize] {
            let verdict = judged.iter().find(|(river, _)| *river == reader);
            let verdict = verdict.map(|(_, verdict)| verdict);
            let river = (&self.rivers[reader], packet);
            match self.tally.halves(reader, label) {
                Some(halves) => halves.add(river, verdict, is_later),
                None => self.tally.counts_left_out += 1,
            }
        }
    }
}

impl Tally {
    fn new(rivers: usize) -> Self {
        Self {
            packets: 0,
            malformed: 0,
            labels: Numbered::new(MOST_LABELS),
            publishers: Numbered::new(MOST_PUBLISHERS),
            published: Limited::new(MOST_COUNTS),
            flows: Limited::new(MOST_COUNTS),
            halves: FxHashMap::default(),
            verdicts: vec![(0, 0); rivers],
            letters: BTreeMap::new(),
            causes_unknown: 0,
            ids_forgotten: 0,
            names_left_out: 0,
            counts_left_out: 0,
        }
    }

    /// How a river fared with packets of a label; `None` if there are as many of these as may be.
    fn halves(&mut self, river: usize, label: u32) -> Option<&mut Halves> {
        let has_room = self.halves.len() < MOST_COUNTS;
        if !has_room && !self.halves.contains_key(&(river, label)) {
            return None;
        }
        Some(self.halves.entry((river, label)).or_default())
    }
}
