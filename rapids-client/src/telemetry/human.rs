//! A log line for a person on a terminal.

use std::fmt;

use jiff::Timestamp;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::printable::printable;

/// Writes the time of day in UTC, the level and the message on one line, with control characters
/// escaped.
pub(super) struct Human {
    has_colours: bool,
    rest: Format<Compact, ()>,
}

impl Human {
    pub(super) fn new(has_colours: bool) -> Self {
        let rest = Format::default().compact().without_time().with_level(false);
        // Its own colours could not be told from sequences that others wrote.
        Self { has_colours, rest: rest.with_target(false).with_ansi(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut rest = String::new();
        self.rest.format_event(context, Writer::new(&mut rest), event)?;
        let time = Timestamp::now().strftime("%H:%M:%SZ");
        let level = event.metadata().level();
        let (begin, dim, end) = match self.has_colours {
            true => (colour(*level), "\u{1b}[2m", "\u{1b}[0m"),
            false => ("", "", ""),
        };
        write!(line, "{dim}{time}{end} {begin}{:>5}{end} ", level.as_str())?;
        writeln!(line, "{}", printable(rest.trim_end_matches('\n')))
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}
