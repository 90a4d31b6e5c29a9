//! The output of the demo: a live block on a terminal, a line per order elsewhere, or JSON.
//!
//! Everything shown comes from the tracker.

mod json;
mod line;
mod lines;
mod live;
mod palette;
mod report;

use std::io::{self, IsTerminal, Write};

use crate::tracker::Tracker;
use crate::verify::Fact;
use json::Json;
pub(crate) use json::{Claim, claims};
use lines::Lines;
use live::Live;
pub(crate) use palette::Palette;
pub(crate) use report::{write_facts, write_totals};

/// Where and how to print.
#[derive(Debug)]
pub(crate) enum Screen {
    Live(Live<io::Stdout>),
    Lines(Lines<io::Stdout>),
    Json(Json<io::Stdout>),
}

impl Screen {
    /// Chooses the kind of output by what standard output is.
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

    /// Prints a note.
    ///
    /// # Errors
    /// If standard output is closed, as for the other functions.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Live(live) => live.note(text),
            Self::Lines(lines) => lines.note(text),
            // Standard output holds JSON only.
            Self::Json(_) => writeln!(io::stderr(), "{text}"),
        }
    }

    /// Shows the new status of an order.
    pub(crate) fn changed(&mut self, tracker: &Tracker, place: usize) -> io::Result<()> {
        match self {
            Self::Live(live) => {
                live.changed();
                Ok(())
            }
            Self::Lines(lines) => lines.changed(&tracker.orders[place]),
            Self::Json(json) => json.changed(&tracker.orders[place]),
        }
    }

    /// Draws what has changed since the last call.
    pub(crate) fn tick(&mut self, tracker: &Tracker) -> io::Result<()> {
        match self {
            Self::Live(live) => live.draw(tracker),
            Self::Lines(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Restores the terminal.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        match self {
            Self::Live(live) => live.release(),
            Self::Lines(_) | Self::Json(_) => Ok(()),
        }
    }

    /// Prints the summary and the facts.
    pub(crate) fn finish(&mut self, tracker: &Tracker, facts: &[Fact]) -> io::Result<()> {
        match self {
            Self::Live(live) => live.finish(tracker, facts),
            Self::Lines(lines) => lines.finish(tracker, facts),
            Self::Json(json) => json.finish(tracker, facts),
        }
    }
}
