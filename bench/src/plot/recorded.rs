//! What earlier runs of the bench have printed as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::figure::Figure;

/// The runs, in the order of their files.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) machine: Machine,
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: Option<String>,
    pub(super) system: String,
    pub(super) server: String,
    pub(super) load: Option<f64>,
}

/// One comparison, of the first side with the others.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    pub(super) case: String,
    pub(super) setting: String,
    pub(super) at: Option<u64>,
    pub(super) sides: Vec<String>,
    figures: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    figure: Figure,
    sides: BTreeMap<String, Samples>,
    against: BTreeMap<String, Ratio>,
}

#[derive(Debug, Deserialize)]
struct Samples {
    median: f64,
}

#[derive(Debug, Deserialize)]
struct Ratio {
    ratio: f64,
}

impl Recorded {
    /// # Errors
    /// If a file cannot be read, or holds something else.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self> {
        let read = |file: &PathBuf| {
            let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_slice(&text)
                .with_context(|| format!("{} is no output of the bench", file.display()))
        };
        Ok(Self { runs: files.iter().map(read).collect::<Result<_>>()? })
    }

    pub(super) fn outcomes(&self, case: &str) -> impl Iterator<Item = &Outcome> {
        let all = self.runs.iter().flat_map(|run| &run.outcomes);
        all.filter(move |outcome| outcome.case == case)
    }

    /// The sizes or numbers at which a case was measured, and the median of this side at each. A side
    /// may appear in several outcomes, with the same figures.
    pub(super) fn steps(&self, case: &str, figure: Figure, side: &str) -> BTreeMap<u64, f64> {
        let point = |outcome: &Outcome| Some((outcome.at?, outcome.median(figure, side)?));
        self.outcomes(case).filter_map(point).collect()
    }
}

impl Outcome {
    pub(super) fn median(&self, figure: Figure, side: &str) -> Option<f64> {
        Some(self.line(figure)?.sides.get(side)?.median)
    }

    /// How many times the figure of another side the first side has.
    pub(super) fn ratio(&self, figure: Figure, other: &str) -> Option<f64> {
        Some(self.line(figure)?.against.get(other)?.ratio)
    }

    fn line(&self, figure: Figure) -> Option<&Line> {
        self.figures.iter().find(|line| line.figure == figure)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::machine::Machine as ThisMachine;
    use crate::options::Output;
    use crate::outcome::tests::outcome;
    use crate::report::Report;

    /// What is read back of the figures that a report of two steps prints.
    pub(in crate::plot) fn recorded() -> Recorded {
        let mut report = Report::new(Output::Json);
        report.add(outcome().at(4_usize)).unwrap();
        report.add(outcome().at(16_usize)).unwrap();
        let machine = ThisMachine::this("2.15.1".to_owned());
        Recorded { runs: vec![serde_json::from_str(&report.json(&machine).unwrap()).unwrap()] }
    }

    #[test]
    fn figures_that_were_printed_are_read_back() {
        let recorded = recorded();
        let rates = recorded.steps("drain", Figure::PacketsPerSecond, "tuned");
        assert_eq!(rates, BTreeMap::from([(4, 100_000.0), (16, 100_000.0)]));
        let outcome = recorded.outcomes("drain").next().unwrap();
        assert_eq!(outcome.ratio(Figure::PacketsPerSecond, "tuned"), Some(0.98));
        assert_eq!(outcome.median(Figure::P50Micros, "ours"), None);
    }
}
