//! The output of the bench: progress on standard error, figures on standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::machine::Machine;
use crate::options::Output;
use crate::outcome::{Line, Outcome};
use crate::table::table;

/// Prints the outcomes.
#[derive(Debug)]
pub(crate) struct Report {
    output: Output,
    outcomes: Vec<Outcome>,
}

#[derive(Serialize)]
struct All<'a> {
    machine: &'a Machine,
    outcomes: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    case: &'static str,
    setting: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    sides: &'a [String],
    rounds: usize,
    figures: Vec<Line>,
}

impl Report {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, outcomes: Vec::new() }
    }

    /// Adds an outcome. A table is printed at once, JSON at the end.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn add(&mut self, outcome: Outcome) -> io::Result<()> {
        if self.output == Output::Table {
            writeln!(io::stdout(), "{}", table(&outcome))?;
        }
        self.outcomes.push(outcome);
        Ok(())
    }

    /// Prints what is left: the machine, or all of the JSON.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn finish(&self, machine: &Machine) -> io::Result<()> {
        let mut out = io::stdout();
        match self.output {
            Output::Table => writeln!(out, "{machine}"),
            Output::Json => writeln!(out, "{}", self.json(machine)?),
        }
    }

    /// All outcomes and the machine as JSON.
    ///
    /// # Errors
    /// If a figure is no number.
    pub(crate) fn json(&self, machine: &Machine) -> serde_json::Result<String> {
        let shown = self.outcomes.iter().map(|outcome| Shown {
            case: outcome.case,
            setting: &outcome.setting,
            at: outcome.at,
            sides: &outcome.sides,
            rounds: outcome.rounds.len(),
            figures: outcome.lines(),
        });
        serde_json::to_string(&All { machine, outcomes: shown.collect() })
    }
}

/// Prints a line of progress.
pub(crate) fn progress(text: &str) {
    // The bench goes on if standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::outcome;
    use serde_json::Value;

    #[test]
    fn data_holds_what_the_table_shows() {
        let mut report = Report::new(Output::Json);
        report.add(outcome()).unwrap();
        let machine = Machine::this("2.15.1".to_owned());
        let json: Value = serde_json::from_str(&report.json(&machine).unwrap()).unwrap();
        assert_eq!(json["machine"]["server"], "2.15.1");
        let shown = &json["outcomes"][0];
        assert_eq!((shown["case"].as_str(), shown["rounds"].as_u64()), (Some("drain"), Some(3)));
        let rate = &shown["figures"][0];
        assert_eq!(rate["figure"], "packets_per_second");
        assert_eq!(rate["sides"]["ours"]["median"], 98_000.0);
        assert_eq!(rate["sides"]["ours"]["rounds"].as_array().unwrap().len(), 3);
        let tuned = &rate["against"]["tuned"];
        assert_eq!(tuned["ratio"], 0.98);
        assert_eq!(
            (tuned["target"].as_str(), tuned["met"].as_bool()),
            (Some(">= 0.95"), Some(true))
        );
    }
}
