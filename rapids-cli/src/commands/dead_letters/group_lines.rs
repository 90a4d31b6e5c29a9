//! Groups of dead letters as a table.

use rapids_views::Group;

use crate::line::Line;
use crate::palette::Palette;
use crate::shorten::shortened;
use crate::table::{Cell, Column, Table};

/// Longest reason in a table, in characters.
const REASON: usize = 100;

/// The reason, and what somebody has said of the group.
fn reason(group: &Group) -> String {
    let reason = shortened(&group.reason, REASON);
    match &group.tag {
        Some(tag) => format!("{reason} [{tag}]"),
        None => reason,
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
            Cell::new(reason(group)),
        ]);
    }
    table.lines(palette.faint)
}
