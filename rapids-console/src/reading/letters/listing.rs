//! What pages ask of the letters: groups, lists and searches.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use rapids_client::{LetterId, State, Tag};
use regex::RegexBuilder;

use super::LetterIndex;
use super::cause::{Cause, CauseMark};
use super::entry::Entry;
use super::kept::Kept;

/// Which letters are meant; all by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) service: Option<&'a str>,
    pub(crate) river: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) state: Option<State>,
    pub(crate) cause: Option<CauseMark>,
    /// The number of the job that acted on them last.
    pub(crate) job: Option<u32>,
}

/// Which part of a list is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Newest,
    /// Those before a sequence of the stream of dead letters.
    Before(u64),
    /// Those behind one.
    After(u64),
}

/// A group, with the letters of it that are meant.
#[derive(Debug, Clone)]
pub(crate) struct CauseRow {
    pub(crate) mark: CauseMark,
    pub(crate) service: Arc<str>,
    pub(crate) river: Arc<str>,
    pub(crate) kind: Arc<str>,
    /// The beginning of the masked reason.
    pub(crate) reason: Box<str>,
    /// How many letters are meant.
    pub(crate) count: u64,
    /// How many there are in any state.
    pub(crate) all: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// A letter as a line.
#[derive(Debug, Clone)]
pub(crate) struct LetterRow {
    pub(crate) id: LetterId,
    pub(crate) sequence: u64,
    pub(crate) state: State,
    pub(crate) kind: Arc<str>,
    pub(crate) name: Option<Arc<str>>,
    /// The beginnings of the ids, and of the reason.
    pub(crate) packet_id: String,
    pub(crate) correlation_id: String,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) written: Timestamp,
}

/// A part of a list, the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) rows: Vec<LetterRow>,
    /// How many there are altogether.
    pub(crate) total: u64,
    /// How many of them are newer than the first of these.
    pub(crate) newer: u64,
}

impl CauseRow {
    /// Such as `payment/charge`.
    pub(crate) fn river_name(&self) -> String {
        format!("{}/{}", self.service, self.river)
    }

    /// Whether letters of it came after somebody has tagged it.
    pub(crate) fn is_news_to(&self, tag: &Tag) -> bool {
        self.last > tag.at
    }
}

impl Selection<'_> {
    fn means(&self, cause: &Cause) -> bool {
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        is(self.service, &cause.service)
            && is(self.river, &cause.river)
            && is(self.kind, &cause.kind)
            && self.cause.is_none_or(|mark| mark == cause.mark)
    }
}

impl LetterIndex {
    /// The services, rivers and kinds of all letters.
    pub(crate) fn names(&self) -> [BTreeSet<Arc<str>>; 3] {
        self.read().causes.names()
    }

    /// The rivers that letters are of, each with its service.
    pub(crate) fn rivers(&self) -> BTreeSet<(Arc<str>, Arc<str>)> {
        let kept = self.read();
        kept.causes.all().map(|(_, cause)| (cause.service.clone(), cause.river.clone())).collect()
    }

    /// The groups of which letters are meant, in no order.
    pub(crate) fn causes(&self, selection: &Selection<'_>) -> Vec<CauseRow> {
        let kept = self.read();
        let mut times = vec![None; kept.causes.places()];
        for entry in kept.meant(selection) {
            if let Some(times) = times.get_mut(entry.group as usize) {
                let (_, last) = times.get_or_insert((entry.written, entry.written));
                *last = entry.written;
            }
        }
        let row = |(place, cause): (usize, &Cause)| {
            let (first, last) = (*times.get(place)?)?;
            Some(CauseRow {
                mark: cause.mark,
                service: cause.service.clone(),
                river: cause.river.clone(),
                kind: cause.kind.clone(),
                reason: cause.reason.clone(),
                count: cause.count(selection.state),
                all: cause.count(None),
                first: Timestamp::from_microsecond(first).ok()?,
                last: Timestamp::from_microsecond(last).ok()?,
            })
        };
        kept.causes.all().filter_map(row).collect()
    }

    /// How many letters of each job have failed again, by its number.
    pub(crate) fn failed_again(&self) -> HashMap<u32, u64> {
        let mut failed = HashMap::new();
        let kept = self.read();
        for entry in kept.entries.iter().filter(|entry| entry.state == State::FailedAgain) {
            *failed.entry(entry.job).or_default() += 1;
        }
        failed
    }

    /// The letters that are meant: at most so many of them.
    pub(crate) fn list(&self, selection: &Selection<'_>, part: Part, most: usize) -> Listed {
        let kept = self.read();
        let (mut chosen, mut total, mut newer) = (VecDeque::new(), 0, 0);
        for entry in kept.meant(selection).rev() {
            total += 1;
            match part {
                Part::Before(sequence) if entry.sequence >= sequence => newer += 1,
                // Of those behind a sequence, the last that were met are next to it.
                Part::After(sequence) if entry.sequence > sequence && chosen.len() == most => {
                    chosen.pop_front();
                    chosen.push_back(entry);
                    newer += 1;
                }
                Part::After(sequence) if entry.sequence <= sequence => {}
                _ if chosen.len() < most => chosen.push_back(entry),
                _ => {}
            }
        }
        let rows = chosen.into_iter().filter_map(|entry| kept.row(entry)).collect();
        Listed { rows, total, newer }
    }

