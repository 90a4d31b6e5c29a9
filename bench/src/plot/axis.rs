//! A logarithmic axis: where a value stands on it, and which values are named.

/// An axis from `least` to `most`, which stands from one place of the picture to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// The axis on which all of these values stand; `None` unless one is above zero.
    pub(super) fn of(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let (mut least, mut most) = (f64::INFINITY, 0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        (most > 0.0).then_some(Self { least, most, from, to })
    }

    /// The same axis with some room at both ends.
    pub(super) fn with_room(self) -> Self {
        Self { least: self.least / 1.15, most: self.most * 1.15, ..self }
    }

    /// The same axis from one power of ten to another, so that small differences look small.
    pub(super) fn in_decades(self) -> Self {
        let least = self.least.log10().floor();
        let most = self.most.log10().ceil().max(least + 1.0);
        Self { least: 10_f64.powf(least), most: 10_f64.powf(most), ..self }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let share = (value / self.least).ln() / (self.most / self.least).ln();
        self.from + share * (self.to - self.from)
    }

    /// The values to name: powers of ten, and what lies between them if there are few.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let all = |steps: &'static [f64]| {
            let decades = (self.least.log10().floor() as i32)..=(self.most.log10().ceil() as i32);
            decades.flat_map(move |decade| steps.iter().map(move |step| step * 10_f64.powi(decade)))
        };
        // Powers of ten are not exact.
        let range = self.least * 0.999..=self.most * 1.001;
        let within = |tick: &f64| range.contains(tick);
        let ticks = |steps| all(steps).filter(within).collect::<Vec<_>>();
        let powers = ticks(&[1.0]);
        if powers.len() > 2 { powers } else { ticks(&[1.0, 2.0, 5.0]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_equal_distances() {
        let axis = Axis::of([1.0, 100.0, 0.0, -3.0].into_iter(), 0.0, 400.0).unwrap().with_room();
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|value| axis.place(value));
        assert!((ten - one - (hundred - ten)).abs() < 1e-6);
        assert!(one > 0.0 && hundred < 400.0);
        assert!(Axis::of([0.0].into_iter(), 0.0, 1.0).is_none());
    }

    #[test]
    fn ticks_are_round_numbers() {
        let ticks = |least, most| {
            Axis::of([least, most].into_iter(), 0.0, 1.0).unwrap().with_room().ticks()
        };
        assert_eq!(ticks(1.0, 1_000.0), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(ticks(3.0, 25.0), [5.0, 10.0, 20.0]);
        let axis = Axis::of([3.0, 25.0].into_iter(), 0.0, 1.0).unwrap().in_decades();
        assert_eq!(axis.ticks(), [1.0, 10.0, 100.0]);
    }
}
