//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

use crate::Durations;

/// A label and its value.
pub type Label<'a> = (&'a str, &'a str);

/// Families of metrics, one after the other, as the text that Prometheus reads.
///
/// ```
/// use rapids_client::monitoring::Exposition;
///
/// let mut out = Exposition::default();
/// out.gauge("rapids_lag", "Packets that no instance was given yet.");
/// out.value(&[("service", "payment")], 7);
/// assert!(out.into_text().ends_with("rapids_lag{service=\"payment\"} 7\n"));
/// ```
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family of numbers that only grow while a process lives; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) {
        self.begin(name, "counter", help);
    }

    /// Begins a family of numbers that rise and fall.
    pub fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, "gauge", help);
    }

    /// Begins a family of histograms.
    pub fn histogram(&mut self, name: &'static str, help: &str) {
        self.begin(name, "histogram", help);
    }

    /// Adds a value to the family that was begun last.
    pub fn value(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, value);
    }

    /// Adds how long something took to the histogram that was begun last.
    pub fn durations(&mut self, labels: &[Label<'_>], durations: &Durations) {
        // An instance of another version may tell none, and there is no histogram without.
        if durations.buckets.is_empty() {
            return;
        }
        let mut count = 0;
        for (bound, more) in &durations.buckets {
            count += more;
            let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), count);
        }
        self.sample("_sum", labels, durations.sum);
        self.sample("_count", labels, count);
    }

    /// All of it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let family = self.family;
        self.line(format_args!("{family}{suffix}{labels} {value}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_with_escaped_labels() {
        let mut exposition = Exposition::default();
        exposition.counter("rapids_published_total", "Packets published.");
        exposition.value(&[("event", "a\"b\\c\nd"), ("service", "payment")], 7);
        exposition.gauge("rapids_packets", "Packets.");
        exposition.value(&[], 1.5);
        assert_eq!(
            exposition.into_text(),
            "# HELP rapids_published_total Packets published.\n\
             # TYPE rapids_published_total counter\n\
             rapids_published_total{event=\"a\\\"b\\\\c\\nd\",service=\"payment\"} 7\n\
             # HELP rapids_packets Packets.\n\
             # TYPE rapids_packets gauge\n\
             rapids_packets 1.5\n"
        );
    }

    #[test]
    fn buckets_count_everything_up_to_their_bound() {
        let buckets = vec![(Some(0.5), 2), (Some(1.0), 0), (None, 3)];
        let durations = Durations { sum: 7.25, buckets };
        let mut exposition = Exposition::default();
        exposition.histogram("t_seconds", "Time.");
        exposition.durations(&[("a", "b")], &durations);
        let text = exposition.into_text();
        let samples: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "t_seconds_bucket{a=\"b\",le=\"0.5\"} 2",
                "t_seconds_bucket{a=\"b\",le=\"1\"} 2",
                "t_seconds_bucket{a=\"b\",le=\"+Inf\"} 5",
                "t_seconds_sum{a=\"b\"} 7.25",
                "t_seconds_count{a=\"b\"} 5",
            ]
        );
    }
}
