//! `rapids dead-letters list`: lists letters, one by one or in groups.

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rapids_client::{DeadLetter, Error, State, StoredLetter};
use rapids_views::Groups;

use super::group_lines;
use super::letter_json::LetterJson;
use super::selection::Filters;
use crate::exit::Answer;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::shorten::shortened;
use crate::table::{Cell, Column, Table};

/// The value of `--state` for letters in any state.
const ANY: &str = "any";

/// Longest reason in a table, in characters.
const REASON: usize = 80;

/// Longest cause in a table, in characters.
const CAUSE: usize = 60;

/// List dead letters, oldest first: those that are waiting, unless a state is given
#[derive(Debug, Args)]
#[command(after_help = "\
With -o json an object per letter: `id`, `service`, `river`, `kind`, `state`, `reason`, `causes`,
`attempts`, `instance`, `packet_id`, `name`, `correlation_id`, `breadcrumbs`, `publisher` (as the
server says), `sequence` and `stored` (where and when the rapids stored the packet), `first_failure`,
`last_failure`, `written` (when the letter was stored), `size` (of the packet, in bytes), `first` (the
first letter about a packet that was replayed), `again` (the letter of a replay that failed again) and
`actions`.

With --group and -o json an object per group: `count`, `service`, `river`, `kind`, `reason`, `first`,
`last`, `example` and `tag`.")]
pub(crate) struct List {
    #[command(flatten)]
    filters: Filters,

    /// List letters in this state
    #[arg(long, value_name = "STATE", value_parser = states(), default_value = State::Waiting.as_str())]
    state: Wanted,

    /// Count letters by river, kind and reason; numbers, ids and quotations in reasons are ignored
    #[arg(long)]
    group: bool,

    /// How to print the letters
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// A state, or `None` for any state.
#[derive(Debug, Clone, Copy)]
struct Wanted(Option<State>);

fn states() -> impl TypedValueParser<Value = Wanted> {
    let names = State::ALL.map(State::as_str).into_iter().chain([ANY]);
    PossibleValuesParser::new(names).map(|text| Wanted(text.parse().ok()))
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let letters = session.dead_letters().await?;
        let filter = match self.state.0 {
            Some(state) => self.filters.filter().state(state),
            None => self.filters.filter(),
        };
        let screen = &session.screen;
        self.filters.warn(screen);
        let mut listing = letters.list(&filter).await?;
        let (mut groups, mut table, mut count) = (Groups::default(), table(), 0_u64);
        loop {
            let stored = match listing.next().await {
                Ok(Some(stored)) => stored,
                Ok(None) => break,
                Err(error @ Error::Stream { .. }) => {
                    screen.warning(error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            count += 1;
            match self.output {
                _ if self.group => groups.add(&stored),
                Format::Json => screen.json(&serde_json::to_string(&LetterJson::of(&stored))?)?,
                Format::Line => table.row(row(&stored, screen.data)),
            }
        }
        if count == 0 {
            screen.note(match self.state.0 {
                Some(state) => format!("no such letter is {state}"),
                None => "there is no such letter".to_owned(),
            });
            return Ok(Answer::Yes);
        }
        let lines = match (self.group, self.output) {
            (true, Format::Json) => {
                for group in groups.sorted(&letters.tags().await?) {
                    screen.json(&serde_json::to_string(&group)?)?;
                }
                Vec::new()
            }
            (true, Format::Line) => {
                group_lines::lines(&groups.sorted(&letters.tags().await?), screen.data)
            }
            (false, Format::Json) => Vec::new(),
            (false, Format::Line) => table.lines(screen.data.faint),
        };
        for line in lines {
            screen.line(line)?;
        }
        Ok(Answer::Yes)
    }
}

/// The columns of letters.
pub(super) fn table() -> Table {
    Table::new([
        Column::words("STORED"),
        Column::words("ID"),
        Column::words("KIND"),
        Column::words("STATE"),
        Column::words("PACKET"),
        Column::numbers("TRIES"),
        Column::words("REASON"),
    ])
}

/// A letter as a row of [`table`].
pub(super) fn row(stored: &StoredLetter, palette: Palette) -> [Cell; 7] {
    let letter = &stored.letter;
    let state = match stored.state {
        State::Waiting | State::Unfinished | State::FailedAgain => palette.warning,
        State::Replayed | State::Edited | State::Discarded => palette.faint,
    };
    [
        Cell::new(format!("{:.0}", stored.written)).style(palette.faint),
        Cell::new(letter.id.to_string()).style(palette.name),
        Cell::new(letter.kind.as_str()).style(palette.bad),
        Cell::new(stored.state.as_str()).style(state),
        Cell::new(letter.name.as_deref().unwrap_or("-")),
        Cell::new(letter.attempts.to_string()),
        Cell::new(reason(letter)),
    ]
}

/// The reason and its deepest cause.
fn reason(letter: &DeadLetter) -> String {
    let reason = shortened(&letter.reason, REASON);
    match letter.causes.last() {
        Some(cause) => format!("{reason}: {}", shortened(cause, CAUSE)),
        None => reason,
    }
}
