//! What the user of chaos sees: notes while it lasts, and how it came out.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

use super::diary::Counts;
use super::load::Published;
use crate::ledger::Ledger;
use crate::screen::{Claim, Palette, claims, write_facts, write_totals};
use crate::verify::Fact;

/// Where and how the run is told.
#[derive(Debug)]
pub(crate) enum Report {
    Lines(Palette),
    Json,
}

/// How a run came out.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) seed: u64,
    pub(crate) ledger: &'a Ledger,
    pub(crate) published: &'a Published,
    pub(crate) counts: Counts,
    pub(crate) letters: usize,
    /// What is remarkable and no fault.
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

    /// Says what is going on.
    ///
    /// # Errors
    /// If the output is gone; so for the other.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        match self {
            Self::Lines(_) => writeln!(io::stdout(), "{text}"),
            // Standard output is for the machine.
            Self::Json => writeln!(io::stderr(), "{text}"),
        }
    }

    /// Shows how it came out.
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
        let Published { meals, poison, shouts, malformed, again, .. } = self.published;
        write_totals(out, self.ledger)?;
        writeln!(out, "seed {}: {} in {:.1} s", self.seed, self.counts, self.took.as_secs_f64())?;
        writeln!(
            out,
            "mixed in: {} meals, {} poisonous ones, {} loops, {malformed} malformed bodies, \
             {again} duplicates; {} dead letters",
            meals.len(),
            poison.len(),
            shouts.len(),
            self.letters
        )?;
        for remark in self.remarks {
            writeln!(out, "  {remark}")?;
        }
        write_facts(out, self.facts, palette)
    }

    fn summary(&self) -> Last<'_> {
        let Published { meals, poison, shouts, malformed, again, .. } = self.published;
        let summary = Summary {
            holds: self.facts.iter().all(Fact::holds),
            seed: self.seed,
            orders: self.ledger.stories.len(),
            packets: self.ledger.packets,
            dead_letters: self.letters,
            seconds: self.took.as_secs_f64(),
            kills: self.counts,
            mixed_in: MixedIn {
                meals: meals.len(),
                poison: poison.len(),
                loops: shouts.len(),
                malformed: *malformed,
                duplicates: *again,
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
    use crate::ledger::tests::ledger;
    use crate::story::tests::COMPLETED;
    use crate::verify::facts;

    #[test]
    fn report_tells_seed_and_kills_before_the_facts() {
        let ledger = ledger(&COMPLETED);
        let facts = facts(&ledger);
        let counts = Counts { services: 7, servers: 1, ..Counts::default() };
        let outcome = Outcome {
            seed: 42,
            ledger: &ledger,
            published: &Published::default(),
            counts,
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
