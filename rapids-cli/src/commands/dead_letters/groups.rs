//! Groups of dead letters with the same river, kind and masked reason.

use std::collections::HashMap;

use anyhow::Result;
use rapids_client::{StoredLetter, Timestamp};
use serde::Serialize;

use super::mask::masked;
use crate::line::Line;
use crate::palette::Palette;
use crate::shorten::shortened;
use crate::table::{Cell, Column, Table};

/// Longest reason in a table, in characters.
const REASON: usize = 100;

/// A group of letters.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    count: u64,
    service: String,
    river: String,
    kind: String,
    /// The masked reason.
    reason: String,
    #[serde(serialize_with = "as_text")]
    first: Timestamp,
    #[serde(serialize_with = "as_text")]
    last: Timestamp,
    /// The id of the oldest letter.
    example: String,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// The groups of the letters so far.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<(String, String, String, String), Group>);

impl Groups {
    /// Adds a letter to its group.
    pub(super) fn add(&mut self, stored: &StoredLetter) {
        let letter = &stored.letter;
        let (service, river) = (letter.id.service().to_owned(), letter.id.river().to_owned());
        let (kind, reason) = (letter.kind.to_string(), masked(&letter.reason));
        let key = (service.clone(), river.clone(), kind.clone(), reason.clone());
        let group = self.0.entry(key).or_insert_with(|| Group {
            count: 0,
            service,
            river,
            kind,
            reason,
            first: stored.written,
            last: stored.written,
            example: letter.id.to_string(),
        });
        group.count += 1;
        group.last = group.last.max(stored.written);
    }

    /// All groups, the largest first.
    pub(super) fn sorted(self) -> Vec<Group> {
        let mut groups: Vec<_> = self.0.into_values().collect();
        groups
            .sort_by(|one, two| two.count.cmp(&one.count).then_with(|| one.first.cmp(&two.first)));
        groups
    }
}

/// The groups as a table.
pub(super) fn lines(groups: &[Group], palette: Palette) -> Vec<Line> {
    let mut table = Table::new([
        Column::numbers("COUNT"),
        Column::words("RIVER"),
        Column::words("KIND"),
        Column::words("FIRST"),
        Column::words("LAST"),
        Column::words("EXAMPLE"),
        Column::words("REASON"),
    ]);
    for group in groups {
        table.row([
            Cell::new(group.count.to_string()),
            Cell::new(format!("{}.{}", group.service, group.river)).style(palette.name),
            Cell::new(&group.kind).style(palette.bad),
            Cell::new(format!("{:.0}", group.first)),
            Cell::new(format!("{:.0}", group.last)),
            Cell::new(&group.example),
            Cell::new(shortened(&group.reason, REASON)),
        ]);
    }
    table.lines(palette.faint)
}
