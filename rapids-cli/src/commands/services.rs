//! `rapids services`: lists the services, whether they run, and their positions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::Position;
use rapids_views::{ServiceStatus, State};

use crate::exit::Answer;
use crate::line::Line;
use crate::palette::Palette;
use crate::screen::Format;
use crate::service_line::{exclusive_line, json};
use crate::session::Session;
use crate::table::{Cell, Column, Table};
use crate::times::duration;

/// List the services with their instances, rivers, positions and lags
///
/// If no instance of a service answers, the service is `down`, or `silent`: an instance reads packets,
/// but may not answer, or answers in an account of its own. Below a service in exclusive delivery, a
/// line names the active instance, says whether it reads the live feed or is catching up, and counts
/// the instances that stand by. `rebuilding` tells how many packets of the past a service that was made
/// to forget has read again. Further lines show facts that instances announce, such as a paused river.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: UP is how many instances answer. ACKED is the sequence up to which every packet is
acknowledged or, in exclusive delivery, done. READ is the sequence of the last packet delivered to an
instance. LAG is how many packets wait to be read. UNACKED is how many are being handled or wait for
another attempt. In exclusive delivery the figures are at most a second old.

With -o json an object per service: `service`; `delivery`, `shared` or `exclusive`; in exclusive
delivery `active`, the id of an instance, and `standing_by`, how many others wait; `instances`, each
with `id`, `version`, `rivers` (each with `name`, `conditions`, `requirements`, `ignore_invalid` and, if
it declares what it publishes, `publishes` with `events`, `commands` and `needs`) and `facts`;
`position`, with `delivered`, `acknowledged`, `pending`, `unacknowledged`,
`redelivered`, how many of these were delivered more than once, `is_read`,
whether an instance certainly reads packets, even if none answers, and, in exclusive delivery,
`catching_up` and `written`, the time of these figures. What is unknown or does not apply is null.")]
pub(crate) struct Services {
    /// How to print the services
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

impl Services {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let found = session.service_statuses(&rapids, self.wait).await?;
        let screen = &session.screen;
        if found.is_empty() {
            screen.note("no service is running, and none has a position");
            return Ok(Answer::Yes);
        }
        match self.output {
            Format::Json => {
                for (name, found) in &found {
                    screen.json(&json(name, found)?)?;
                }
            }
            Format::Line => {
                for line in lines(&found, screen.data) {
                    screen.line(line)?;
                }
            }
        }
        Ok(Answer::Yes)
    }
}

/// The table, with the facts of each service below it.
fn lines(found: &BTreeMap<String, ServiceStatus>, palette: Palette) -> Vec<Line> {
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
        if let Some(exclusive) = found.exclusive() {
            let style = if exclusive.is_well() { palette.faint } else { palette.warning };
            lines.push(Line::from("  ").styled(style, exclusive_line(&exclusive)));
        }
        if let Some(rebuilding) = found.instances.iter().find_map(ServiceStatus::rebuilding) {
            let rebuilding = format_args!("rebuilding: {rebuilding}");
            lines.push(Line::from("  ").styled(palette.faint, rebuilding));
        }
        for instance in &found.instances {
            for (fact, value) in ServiceStatus::problems(instance) {
                let fact = format_args!("! {fact}: {value}");
                let whose = format_args!(" ({})", instance.id);
                lines.push(Line::from("  ").styled(palette.warning, fact).text(whose));
            }
        }
    }
    lines
}

fn row(name: &str, found: &ServiceStatus, palette: Palette) -> [Cell; 9] {
    let ServiceStatus { instances, position } = found;
    let number = |read: fn(&Position) -> u64| {
        Cell::new(position.as_ref().map_or("-".to_owned(), |position| read(position).to_string()))
    };
    let up = match instances.len() {
        0 => {
            let state = found.state();
            let style = if state == State::Down { palette.bad } else { palette.warning };
            Cell::new(state.as_str()).style(style)
        }
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
