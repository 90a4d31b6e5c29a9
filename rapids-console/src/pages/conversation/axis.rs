//! The time axis of a conversation: where each packet stands on it, and the words at its marks.

use std::time::Duration;

/// How wide a chart is, in its own units.
pub(super) const WIDTH: f64 = 1_000.0;
/// The least that a bar is wide, so that it is seen.
const LEAST: f64 = 8.0;
/// On an axis that widens short times, this has the same width as what is as short as that.
const SHORT: f64 = 0.001;

/// From the first packet to the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    seconds: f64,
    /// Whether short times are wider than long ones: some packets come after days.
    is_widened: bool,
}

/// How long a reaction took, as a bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) width: f64,
    /// Where the packet itself stands.
    pub(crate) end: f64,
}

impl Axis {
    pub(super) fn new(whole: Duration, is_widened: bool) -> Self {
        Self { seconds: whole.as_secs_f64(), is_widened }
    }

    /// The bar of what was stored so long after the first packet, and so long after its cause.
    pub(super) fn bar(&self, since_first: Duration, since_cause: Option<Duration>) -> Bar {
        let took = since_cause.unwrap_or_default();
        let end = self.place(since_first);
        let x = self.place(since_first.saturating_sub(took));
        let rounded = |place: f64| (place * 10.0).round() / 10.0;
        Bar { x: rounded(x), width: rounded(end - x), end: rounded(end.min(WIDTH - LEAST)) }
    }

    /// The words at the beginning, in the middle and at the end.
    pub(super) fn marks(&self) -> [String; 3] {
        let middle = if self.is_widened {
            SHORT * ((1.0 + self.seconds / SHORT).sqrt() - 1.0)
        } else {
            self.seconds / 2.0
        };
        [0.0, middle, self.seconds].map(|seconds| elapsed(Duration::from_secs_f64(seconds)))
    }

    fn place(&self, time: Duration) -> f64 {
        if self.seconds <= 0.0 {
            return 0.0;
        }
        let seconds = time.as_secs_f64().min(self.seconds);
        let share = if self.is_widened {
            (1.0 + seconds / SHORT).ln() / (1.0 + self.seconds / SHORT).ln()
        } else {
            seconds / self.seconds
        };
        share * WIDTH
    }
}

/// A time in three or four digits: `40 µs`, `3.1 ms`, `120 ms`, `1.23 s`, `1 min 5 s`, `2 d 2 h`.
pub(super) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0".to_owned(),
        0 if time.as_micros() < 1_000 => format!("{} µs", time.as_micros().max(1)),
        0 if time.as_millis() < 100 => format!("{:.1} ms", time.as_secs_f64() * 1_000.0),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.2} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bar_goes_from_the_cause_to_the_packet() {
        let axis = Axis::new(SECOND * 10, false);
        let bar = axis.bar(SECOND * 4, Some(SECOND));
        assert_eq!((bar.x, bar.width, bar.end), (300.0, 100.0, 400.0));
        let last = axis.bar(SECOND * 10, None);
        assert_eq!((last.x, last.width), (WIDTH, 0.0));
        assert!(last.end < WIDTH, "its mark is within the chart");
    }

    #[test]
    fn times_that_do_not_fit_stay_within_the_chart() {
        let bar = Axis::new(SECOND, false).bar(SECOND * 5, Some(SECOND * 9));
        assert_eq!((bar.x, bar.width), (0.0, WIDTH));
        assert_eq!(Axis::new(Duration::ZERO, true).bar(SECOND, None).end, 0.0);
    }

    #[test]
    fn a_widened_axis_shows_short_times_beside_long_ones() {
        let axis = Axis::new(SECOND * 100_000, true);
        assert!(axis.bar(SECOND, None).end > 300.0);
        assert_eq!(axis.marks(), ["0", "10.00 s", "1 d 3 h"]);
        assert_eq!(Axis::new(SECOND, false).marks(), ["0", "500 ms", "1.00 s"]);
    }

    #[test]
    fn times_are_short_whatever_they_are() {
        for (milliseconds, expected) in [
            (0, "0"),
            (3, "3.0 ms"),
            (120, "120 ms"),
            (1_234, "1.23 s"),
            (65_000, "1 min 5 s"),
            (3_840_000, "1 h 4 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(elapsed(Duration::from_millis(milliseconds)), expected);
        }
    }
}
