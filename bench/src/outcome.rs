//! The outcome of a comparison: the figures of each side, and the ratios between the first side and
//! the others.
//!
//! Printing it is left to `table` and `report`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::figure::{Figure, Figures, Limit, Target};
use crate::samples::Samples;

/// The rounds of one comparison.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: &'static str,
    /// Counts, sizes and settings, in words.
    pub(crate) setting: String,
    /// Where the case is measured at several sizes or numbers: which one this is.
    pub(crate) at: Option<u64>,
    /// The first side is compared with each of the others.
    pub(crate) sides: Vec<String>,
    /// The figures of each side in each round.
    pub(crate) rounds: Vec<Vec<Figures>>,
    pub(crate) targets: Vec<Target>,
}

/// One figure for all sides.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) figure: Figure,
    pub(crate) sides: BTreeMap<String, Samples>,
    /// The first side relative to each of the others.
    pub(crate) against: BTreeMap<String, Ratio>,
    /// Whether the first side meets its bound, if it has one.
    #[serde(flatten)]
    pub(crate) bound: Option<Verdict>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) ratio: f64,
    pub(crate) difference: f64,
    #[serde(flatten)]
    pub(crate) verdict: Option<Verdict>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) target: Limit,
    pub(crate) met: bool,
}

impl Outcome {
    /// This outcome as that at one of several sizes or numbers.
    pub(crate) fn at(self, at: impl TryInto<u64>) -> Self {
        Self { at: at.try_into().ok(), ..self }
    }

    /// The same outcome with only these sides; the first is compared with the others.
    pub(crate) fn among(&self, sides: &[&str], targets: Vec<Target>) -> Self {
        let place = |name: &&str| self.sides.iter().position(|side| side == name);
        let places: Vec<_> = sides.iter().filter_map(place).collect();
        let pick = |round: &Vec<Figures>| places.iter().map(|&at| round[at].clone()).collect();
        Self {
            case: self.case,
            setting: self.setting.clone(),
            at: self.at,
            sides: places.iter().map(|&at| self.sides[at].clone()).collect(),
            rounds: self.rounds.iter().map(pick).collect(),
            targets,
        }
    }

    /// A line for each figure that every side measured in every round.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let first = self.rounds.first().and_then(|round| round.first());
        let figures = first.into_iter().flat_map(Figures::keys);
        figures.filter_map(|figure| self.line(*figure)).collect()
    }

    fn line(&self, figure: Figure) -> Option<Line> {
        let mut sides = BTreeMap::new();
        for (place, side) in self.sides.iter().enumerate() {
            let values = self.rounds.iter().map(|round| round.get(place)?.get(&figure).copied());
            sides.insert(side.clone(), Samples::of(values.collect::<Option<_>>()?)?);
        }
        let (name, others) = self.sides.split_first()?;
        let own = sides.get(name)?;
        let ratio = |other: &String| {
            let samples = sides.get(other)?;
            let ratio = own.against(samples, |own, other| own / other)?;
            let difference = own.against(samples, |own, other| own - other)?;
            let verdict = self.verdict(figure, other, ratio, difference);
            Some((other.clone(), Ratio { ratio, difference, verdict }))
        };
        let against = others.iter().filter_map(ratio).collect();
        let bound = self.verdict(figure, name, 1.0, own.median());
        Some(Line { figure, sides, against, bound })
    }

    fn verdict(
        &self,
        figure: Figure,
        against: &str,
        ratio: f64,
        difference: f64,
    ) -> Option<Verdict> {
        let mut targets = self.targets.iter();
        let target =
            targets.find(|target| target.figure == figure && target.against == against)?.limit;
        Some(Verdict { target, met: target.is_met(ratio, difference) })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn figures(rate: f64, client: Option<f64>) -> Figures {
        let client = client.map(|client| (Figure::ClientMicros, client));
        [(Figure::PacketsPerSecond, rate)].into_iter().chain(client).collect()
    }

    pub(crate) fn outcome() -> Outcome {
        let round = |ours, tuned, plain, client| {
            vec![figures(ours, Some(2.5)), figures(tuned, Some(client)), figures(plain, Some(7.0))]
        };
        let target = |figure, against, limit| Target { figure, against, limit };
        Outcome {
            case: "drain",
            setting: "1,000 packets of 600 B".to_owned(),
            at: None,
            sides: ["ours", "tuned", "plain"].map(str::to_owned).to_vec(),
            rounds: vec![
                round(98_000.0, 100_000.0, 40_000.0, 2.0),
                round(99_000.0, 100_000.0, 50_000.0, 2.0),
                round(93_500.0, 100_000.0, 50_000.0, 2.0),
            ],
            targets: vec![
                target(Figure::PacketsPerSecond, "tuned", Limit::AtLeast(0.95)),
                target(Figure::PacketsPerSecond, "plain", Limit::AtLeast(2.0)),
                target(Figure::ClientMicros, "tuned", Limit::OnTop(0.25)),
            ],
        }
    }

    #[test]
    fn first_side_is_compared_with_each_of_the_others() {
        let lines = outcome().lines();
        assert_eq!(lines.len(), 2);
        let against = &lines[0].against;
        assert_eq!(against["tuned"].ratio, 0.98);
        assert!(against["tuned"].verdict.as_ref().unwrap().met);
        assert!(!against["plain"].verdict.as_ref().unwrap().met);
        let client = &lines[1].against;
        assert_eq!(client["tuned"].difference, 0.5);
        assert!(!client["tuned"].verdict.as_ref().unwrap().met);
        assert!(client["plain"].verdict.is_none());
    }

    #[test]
    fn some_of_the_sides_can_be_compared_among_themselves() {
        let limit = Limit::UpTo(50_000.0);
        let bound = Target { figure: Figure::PacketsPerSecond, against: "plain", limit };
        let lines = outcome().among(&["plain", "ours"], vec![bound]).lines();
        assert_eq!(lines[0].sides.len(), 2);
        assert!((lines[0].against["ours"].ratio - 0.505).abs() < 0.001);
        assert!(lines[0].against["ours"].verdict.is_none());
        assert_eq!(lines[0].bound, Some(Verdict { target: limit, met: true }));
    }

    #[test]
    fn figure_that_a_side_could_not_measure_is_left_out() {
        let mut outcome = outcome();
        outcome.rounds[1][2] = figures(50_000.0, None);
        let lines = outcome.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].figure, Figure::PacketsPerSecond);
    }
}
