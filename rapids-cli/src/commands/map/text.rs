//! The map as tables.

use rapids_client::PacketName;
use rapids_client::map::RapidsMap;

use crate::line::Line;
use crate::palette::Palette;
use crate::shorten::shortened;
use crate::table::{Cell, Column, Table};
use crate::times::to_the_second;

/// The longest list of names in characters.
const NAMES: usize = 60;

/// What is said of packets that came from outside, and of those of no kind.
const OUTSIDE: &str = "outside";
const NO_KIND: &str = "(no kind)";

/// All tables, and what is odd.
pub(super) fn lines(map: &RapidsMap, palette: Palette) -> Vec<Line> {
    let packets = if map.packets == 1 { "packet" } else { "packets" };
    let since = to_the_second(map.from);
    let mut lines = vec![Line::from(format_args!("{} {packets} since {since}", map.packets))];
    if map.malformed > 0 {
        lines.push(Line::from(format_args!("and {} that were no packets", map.malformed)));
    }
    let letters = (!map.letters.is_empty()).then(|| letters(map));
    for table in [Some(rivers(map)), Some(published(map)), Some(flows(map)), letters] {
        let Some(table) = table.filter(|table| !table.is_empty()) else {
            continue;
        };
        lines.push(Line::new());
        lines.extend(table.lines(palette.faint));
    }
    lines.push(Line::new());
    if !map.rivers_known {
        let words = "whether anything is odd is not known, as services are not asked";
        lines.push(Line::new().styled(palette.faint, words));
    } else if map.odd.is_empty() {
        lines.push(Line::new().styled(palette.good, "nothing is odd"));
    }
    lines.extend(odd(map, palette));
    lines
}

/// A line for each thing that is odd.
pub(super) fn odd(map: &RapidsMap, palette: Palette) -> Vec<Line> {
    let line = |oddity| Line::new().styled(palette.warning, "!").text(" ").text(oddity);
    map.odd.iter().map(line).collect()
}

fn rivers(map: &RapidsMap) -> Table {
    let mut table = Table::new([
        Column::words("RIVER"),
        Column::words("TAKES"),
        Column::numbers("CAME"),
        Column::numbers("TOOK"),
        Column::numbers("REFUSED"),
        Column::words("PUBLISHES"),
    ]);
    for river in &map.rivers {
        let admits = river.admits.as_ref().map_or("*".to_owned(), listed);
        let publishes = river.publishes.as_ref().map_or("-".to_owned(), listed);
        table.row([
            Cell::new(format!("{}/{}", river.service, river.river)),
            Cell::new(admits),
            Cell::new(river.came.to_string()),
            Cell::new(river.took.to_string()),
            Cell::new(river.refused.to_string()),
            Cell::new(publishes),
        ]);
    }
    table
}

fn published(map: &RapidsMap) -> Table {
    let mut table = Table::new([
        Column::words("PACKETS"),
        Column::words("OF"),
        Column::numbers("COUNT"),
        Column::numbers("PER SECOND"),
    ]);
    for published in &map.published {
        table.row([
            Cell::new(name(published.name.as_ref())),
            Cell::new(published.publisher.as_deref().unwrap_or(OUTSIDE)),
            Cell::new(published.packets.to_string()),
            Cell::new(rate(published.per_second)),
        ]);
    }
    table
}

fn flows(map: &RapidsMap) -> Table {
    let mut table = Table::new([
        Column::words("FROM"),
        Column::words("BY"),
        Column::words("TO"),
        Column::numbers("COUNT"),
        Column::numbers("PER SECOND"),
    ]);
    for flow in &map.flows {
        table.row([
            Cell::new(name(flow.cause.as_ref())),
            Cell::new(flow.publisher.as_deref().unwrap_or(OUTSIDE)),
            Cell::new(name(flow.effect.as_ref())),
            Cell::new(flow.packets.to_string()),
            Cell::new(rate(flow.per_second)),
        ]);
    }
    table
}

fn letters(map: &RapidsMap) -> Table {
    let mut table = Table::new([
        Column::words("DEAD LETTERS OF"),
        Column::words("KIND"),
        Column::numbers("COUNT"),
    ]);
    for letters in &map.letters {
        table.row([
            Cell::new(format!("{}/{}", letters.service, letters.river)),
            Cell::new(letters.kind.as_str()),
            Cell::new(letters.letters.to_string()),
        ]);
    }
    table
}

fn name(name: Option<&PacketName>) -> String {
    name.map_or(NO_KIND.to_owned(), ToString::to_string)
}

fn listed<'a>(names: impl IntoIterator<Item = &'a PacketName>) -> String {
    let names: Vec<_> = names.into_iter().map(ToString::to_string).collect();
    if names.is_empty() { "-".to_owned() } else { shortened(&names.join(", "), NAMES) }
}

/// Two places behind the point are enough for people; what is less is not nothing.
fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 0.005 {
        return "<0.01".to_owned();
    }
    format!("{per_second:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_is_not_nothing() {
        assert_eq!([0.0, 0.001, 0.3333, 12.0].map(rate), ["0.00", "<0.01", "0.33", "12.00"]);
    }
}
