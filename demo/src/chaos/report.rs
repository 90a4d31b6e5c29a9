//! The output of chaos: notes while it runs, and the outcome.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

use super::event_log::Counts;
use super::load::Published;
use super::pause_table::{self, Row};
use super::servers::Felt;
use crate::screen::{Claim, Palette, claims, write_facts, write_totals};
use crate::tracker::Tracker;
use crate::verify::Fact;

/// Where and how to print.
#[derive(Debug)]
pub(crate) enum Report {
    Lines(Palette),
    Json,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) seed: u64,
    pub(crate) tracker: &'a Tracker,
    pub(crate) published: &'a Published,
    pub(crate) counts: Counts,
    /// How the faults of the servers were felt.
    pub(crate) felt: Vec<Felt>,
    pub(crate) letters: usize,
    /// What is worth noting but no fault.
    pub(crate) remarks: &'a [String],
    pub(crate) took: Duration,
    pub(crate) facts: &'a [Fact],
}

#[derive(Serialize)]
struct Last<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    holds: bool,
    seed: u64,
    orders: usize,
    packets: u64,
    dead_letters: usize,
    seconds: f64,
    kills: Counts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pauses: Vec<Row>,
    mixed_in: MixedIn,
    remarks: &'a [String],
    facts: Vec<Claim<'a>>,
}

#[derive(Serialize)]
struct MixedIn {
    meals: usize,
    poison: usize,
    loops: usize,
    malformed: usize,
    duplicates: usize,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        match (json, io::stdout().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Lines(Palette::of_the_environment()),
            (false, false) => Self::Lines(Palette::plain()),
        }
    }

    /// Prints a note.
    ///
    /// # Errors
    /// If the output is closed.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        match self {
            Self::Lines(_) => writeln!(io::stdout(), "{text}"),
            // Standard output holds JSON only.
            Self::Json => writeln!(io::stderr(), "{text}"),
        }
    }

    /// Prints the outcome.
    ///
    /// # Errors
    /// If the output is closed.
    pub(crate) fn finish(&self, outcome: &Outcome<'_>) -> io::Result<()> {
        match self {
            Self::Lines(palette) => outcome.write(&mut io::stdout(), palette),
            Self::Json => {
                serde_json::to_writer(io::stdout(), &outcome.summary())?;
                writeln!(io::stdout())
            }
        }
    }
}

impl Outcome<'_> {
    pub(crate) fn write(&self, out: &mut impl Write, palette: &Palette) -> io::Result<()> {
        let Published { meals, poison, shouts, malformed, duplicates, .. } = self.published;
        write_totals(out, self.tracker)?;
        writeln!(out, "seed {}: {} in {:.1} s", self.seed, self.counts, self.took.as_secs_f64())?;
        writeln!(
            out,
            "mixed in: {} meals, {} poisonous ones, {} loops, {malformed} malformed bodies, \
             {duplicates} duplicates; {} dead letters",
            meals.len(),
            poison.len(),
            shouts.len(),
            self.letters
        )?;
        for remark in self.remarks {
            writeln!(out, "  {remark}")?;
        }
        pause_table::write(out, &pause_table::rows(&self.felt))?;
        write_facts(out, self.facts, palette)
    }

    fn summary(&self) -> Last<'_> {
        let Published { meals, poison, shouts, malformed, duplicates, .. } = self.published;
        let summary = Summary {
            holds: self.facts.iter().all(Fact::holds),
            seed: self.seed,
            orders: self.tracker.orders.len(),
            packets: self.tracker.packets,
            dead_letters: self.letters,
            seconds: self.took.as_secs_f64(),
            kills: self.counts,
            pauses: pause_table::rows(&self.felt),
            mixed_in: MixedIn {
                meals: meals.len(),
                poison: poison.len(),
                loops: shouts.len(),
                malformed: *malformed,
                duplicates: *duplicates,
            },
            remarks: self.remarks,
            facts: claims(self.facts),
        };
        Last { summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::COMPLETED;
    use crate::tracker::tests::tracker;
    use crate::verify::facts;

    #[test]
    fn report_has_seed_and_kills_before_the_facts() {
        let tracker = tracker(&COMPLETED);
        let facts = facts(&tracker);
        let counts = Counts { services: 7, servers: 1, ..Counts::default() };
        let outcome = Outcome {
            seed: 42,
            tracker: &tracker,
            published: &Published::default(),
            counts,
            felt: Vec::new(),
            letters: 3,
            remarks: &["letter payment.charge.17 is a suspect".to_owned()],
            took: Duration::from_secs(9),
            facts: &facts,
        };
        let mut text = Vec::new();
        outcome.write(&mut text, &Palette::plain()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\nseed 42: 8 kills (7 of services, 1 of the server), "), "{text}");
        assert!(text.contains("; 3 dead letters\n  letter payment"), "{text}");
        assert!(text.ends_with("All facts hold.\n"), "{text}");
        let json = serde_json::to_value(outcome.summary()).unwrap();
        assert_eq!(json["summary"]["kills"]["services"], 7);
        assert_eq!(json["summary"]["holds"], true);
    }
}