    /// The letters in which a text is found, in whatever case: in ids, names, and unless values are masked, in
    /// the beginnings of reasons.
    pub(crate) fn search(&self, text: &str, in_reasons: bool, most: usize) -> Listed {
        let pattern = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).build();
        // Only a text that is longer than a query may be is no pattern.
        let Ok(pattern) = pattern else { return Listed::default() };
        let hash = self.hash(text);
        let kept = self.read();
        let (mut found, mut searched) = (Listed::default(), String::new());
        for entry in kept.entries.iter().rev() {
            kept.write_searched(entry, in_reasons, &mut searched);
            let is_id = entry.packet == hash || entry.conversation == hash;
            if is_id || pattern.is_match(&searched) {
                found.total += 1;
                if found.rows.len() < most {
                    found.rows.extend(kept.row(entry));
                }
            }
        }
        found
    }

    /// The group of this mark, and how many letters it has.
    pub(crate) fn cause(&self, mark: CauseMark) -> Option<CauseRow> {
        self.read().causes.place_of(mark)?;
        self.causes(&Selection { cause: Some(mark), ..Selection::default() }).pop()
    }
}

impl Kept {
    /// The letters that are meant, the oldest first.
    fn meant(&self, selection: &Selection<'_>) -> impl DoubleEndedIterator<Item = &Entry> {
        let mut is_meant = vec![false; self.causes.places()];
        for (place, cause) in self.causes.all() {
            is_meant[place] = selection.means(cause);
        }
        let (state, job) = (selection.state, selection.job);
        self.entries.iter().filter(move |entry| {
            is_meant.get(entry.group as usize) == Some(&true)
                && state.is_none_or(|state| state == entry.state)
                && job.is_none_or(|job| job == entry.job)
        })
    }

    fn row(&self, entry: &Entry) -> Option<LetterRow> {
        Some(LetterRow {
            id: self.id(entry)?,
            sequence: entry.sequence,
            state: entry.state,
            kind: self.causes.get(entry.group)?.kind.clone(),
            name: entry.name.clone(),
            packet_id: entry.packet_id().to_owned(),
            correlation_id: entry.correlation_id().to_owned(),
            reason: entry.reason().to_owned(),
            attempts: entry.attempts,
            written: Timestamp::from_microsecond(entry.written).ok()?,
        })
    }

    /// Writes what of a letter is searched, a part a line.
    fn write_searched(&self, entry: &Entry, in_reasons: bool, searched: &mut String) {
        searched.clear();
        if let Some(cause) = self.causes.get(entry.group) {
            for part in [&cause.service, ".", &cause.river, "."] {
                searched.push_str(part);
            }
        }
        searched.push_str(entry.token());
        let reason = if in_reasons { entry.reason() } else { "" };
        let name = entry.name.as_deref().unwrap_or_default();
        for part in [entry.packet_id(), entry.correlation_id(), name, reason] {
            searched.push('\n');
            searched.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{index, settle};
    use super::*;

    fn tokens(listed: &Listed) -> Vec<u64> {
        listed.rows.iter().map(|row| row.sequence).collect()
    }

    #[test]
    fn groups_tell_the_letters_that_are_meant_among_all() {
        let index = index(10, 5);
        settle(&index, 5, State::Discarded);
        let waiting = Selection { state: Some(State::Waiting), ..Selection::default() };
        let mut causes = index.causes(&waiting);
        causes.sort_by(|one, two| two.service.cmp(&one.service));
        let told: Vec<_> = causes
            .iter()
            .map(|it| (&*it.service, &*it.reason, it.count, it.all, it.last.as_second()))
            .collect();
        let reason = "bank <n> says no";
        assert_eq!(told, [("payment", reason, 2, 3, 3), ("order", reason, 2, 2, 4)]);
        let mark = causes[0].mark;
        assert_eq!(index.cause(mark).unwrap().last.as_second(), 5);
        assert_eq!(index.causes(&Selection { river: Some("place"), ..waiting }).len(), 1);
    }

    #[test]
    fn lists_go_from_the_newest_to_the_oldest_and_back() {
        let index = index(10, 10);
        let all = Selection::default();
        let page = |from| {
            let listed = index.list(&all, from, 4);
            (tokens(&listed), listed.newer)
        };
        assert_eq!(page(Part::Newest), (vec![10, 9, 8, 7], 0));
        assert_eq!(page(Part::Before(7)), (vec![6, 5, 4, 3], 4));
        assert_eq!(page(Part::Before(3)), (vec![2, 1], 8));
        assert_eq!(page(Part::After(2)), (vec![6, 5, 4, 3], 4));
        assert_eq!(page(Part::After(6)), (vec![10, 9, 8, 7], 0));
        let of_payment = Selection { service: Some("payment"), ..all };
        assert_eq!(index.list(&of_payment, Part::Newest, 2).total, 5);
    }

    #[test]
    fn a_search_finds_ids_names_and_reasons_in_any_case() {
        let index = index(10, 4);
        settle(&index, 3, State::Discarded);
        let found = |text| tokens(&index.search(text, true, 10));
        assert_eq!(found("payment.charge.3"), [3]);
        assert_eq!(found("P-1"), [3, 1]);
        assert_eq!(found("c-2"), [4, 2]);
        assert_eq!(found("ORDER_PLACED").len(), 4);
        assert_eq!(found("BANK 4"), [4]);
        assert_eq!(found("bank ."), [0; 0]);
        assert!(index.search("bank", false, 10).rows.is_empty(), "masked");
        let capped = index.search("p-", true, 3);
        assert_eq!((capped.rows.len(), capped.total), (3, 4));
    }
}
