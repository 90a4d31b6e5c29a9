//! The values of one figure, a value per round, and their median and extremes.

use serde::Serialize;

/// One value per round, in the order of the rounds; never empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Samples {
    median: f64,
    least: f64,
    most: f64,
    rounds: Vec<f64>,
}

impl Samples {
    /// `None` if there are no values.
    pub(crate) fn of(rounds: Vec<f64>) -> Option<Self> {
        Some(Self {
            median: quantile(&rounds, 0.5)?,
            least: quantile(&rounds, 0.0)?,
            most: quantile(&rounds, 1.0)?,
            rounds,
        })
    }

    pub(crate) fn median(&self) -> f64 {
        self.median
    }

    pub(crate) fn least(&self) -> f64 {
        self.least
    }

    pub(crate) fn most(&self) -> f64 {
        self.most
    }

    /// Compares with another side: compares the values of each round, and returns the median. A
    /// machine that is slow for a while slows both sides of a round.
    pub(crate) fn against(&self, other: &Self, compare: fn(f64, f64) -> f64) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        quantile(&pairs.map(|(own, other)| compare(*own, *other)).collect::<Vec<_>>(), 0.5)
    }
}

/// The quantile of the values, with linear interpolation; `None` if there are no values.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rounds: &[f64]) -> Samples {
        Samples::of(rounds.to_vec()).unwrap()
    }

    #[test]
    fn quantiles_lie_between_the_values_beside_them() {
        let values = [40.0, 10.0, 30.0, 20.0];
        assert_eq!(quantile(&values, 0.0), Some(10.0));
        assert_eq!(quantile(&values, 0.5), Some(25.0));
        assert_eq!(quantile(&values, 1.0), Some(40.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn one_slow_round_moves_the_spread_and_not_the_median() {
        let slow = samples(&[100.0, 99.0, 12.0, 101.0, 100.0]);
        assert_eq!((slow.median(), slow.least(), slow.most()), (100.0, 12.0, 101.0));
        assert_eq!(Samples::of(Vec::new()), None);
    }

    #[test]
    fn sides_are_compared_round_by_round() {
        // The machine is three times slower in the last two rounds, for both sides.
        let (ours, theirs) = (samples(&[90.0, 30.0, 30.0]), samples(&[100.0, 33.0, 34.0]));
        let ratio = ours.against(&theirs, |own, other| own / other).unwrap();
        assert!((ratio - 0.9).abs() < 1e-9, "{ratio}");
        assert_eq!(ours.against(&theirs, |own, other| own - other), Some(-4.0));
    }
}
