//! The tables of the documentation, in Markdown.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::document::Wanted;
use super::recorded::{Outcome, Recorded};
use crate::figure::Figure;
use crate::table::{grouped, number};

/// The table that is wanted; `None` without data for it.
///
/// # Errors
/// If there is no such kind of table, or no such figure.
pub(super) fn table(recorded: &Recorded, wanted: &Wanted<'_>) -> Result<Option<String>> {
    let figures: Vec<Figure> =
        wanted.figures.iter().map(|name| figure(name)).collect::<Result<_>>()?;
    let outcomes: Vec<&Outcome> =
        wanted.cases.iter().flat_map(|case| recorded.outcomes(case)).collect();
    let rows = match wanted.kind {
        "machine" => return Ok(machines(recorded)),
        "cases" => by_outcome("", &outcomes, &figures, &wanted.sides, |outcome| {
            format!("{}: {}", outcome.case, outcome.setting)
        }),
        "sides" => by_outcome("", &outcomes, &figures, &wanted.sides, |outcome| {
            outcome.sides.first().cloned().unwrap_or_default()
        }),
        "steps" => {
            let [case] = *wanted.cases else { bail!("a table of steps shows one case") };
            let [figure] = *figures else { bail!("a table of steps shows one figure") };
            by_step(recorded, case, figure, &wanted.sides)
        }
        kind => bail!("there is no kind `{kind}`; there are cases, sides, steps and machine"),
    };
    Ok((rows.len() > 1).then(|| markdown(&rows)))
}

fn figure(name: &str) -> Result<Figure> {
    let name: &str = name;
    Figure::deserialize(IntoDeserializer::<Error>::into_deserializer(name))
        .with_context(|| format!("there is no figure `{name}`"))
}

/// A row for each outcome that has the figures: those of its first side, with the ratio to the other
/// one in brackets.
fn by_outcome(
    head: &str,
    outcomes: &[&Outcome],
    figures: &[Figure],
    against: &[&str],
    label: impl Fn(&Outcome) -> String,
) -> Vec<Vec<String>> {
    let of = against.first().map_or_else(String::new, |other| format!(" (of {other})"));
    let heads = figures.iter().map(|figure| format!("{}{of}", figure.label().trim_start()));
    let mut rows = vec![std::iter::once(head.to_owned()).chain(heads).collect()];
    for outcome in outcomes {
        let cells = figures.iter().map(|figure| cell(outcome, *figure, against));
        if let Some(cells) = cells.collect::<Option<Vec<_>>>() {
            rows.push(std::iter::once(label(outcome)).chain(cells).collect());
        }
    }
    rows
}

fn cell(outcome: &Outcome, figure: Figure, against: &[&str]) -> Option<String> {
    let own = number(outcome.median(figure, outcome.sides.first()?)?);
    let ratio = against.first().and_then(|other| outcome.ratio(figure, other));
    Some(ratio.map_or_else(|| own.clone(), |ratio| format!("{own} ({ratio:.2})")))
}

/// A row for each step and a column for each side.
fn by_step(recorded: &Recorded, case: &str, figure: Figure, sides: &[&str]) -> Vec<Vec<String>> {
    let columns: Vec<BTreeMap<u64, f64>> =
        sides.iter().map(|side| recorded.steps(case, figure, side)).collect();
    let mut steps: Vec<u64> = columns.iter().flat_map(|column| column.keys().copied()).collect();
    steps.sort_unstable();
    steps.dedup();
    let head = std::iter::once(format!("{case} \\ {}", figure.label().trim_start()));
    let mut rows = vec![head.chain(sides.iter().map(|side| (*side).to_owned())).collect()];
    for step in steps {
        let shown = |column: &BTreeMap<u64, f64>| {
            column.get(&step).map_or_else(String::new, |value| number(*value))
        };
        rows.push(std::iter::once(grouped(step)).chain(columns.iter().map(shown)).collect());
    }
    rows
}

/// The machines of all runs, and the load before each.
fn machines(recorded: &Recorded) -> Option<String> {
    let mut loads: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for machine in recorded.runs.iter().map(|run| &run.machine) {
        let processor = machine.processor.as_deref().unwrap_or("an unknown processor");
        let name = format!(
            "{} cores ({processor}), {}, nats-server {}",
            machine.cores, machine.system, machine.server
        );
        loads.entry(name).or_default().extend(machine.load);
    }
    let line = |(name, loads): (&String, &Vec<f64>)| {
        let least = loads.iter().copied().reduce(f64::min)?;
        let most = loads.iter().copied().reduce(f64::max)?;
        Some(format!("{name}; load before the cases {least:.1} to {most:.1}."))
    };
    let lines: Vec<_> = loads.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn markdown(rows: &[Vec<String>]) -> String {
    let line = |cells: &Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let columns = rows.first().map_or(0, Vec::len);
    lines.insert(1, format!("|---|{}", "---:|".repeat(columns.saturating_sub(1))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::recorded::tests::recorded;
    use super::*;

    fn wanted(kind: &'static str, figure: &'static str, side: &'static str) -> Wanted<'static> {
        Wanted { kind, cases: vec!["drain"], figures: vec![figure], sides: vec![side] }
    }

    #[test]
    fn outcomes_have_their_ratio_beside_them() {
        let recorded = recorded();
        let made = table(&recorded, &wanted("cases", "packets_per_second", "tuned")).unwrap();
        let row = "| drain: 1,000 packets of 600 B | 98,000 (0.98) |";
        assert_eq!(made.unwrap(), format!("|  | packets/s (of tuned) |\n|---|---:|\n{row}\n{row}"));
        assert_eq!(table(&recorded, &wanted("cases", "lost", "tuned")).unwrap(), None);
    }

    #[test]
    fn steps_have_a_row_each() {
        let made = table(&recorded(), &wanted("steps", "client_micros", "plain")).unwrap();
        let expected =
            "| drain \\ client CPU us/packet | plain |\n|---|---:|\n| 4 | 7.00 |\n| 16 | 7.00 |";
        assert_eq!(made.unwrap(), expected);
    }

    #[test]
    fn unknown_words_are_named() {
        let error = |kind, figure| table(&recorded(), &wanted(kind, figure, "")).unwrap_err();
        assert!(error("rows", "lost").to_string().contains("no kind `rows`"));
        assert!(error("cases", "speed").to_string().contains("no figure `speed`"));
    }
}
