//! Editing the packet of a letter: the text, what it would do, and sending it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use rapids_client::{LetterId, Packet, State as LetterState, StoredLetter};
use rapids_views::indented;
use similar::{ChangeTag, TextDiff};

use super::act::{STATE, to_letter};
use super::letter::judged::Judging;
use super::letter::{parsed, stored};
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::pages::rendered;
use crate::text::{lines, short, shown};

/// So many lines of the difference are shown.
const MOST_LINES: usize = 400;

#[derive(Template)]
#[template(path = "dead_letter_edit.html")]
struct Page {
    frame: Frame,
    id: String,
    letter: String,
    /// Where the form goes to, and where the text is checked.
    sends: String,
    checks: String,
    text: String,
    reason: String,
    checked: Option<Checked>,
}

/// What is to be said of a text before it is sent.
#[derive(Template)]
#[template(path = "dead_letter_checked.html")]
struct Checked {
    /// Why it is no packet.
    fault: Option<String>,
    difference: Vec<DiffLine>,
    left_out: usize,
    judging: Option<Judging>,
    river: String,
}

struct DiffLine {
    mark: &'static str,
    class: &'static str,
    text: String,
}

/// The form.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let stored = editable(&console, &id).await?;
    let text = indented(&String::from_utf8_lossy(&stored.letter.body));
    let frame = console.frame(&visitor, "/dead-letters");
    rendered(&Page::of(frame, &stored.letter.id, text, String::new(), None))
}

/// What the text would do, while it is written.
pub(crate) async fn check(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    signed: Signed,
) -> Result<Html<String>> {
    let stored = editable(&console, &id).await?;
    let frame = console.frame(&visitor, "");
    rendered(&Checked::of(&console, &frame, &stored, signed.text("body")).await?)
}

/// Sends the text in place of the packet; one that the river would not take only if that is said.
pub(crate) async fn send(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    signed: Signed,
) -> std::result::Result<Redirect, Answer> {
    let stored = editable(&console, &id).await?;
    let (id, text) = (&stored.letter.id, signed.text("body"));
    let frame = console.frame(&visitor, "/dead-letters");
    let checked = Checked::of(&console, &frame, &stored, text).await?;
    let is_refused = matches!(&checked.judging, Some(Judging::Judged(it)) if !it.is_taken);
    if checked.fault.is_some() || (is_refused && signed.text("anyway").is_empty()) {
        let reason = signed.note.why.clone().unwrap_or_default();
        let page = Page::of(frame, id, text.to_owned(), reason, Some(checked));
        return Err(Answer::Again(rendered(&page)?));
    }
    let letters = console.dead_letters().await?;
    Box::pin(letters.edit(id, text.to_owned(), &signed.note)).await.map_err(Fault::from)?;
    Ok(to_letter(&console, id, STATE))
}

/// Why nothing was sent.
pub(crate) enum Answer {
    /// The form again, with what is wrong.
    Again(Html<String>),
    Fault(Fault),
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl axum::response::IntoResponse for Answer {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::Again(page) => (StatusCode::UNPROCESSABLE_ENTITY, page).into_response(),
            Self::Fault(fault) => fault.into_response(),
        }
    }
}

/// A letter that may be edited here.
async fn editable(console: &Console, id: &str) -> Result<StoredLetter> {
    let stored = stored(console.dead_letters().await?, &parsed(id)?).await?;
    if console.mask.touches(&stored.letter.body) {
        let message = "values of this packet are masked here, so it is not to be edited";
        return Err(Fault::new(StatusCode::FORBIDDEN, message));
    }
    if stored.state != LetterState::Waiting {
        let message = format!("letter {id} does not wait any more: it is {}", stored.state);
        let fault = Fault::new(StatusCode::CONFLICT, message);
        return Err(fault.remedy("Nothing was changed. Its page tells who was quicker."));
    }
    Ok(stored)
}

impl Page {
    fn of(
        frame: Frame,
        id: &LetterId,
        text: String,
        reason: String,
        checked: Option<Checked>,
    ) -> Self {
        let letter = frame.to("/dead-letters/", &id.to_string());
        let sends = format!("{letter}/edit");
        let checks = format!("{sends}/check");
        Self { frame, id: shown(id), letter, sends, checks, text, reason, checked }
    }
}

impl Checked {
    async fn of(
        console: &Console,
        frame: &Frame,
        stored: &StoredLetter,
        text: &str,
    ) -> Result<Self> {
        let own = stored.letter.id.river_name();
        let successor = Box::pin(console.dead_letters().await?.successor(&own)).await?;
        let river = successor.unwrap_or(own);
        let before = indented(&String::from_utf8_lossy(&stored.letter.body));
        let (fault, judging) = match Packet::from_bytes(text.to_owned()) {
            Ok(packet) => (None, Some(Judging::of_packet(console, &river, packet, frame).await)),
            Err(error) => (Some(shown(error)), None),
        };
        let (difference, left_out) = difference(&before, &indented(text));
        Ok(Self { fault, difference, left_out, judging, river: short(river) })
    }
}

/// The lines that differ, each with one around it, and how many are left out.
fn difference(before: &str, after: &str) -> (Vec<DiffLine>, usize) {
    let diff = TextDiff::from_lines(before, after);
    let mut all = Vec::new();
    for group in diff.grouped_ops(1) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (mark, class) = match change.tag() {
                ChangeTag::Delete => ("−", "removed"),
                ChangeTag::Insert => ("+", "added"),
                ChangeTag::Equal => (" ", "same"),
            };
            all.push(DiffLine { mark, class, text: lines(change.value().trim_end()) });
        }
    }
    let left_out = all.len().saturating_sub(MOST_LINES);
    all.truncate(MOST_LINES);
    (all, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        let (lines, left_out) =
            difference("{\n  \"a\": 1,\n  \"b\": 1.10\n}", "{\n  \"a\": 1,\n  \"b\": 2\n}");
        let text: Vec<_> = lines.iter().map(|it| format!("{}{}", it.mark, it.text)).collect();
        assert_eq!(text, ["   \"a\": 1,", "−  \"b\": 1.10", "+  \"b\": 2", " }"]);
        assert_eq!(left_out, 0);
        assert!(difference("{}", "{}").0.is_empty());
    }
}
