//! `rapids services`: who is up, and how far each is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Announced, Position, Rules};
use serde::Serialize;

use crate::ending::Ending;
use crate::palette::{Palette, paint};
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};
use crate::times::duration;

/// List the services: their instances, rivers, positions and lags
///
/// A service that has a position and no instance that answers is down. What an instance tells of
/// itself, such as that a river pauses, stands below its service.
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: UP is how many instances answer; ACKED is the sequence up to which every packet is
acknowledged, READ that of the last one given to an instance; LAG is how many packets wait to be
read, UNACKED how many are in hand or wait to be tried again.

With -o json an object per service: `service`; `instances`, each with `id`, `version`, `rivers` (each
with `name`, `conditions`, `requirements` and `ignore_invalid`) and `facts`; `position`, with
`delivered`, `acknowledged`, `pending` and `unacknowledged`, or null.")]
pub(crate) struct Services {
    /// How to print the services
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// All that is known of one service.
#[derive(Debug, Default)]
struct Found {
    instances: Vec<Announced>,
    position: Option<Position>,
}

impl Services {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let rapids = session.rapids().await?;
        let positions = rapids.positions().await?;
        let found = by_name(rapids.services(self.wait).await?, positions);
        let screen = &session.screen;
        if found.is_empty() {
            screen.note("no service is up, and none has a position");
            return Ok(Ending::Yes);
        }
        match self.output {
            Format::Json => {
                for (name, found) in &found {
                    screen.line(serde_json::to_string(&Told::of(name, found))?)?;
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

fn by_name(announced: Vec<Announced>, positions: Vec<Position>) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for instance in announced {
        found.entry(instance.name.clone()).or_default().instances.push(instance);
    }
    for position in positions {
        let service = position.service.clone();
        found.entry(service).or_default().position = Some(position);
    }
    found
}

/// The table, with the facts of each service below it.
fn lines(found: &BTreeMap<String, Found>, palette: Palette) -> Vec<String> {
    let mut table = Table::new([
        Column::words("SERVICE"),
        Column::words("VERSION"),
        Column::numbers("UP"),
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
    let mut lines: Vec<String> = rows.next().into_iter().collect();
    for (row, found) in rows.zip(found.values()) {
        lines.push(row);
        for instance in &found.instances {
            for (fact, value) in &instance.facts {
                let fact = paint(palette.warning, &format!("! {fact}: {value}"));
                lines.push(format!("  {fact} ({})", instance.id));
            }
        }
    }
    lines
}

fn row(name: &str, found: &Found, palette: Palette) -> [Cell; 8] {
    let Found { instances, position } = found;
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

/// A service as JSON.
#[derive(Serialize)]
struct Told<'a> {
    service: &'a str,
    instances: Vec<ToldInstance<'a>>,
    position: Option<ToldPosition>,
}

#[derive(Serialize)]
struct ToldInstance<'a> {
    id: &'a str,
    version: &'a str,
    rivers: &'a [Rules],
    facts: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ToldPosition {
    delivered: u64,
    acknowledged: u64,
    pending: u64,
    unacknowledged: u64,
}

impl<'a> Told<'a> {
    fn of(service: &'a str, found: &'a Found) -> Self {
        let instances = found.instances.iter().map(|instance| ToldInstance {
            id: &instance.id,
            version: &instance.version,
            rivers: &instance.rules,
            facts: &instance.facts,
        });
        let position = found.position.as_ref().map(|position| ToldPosition {
            delivered: position.delivered,
            acknowledged: position.acknowledged,
            pending: position.pending,
            unacknowledged: position.unacknowledged,
        });
        Self { service, instances: instances.collect(), position }
    }
}
