//! The table of groups.

use std::collections::HashMap;

use rapids_client::{State, Tag};

use super::sort::{By, Sort};
use super::state_mark::StateMark;
use super::wanted::Wanted;
use crate::console::Console;
use crate::frame::Frame;
use crate::reading::letters::{CauseMark, CauseRow, Selection};
use crate::text::{short, shown};
use crate::times::{Time, count, several};

/// So many groups are on a page.
const MOST: usize = 200;

/// What the table shows.
pub(super) struct Groups {
    pub(super) rows: Vec<Row>,
    /// What is counted: `Waiting`.
    pub(super) counted: Column,
    pub(super) river: Column,
    pub(super) first: Column,
    pub(super) last: Column,
    /// Whether letters in other states are counted beside these.
    pub(super) has_all: bool,
    pub(super) total: String,
    pub(super) which: String,
    pub(super) letters: String,
    /// Those that are not shown, as somebody has tagged them, or as nobody has.
    pub(super) others: Option<Others>,
    pub(super) shows_tagged: bool,
    pub(super) before: Option<String>,
    pub(super) next: Option<String>,
    /// The same letters one by one.
    pub(super) one_by_one: String,
}

/// A heading that sorts.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) address: String,
    /// The value of `aria-sort`, if it is sorted by this.
    pub(super) sorted: Option<&'static str>,
    pub(super) mark: &'static str,
}

/// A line of the table.
pub(super) struct Row {
    pub(super) address: String,
    pub(super) count: String,
    pub(super) all: String,
    /// What somebody has said of it.
    pub(super) tag: Option<String>,
    pub(super) river: String,
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) first: Time,
    pub(super) last: Time,
}

/// Groups that are not shown.
pub(super) struct Others {
    pub(super) groups: String,
    pub(super) letters: String,
    /// Where they are.
    pub(super) address: String,
}

impl Groups {
    pub(super) fn of(
        console: &Console,
        frame: &Frame,
        wanted: &Wanted,
        selection: Selection<'_>,
        (sort, tags): (Sort, &HashMap<CauseMark, Tag>),
    ) -> Self {
        let causes = console.letters.causes(&selection);
        let shows_tagged = !wanted.tagged.is_empty();
        let is_off =
            |cause: &CauseRow| tags.get(&cause.mark).is_some_and(|tag| !cause.is_news_to(tag));
        let is_shown = |cause: &CauseRow| is_off(cause) == shows_tagged;
        let (mut causes, others): (Vec<_>, Vec<_>) = causes.into_iter().partition(is_shown);
        sort.sort(&mut causes);
        let letters: u64 = causes.iter().map(|cause| cause.count).sum();
        let page = wanted.page.unwrap_or(1).clamp(1, causes.len().div_ceil(MOST).max(1));
        let skipped = (page - 1) * MOST;
        let rows = causes.iter().skip(skipped).take(MOST);
        let rows: Vec<_> = rows.map(|cause| Row::of(cause, (frame, wanted), tags)).collect();
        let at = |path: &str, further: &[(&str, &str)]| {
            frame.at(&format!("{path}{}", wanted.query(further)))
        };
        let to_page = |page: usize| {
            let (by, order) = (sort.by.word(), sort.order());
            at("/dead-letters", &[("sort", by), ("order", order), ("page", &page.to_string())])
        };
        let column = |by: By, name: &str| {
            let next = sort.towards(by);
            let further = [("sort", by.word()), ("order", next.order())];
            let (sorted, mark) = match (sort.by == by, sort.is_descending) {
                (false, _) => (None, ""),
                (true, true) => (Some("descending"), "▼"),
                (true, false) => (Some("ascending"), "▲"),
            };
            Column { name: name.to_owned(), address: at("/dead-letters", &further), sorted, mark }
        };
        let is_last = skipped + rows.len() >= causes.len();
        let one_by_one = Wanted {
            state: selection.state.map_or("", State::as_str).to_owned(),
            ..wanted.clone()
        };
        Self {
            counted: column(By::Count, &counted(selection.state)),
            river: column(By::River, "River"),
            first: column(By::First, "First"),
            last: column(By::Last, "Last"),
            has_all: selection.state.is_some(),
            total: count(causes.len() as u64),
            which: format!(
                "{} to {}",
                count(skipped as u64 + 1),
                count((skipped + rows.len()) as u64)
            ),
            letters: several(letters, "letter"),
            before: (page > 1).then(|| to_page(page - 1)),
            next: (!is_last).then(|| to_page(page + 1)),
            others: Others::of(&others, frame, wanted),
            shows_tagged,
            one_by_one: frame.at(&format!("/dead-letters/all{}", one_by_one.query(&[]))),
            rows,
        }
    }
}

/// The heading for letters in a state: `Waiting`.
fn counted(state: Option<State>) -> String {
    let Some(state) = state else { return "Letters".to_owned() };
    let word = StateMark::from(state).word;
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

impl Others {
    /// `None` if there are none.
    fn of(causes: &[CauseRow], frame: &Frame, wanted: &Wanted) -> Option<Self> {
        let letters = causes.iter().map(|cause| cause.count).sum();
        let tagged = if wanted.tagged.is_empty() { "yes" } else { "" };
        let wanted = Wanted { tagged: tagged.to_owned(), ..wanted.clone() };
        (!causes.is_empty()).then(|| Self {
            groups: several(causes.len() as u64, "group"),
            letters: several(letters, "letter"),
            address: frame.at(&format!("/dead-letters{}", wanted.query(&[]))),
        })
    }
}

/// The page of a group, with its letters in a state.
pub(in crate::pages) fn group_address(frame: &Frame, cause: &CauseRow, state: &str) -> String {
    let group = Wanted { state: state.to_owned(), ..Wanted::group(cause) };
    frame.at(&format!("/dead-letters/group{}", group.query(&[])))
}

impl Row {
    fn of(
        cause: &CauseRow,
        (frame, wanted): (&Frame, &Wanted),
        tags: &HashMap<CauseMark, Tag>,
    ) -> Self {
        let reason = short(&cause.reason);
        Self {
            address: group_address(frame, cause, &wanted.state),
            tag: tags
                .get(&cause.mark)
                .map(|tag| (tag, if cause.is_news_to(tag) { ", letters came since" } else { "" }))
                .map(|(tag, news)| format!("{} ({}){news}", short(&tag.words), short(&tag.who))),
            count: count(cause.count),
            all: count(cause.all),
            river: shown(cause.river_name()),
            kind: short(&cause.kind),
            reason: if reason.is_empty() { "no reason given".to_owned() } else { reason },
            first: cause.first.into(),
            last: cause.last.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heading_says_what_is_counted() {
        assert_eq!(counted(Some(State::FailedAgain)), "Failed again");
        assert_eq!(counted(None), "Letters");
    }
}
