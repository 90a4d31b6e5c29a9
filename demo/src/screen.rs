//! What the user sees.
//!
//! One of three ways: a live block on a terminal, a line per order elsewhere, JSON on request.
//! Everything shown comes from the ledger.

mod json;
mod line;
mod lines;
mod live;
mod palette;
mod report;

use std::io::{self, IsTerminal, Write};

use crate::ledger::Ledger;
use crate::verify::Fact;
use json::Json;
pub(crate) use json::{Claim, claims};
use lines::Lines;
use live::Live;
pub(crate) use palette::Palette;
pub(crate) use report::{write_facts, write_totals};

/// Where and how the run is shown.
#[derive(Debug)]
pub(crate) enum Screen {
    Live(Live<io::Stdout>),
    Lines(Lines<io::Stdout>),
    Json(Json<io::Stdout>),
}

impl Screen {
    /// Chooses by what standard output is.
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if json {
            Self::Json(Json::new(stdout))
        } else if stdout.is_terminal() && !is_dumb {
            Self::Live(Live::new(stdout, Palette::of_the_environment()))
        } else {
            Self::Lines(Lines::new(stdout))
        }
    }

    /// Says what is going on beside the orders.
    ///
    /// # Errors
    /// If standard output is gone; so for the others.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Live(live) => live.note(text),
            Self::Lines(lines) => lines.note(text),
            // Standard output is for the machine.
            Self::Json(_) => writeln!(io::stderr(), "{text}"),
        }
    }

    /// Shows what has become of one order.
    pub(crate) fn changed(&mut self, ledger: &Ledger, place: usize) -> io::Result<()> {
        match self {
            Self::Live(live) => {
                live.changed();
                Ok(())
            }
            Self::Lines(lines) => lines.changed(&ledger.stories[place]),
            Self::Json(json) => json.changed(&ledger.stories[place]),
        }
    }

    /// Draws what has changed since the last time.
    pub(crate) fn tick(&mut self, ledger: &Ledger) -> io::Result<()> {
        match self {
            Self::Live(live) => live.draw(ledger),
            Self::Lines(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Leaves the terminal as it was found.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        match self {
            Self::Live(live) => live.release(),
            Self::Lines(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Shows how it all came out.
    pub(crate) fn finish(&mut self, ledger: &Ledger, facts: &[Fact]) -> io::Result<()> {
        match self {
            Self::Live(live) => live.finish(ledger, facts),
            Self::Lines(lines) => lines.finish(ledger, facts),
            Self::Json(json) => json.finish(ledger, facts),
        }
    }
}
