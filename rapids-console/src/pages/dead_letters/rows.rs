//! Letters as the lines of a list, and the way to the rest of it.

use rapids_client::State;

use super::state_mark::StateMark;
use super::wanted::{ANY, Wanted};
use crate::console::Console;
use crate::frame::Frame;
use crate::pages::Choice;
use crate::reading::letters::{Extent, LetterRow, Listed};
use crate::text::{Mask, short};
use crate::times::{Time, count};

/// A part of a list.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) total: String,
    /// Which of them these are: `1 to 100`.
    pub(super) which: String,
    pub(super) newest: Option<String>,
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
}

/// A line.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) address: String,
    pub(super) id: String,
    pub(super) state: StateMark,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) packet_id: String,
    /// What came before and after it.
    pub(super) conversation: String,
    pub(super) reason: String,
    pub(super) attempts: String,
    pub(super) written: Time,
}

impl Rows {
    /// `path` is that of the page which shows the list.
    pub(super) fn of(
        listed: &Listed,
        wanted: &Wanted,
        (frame, path): (&Frame, &str),
        mask: &Mask,
    ) -> Self {
        let to = |further: &[(&str, &str)]| frame.at(&format!("{path}{}", wanted.query(further)));
        let first = listed.rows.first().filter(|_| listed.newer > 0);
        let is_more_behind = listed.newer + (listed.rows.len() as u64) < listed.total;
        let last = listed.rows.last().filter(|_| is_more_behind);
        let (from, until) = (listed.newer + 1, listed.newer + listed.rows.len() as u64);
        Self {
            rows: listed.rows.iter().map(|row| Row::of(row, frame, mask)).collect(),
            total: count(listed.total),
            which: format!("{} to {}", count(from), count(until)),
            newest: first.map(|_| to(&[])),
            newer: first.map(|row| to(&[("after", &row.sequence.to_string())])),
            older: last.map(|row| to(&[("before", &row.sequence.to_string())])),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    fn of(row: &LetterRow, frame: &Frame, mask: &Mask) -> Self {
        let id = row.id.to_string();
        Self {
            address: frame.to("/dead-letters/", &id),
            id: short(id),
            state: row.state.into(),
            kind: short(&row.kind),
            name: row.name.as_deref().map_or("–".to_owned(), short),
            packet_id: short(&row.packet_id),
            conversation: frame.to("/conversations/", &row.correlation_id),
            reason: short(mask.sentence(&row.reason)),
            attempts: if row.attempts == 0 { "–".to_owned() } else { count(row.attempts.into()) },
            written: row.written.into(),
        }
    }
}

/// The choices of a filter: services, rivers, kinds and states.
#[derive(Debug)]
pub(super) struct Choices {
    pub(super) services: Vec<Choice>,
    pub(super) rivers: Vec<Choice>,
    pub(super) kinds: Vec<Choice>,
    pub(super) states: Vec<Choice>,
}

impl Choices {
    /// All that there are; `state` is the one that is chosen.
    pub(super) fn of(console: &Console, wanted: &Wanted, state: Option<State>) -> Self {
        let [services, rivers, kinds] = console.letters.names();
        let choices = |names: std::collections::BTreeSet<std::sync::Arc<str>>, chosen: &str| {
            let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
            // Letters may have gone since the address was written.
            if !chosen.is_empty() && !names.iter().any(|name| name == chosen) {
                names.push(chosen.to_owned());
            }
            names.into_iter().map(|name| Choice::of(name, chosen)).collect()
        };
        Self {
            services: choices(services, &wanted.service),
            rivers: choices(rivers, &wanted.river),
            kinds: choices(kinds, &wanted.kind),
            states: states(state),
        }
    }
}

/// The states to choose from, and any.
pub(super) fn states(chosen: Option<State>) -> Vec<Choice> {
    let choice = |state: State| Choice {
        name: state.as_str().to_owned(),
        label: StateMark::from(state).word.to_owned(),
        is_chosen: chosen == Some(state),
    };
    let any = Choice {
        name: ANY.to_owned(),
        label: "in any state".to_owned(),
        is_chosen: chosen.is_none(),
    };
    State::ALL.into_iter().map(choice).chain([any]).collect()
}

/// What is to be said about the reading of letters.
pub(super) fn notices(extent: &Extent) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(fault) = &extent.fault {
        let what = if extent.letters == 0 { "" } else { " What is shown is of before." };
        notices.push(format!("Letters are not followed: {}.{what}", crate::text::shown(fault)));
    } else if !extent.is_caught_up {
        notices.push(format!("Letters are still being read: {} so far.", count(extent.letters)));
    }
    if extent.left_out > 0 {
        let (kept, all) = (count(extent.letters), count(extent.letters + extent.left_out));
        notices.push(format!(
            "The newest {kept} of {all} letters are kept here; the page of an older one can be \
             opened by its id."
        ));
    }
    if extent.unreadable > 0 {
        let many = count(extent.unreadable);
        notices.push(format!(
            "{many} messages of the stream of dead letters are no letters, and are left out."
        ));
    }
    notices
}
