//! `rapids dead-letters show`: shows everything about one letter.

use anyhow::Result;
use clap::Args;
use rapids_client::{
    Action, ActionKind, Comment, Error, LetterId, Refusal, StoredLetter, Timestamp,
};
use rapids_views::indented;

use super::bulk::to;
use super::letter_json::LetterJson;
use crate::exit::Answer;
use crate::line::Line;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;

/// Show everything about a dead letter, with the packet as it was received
#[derive(Debug, Args)]
#[command(after_help = "\
With -o json the object that `list` prints, with `history`, the `id` and `state` of every letter about
the packet; `comments`, each with `text`, `who` and `at`; and `packet`, the packet itself.")]
pub(crate) struct Show {
    /// The letter, such as `payment.charge.17`
    #[arg(value_name = "ID")]
    id: LetterId,

    /// How to print the letter
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let letters = session.dead_letters().await?;
        let history = letters.history(&self.id).await?;
        let Some(stored) = history.iter().find(|stored| stored.letter.id == self.id) else {
            return Err(Error::Letter { id: self.id.to_string(), refusal: Refusal::Unknown }.into());
        };
        let comments = letters.comments(&self.id).await?;
        let screen = &session.screen;
        match self.output {
            Format::Json => {
                let json = LetterJson::of(stored).with_details(stored, &history, &comments);
                screen.json(&serde_json::to_string(&json)?)?;
            }
            Format::Line => {
                for line in lines((stored, &history, &comments), screen.data) {
                    screen.line(line)?;
                }
            }
        }
        Ok(Answer::Yes)
    }
}

/// A letter, all letters about its packet, and what people have said of it.
type Known<'a> = (&'a StoredLetter, &'a [StoredLetter], &'a [Comment]);

fn lines((stored, history, comments): Known<'_>, palette: Palette) -> Vec<Line> {
    let letter = &stored.letter;
    let mut page = Page { lines: Vec::new(), palette };
    page.lines.push(
        Line::new()
            .styled(palette.name, &letter.id)
            .text("  ")
            .styled(palette.bad, &letter.kind)
            .text("  ")
            .styled(palette.warning, stored.state),
    );
    page.fact("reason", &letter.reason);
    for cause in &letter.causes {
        page.fact("caused by", cause);
    }
    match letter.attempts {
        // The kind of the letter says why the river was not tried.
        0 => page.fact("found by", &format!("instance {}", letter.instance)),
        1 => page.fact("tried", &format!("once, by instance {}", letter.instance)),
        count => page.fact("tried", &format!("{count} times, by instance {}", letter.instance)),
    }
    let [first, last] = [letter.first_failure, letter.last_failure].map(to_the_second);
    let failed = if first == last { last } else { format!("{first} to {last}") };
    page.fact("failed", &failed);
    let name = letter.name.as_deref().unwrap_or("packet");
    page.fact("packet", &format!("{name} {}, {} bytes", letter.packet_id, stored.size));
    let stored_at = to_the_second(letter.stored);
    page.fact("on the rapids", &format!("sequence {}, stored {stored_at}", letter.sequence));
    page.fact("conversation", &letter.correlation_id);
    if let Some(publisher) = &letter.publisher {
        page.fact("publisher", publisher);
    }
    if !letter.breadcrumbs.is_empty() {
        page.fact("way", &letter.breadcrumbs.join(" > "));
    }
    if let Some(trace) = &letter.trace {
        page.fact("trace", trace.parent());
    }
    let written = to_the_second(stored.written);
    page.fact("letter", &format!("message {}, stored {written}", stored.sequence));
    if let Some(former) = &letter.former {
        page.fact("failed before", &format!("{former}, and the position was moved since"));
    }
    for action in &stored.actions {
        page.fact("action", &described(action));
    }
    for Comment { text, who, at, .. } in comments {
        page.fact("comment", &format!("{at:.0} by {who}: {text}"));
    }
    if history.len() > 1 {
        let step = |other: &StoredLetter| format!("{} ({})", other.letter.id, other.state);
        page.fact("history", &history.iter().map(step).collect::<Vec<_>>().join(" > "));
    }
    page.lines.push(Line::new());
    match std::str::from_utf8(&letter.body) {
        Ok(body) => page.lines.extend(indented(body).lines().map(Line::from)),
        Err(_) => page.lines.extend(String::from_utf8_lossy(&letter.body).lines().map(Line::from)),
    }
    page.lines
}

/// Short times are easier to compare; JSON has every digit.
fn to_the_second(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Lines of a name and a value, with the values in a column.
struct Page {
    lines: Vec<Line>,
    palette: Palette,
}

impl Page {
    fn fact(&mut self, name: &str, value: &str) {
        let mut name = format!("{name:14}");
        for line in value.split('\n') {
            self.lines.push(Line::new().styled(self.palette.faint, &name).text(line));
            name = " ".repeat(name.len());
        }
    }
}

/// Who did what, when, why, and with what result.
fn described(action: &Action) -> String {
    let Action { kind, who, at, why, origin, job, replay, packet_id, sequence, .. } = action;
    let mut text = format!("{at:.0} {kind} by {who}");
    if let Some(origin) = origin {
        text.push_str(&format!(" from {origin}"));
    }
    if let Some(job) = job {
        text.push_str(&format!(" in job {job}"));
    }
    if let Some(why) = why {
        text.push_str(&format!(" ({why})"));
    }
    match (kind, packet_id, replay, sequence) {
        (ActionKind::ReplayToAll, Some(packet), _, Some(sequence)) => {
            text.push_str(&format!(": packet {packet} at sequence {sequence} of the rapids"));
        }
        (ActionKind::Edit, Some(packet), Some(replay), _) => {
            text.push_str(&format!(": packet {packet} as replay {replay}"));
        }
        (_, _, Some(replay), _) => text.push_str(&format!(": replay {replay}")),
        _ => {}
    }
    text + &to(action)
}
