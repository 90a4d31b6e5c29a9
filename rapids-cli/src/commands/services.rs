//! `rapids services`: who is up, and how far each is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::Position;

use crate::ending::Ending;
use crate::line::Line;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::standing::Standing;
use crate::table::{Cell, Column, Table};
use crate::times::duration;

/// List the services: their instances, rivers, positions and lags
///
/// A service that has a position and no instance that answers is down. Below a service in exclusive
/// delivery stands which instance is active, whether it reads the live feed or is catching up, and
/// how many others stand by. What an instance tells of itself, such as that a river pauses, stands
/// below its service too.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: UP is how many instances answer; ACKED is the sequence up to which every packet is
acknowledged or, in exclusive delivery, done; READ is that of the last one given to an instance; LAG
is how many packets wait to be read, UNACKED how many are in hand or wait to be tried again. In
exclusive delivery they are those that were written down last, at most a second ago.

With -o json an object per service: `service`; `delivery`, `shared` or `exclusive`; in exclusive
delivery `active`, the id of an instance, and `standing_by`, how many others wait; `instances`, each
with `id`, `version`, `rivers` (each with `name`, `conditions`, `requirements` and `ignore_invalid`)
and `facts`; `position`, with `delivered`, `acknowledged`, `pending`, `unacknowledged` and, in
exclusive delivery, `catching_up` and `written`, when it was written down. What is not known, or does
not apply, is null.")]
pub(crate) struct Services {
    /// How to print the services
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

impl Services {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let rapids = session.rapids().await?;
        let found = Standing::of_all(&rapids, self.wait).await?;
        let screen = &session.screen;
        if found.is_empty() {
            screen.note("no service is up, and none has a position");
            return Ok(Ending::Yes);
        }
        match self.output {
            Format::Json => {
                for (name, found) in &found {
                    screen.json(&found.json(name)?)?;
                }
            }
            Format::Line => {
                for line in lines(&found, screen.data) {
                    screen.line(line)?;
                }
            }
        }
        Ok(Ending::Yes)
    }
}

/// The table, with the facts of each service below it.
fn lines(found: &BTreeMap<String, Standing>, palette: Palette) -> Vec<Line> {
    let mut table = Table::new([
        Column::words("SERVICE"),
        Column::words("VERSION"),
        Column::numbers("UP"),
        Column::words("DELIVERY"),
        Column::numbers("ACKED"),
        Column::numbers("READ"),
        Column::numbers("LAG"),
        Column::numbers("UNACKED"),
        Column::words("RIVERS"),
    ]);
    for (name, found) in found {
        table.row(row(name, found, palette));
    }
    let mut rows = table.lines(palette.faint).into_iter();
    let mut lines: Vec<Line> = rows.next().into_iter().collect();
    for (row, found) in rows.zip(found.values()) {
        lines.push(row);
        if let Some(turn) = found.turn() {
            let is_well = turn.active.is_none() || turn.doing.is_some();
            let style = if is_well { palette.faint } else { palette.warning };
            lines.push(Line::from("  ").styled(style, turn.line()));
        }
        for instance in &found.instances {
            for (fact, value) in Standing::troubles(instance) {
                let fact = format_args!("! {fact}: {value}");
                let whose = format_args!(" ({})", instance.id);
                lines.push(Line::from("  ").styled(palette.warning, fact).text(whose));
            }
        }
    }
    lines
}

fn row(name: &str, found: &Standing, palette: Palette) -> [Cell; 9] {
    let Standing { instances, position } = found;
    let number = |read: fn(&Position) -> u64| {
        Cell::new(position.as_ref().map_or("-".to_owned(), |position| read(position).to_string()))
    };
    let up = match instances.len() {
        0 => Cell::new("down").style(palette.bad),
        count => Cell::new(count.to_string()).style(palette.good),
    };
    let versions = listed(instances.iter().map(|instance| instance.version.as_str()));
    let rules = instances.iter().flat_map(|instance| &instance.rules);
    [
        Cell::new(name).style(palette.name),
        Cell::new(versions),
        up,
        Cell::new(found.delivery().unwrap_or("-")),
        number(|position| position.acknowledged),
        number(|position| position.delivered),
        number(|position| position.pending),
        number(|position| position.unacknowledged),
        Cell::new(listed(rules.map(|rules| rules.name.as_str()))),
    ]
}

/// Each name once, in the order of their first mention; `-` for none.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen = BTreeSet::new();
    let names: Vec<_> = names.filter(|name| seen.insert(*name)).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}
