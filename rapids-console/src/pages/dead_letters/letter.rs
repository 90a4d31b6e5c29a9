//! One letter, with all that is known of it.

mod action;
mod facts;
pub(super) mod judged;

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use rapids_client::{Comment, DeadLetters, LetterId, StoredLetter};
use tokio::time::timeout;

use super::act::Outcome;
use super::state_mark::StateMark;
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::pages::{download, rendered};
use crate::text::{BODY, Body, Mask, lines, short, shown};
use crate::times::{Time, bytes as size};
use action::ActionLine;
use facts::Facts;
use judged::Judging;

/// How long the letters about the same packet may take: there is one read for each.
const LONGEST: Duration = Duration::from_secs(2);
/// How many of them are shown.
const MOST: usize = 100;

#[derive(Template)]
#[template(path = "dead_letter.html")]
struct Page {
    frame: Frame,
    id: String,
    state: StateMark,
    kind: String,
    facts: Facts,
    /// Where its actions are.
    address: String,
    /// The state in the word of the library.
    stands: &'static str,
    /// What came of what was sent.
    outcome: Option<Outcome>,
    actions: Vec<ActionLine>,
    history: History,
    /// The river that its packet goes to, if not its own.
    successor: Option<String>,
    comments: Vec<CommentLine>,
    judging: Judging,
    body: Body,
    size: String,
    bytes: String,
}

/// What somebody has said of it.
struct CommentLine {
    text: String,
    who: String,
    at: Time,
}

/// The letters about the same packet.
struct History {
    steps: Vec<Step>,
    left_out: usize,
    /// Why they are not known.
    fault: Option<String>,
}

struct Step {
    id: String,
    address: String,
    state: StateMark,
    written: Time,
    is_this: bool,
}

/// The page.
pub(crate) async fn letter(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let id = parsed(&id)?;
    let letters = console.dead_letters().await?;
    // All that follows the letter needs no answer of it.
    let reading = timeout(LONGEST, letters.history(&id));
    let (stored, history) = tokio::join!(stored(letters, &id), Box::pin(reading));
    let stored = stored?;
    let frame = console.frame(&visitor, "/dead-letters");
    let history = match history {
        Ok(Ok(history)) => History::of(&history, &id, &frame),
        Ok(Err(error)) => History::missing(with_causes(&error)),
        Err(_) => History::missing("reading them takes too long".to_owned()),
    };
    let mask = &console.mask;
    let outcome = Box::pin(Outcome::of(letters, &stored, &frame)).await?;
    let comments = Box::pin(letters.comments(&id)).await?;
    let successor = Box::pin(letters.successor(&id.river_name())).await?;
    let river = successor.clone().unwrap_or_else(|| id.river_name());
    let body = mask.body(&stored.letter.body, BODY);
    let id = stored.letter.id.to_string();
    rendered(&Page {
        state: stored.state.into(),
        kind: short(&stored.letter.kind),
        facts: Facts::of(&stored, mask, &frame),
        address: frame.to("/dead-letters/", &id),
        stands: stored.state.as_str(),
        outcome,
        actions: stored.actions.iter().map(|it| ActionLine::of(it, mask, &frame)).collect(),
        history,
        judging: Judging::of(&console, (&stored, &river), &frame).await,
        successor: successor.map(short),
        comments: comments.iter().map(|it| CommentLine::of(it, mask)).collect(),
        body,
        size: size(stored.letter.body.len() as u64),
        bytes: format!("{}/bytes", frame.to("/dead-letters/", &id)),
        id: shown(id),
        frame,
    })
}

/// The stored bytes of the packet.
pub(crate) async fn bytes(
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response> {
    if !console.mask.is_empty() {
        let message = "values are masked here, so stored bytes are not given";
        return Err(Fault::new(StatusCode::FORBIDDEN, message));
    }
    let stored = stored(console.dead_letters().await?, &parsed(&id)?).await?;
    Ok(download("packet.json", stored.letter.body).into_response())
}

pub(super) fn parsed(id: &str) -> Result<LetterId> {
    id.parse().map_err(|_| {
        Fault::wrong(format!("`{}` is no id of a dead letter", short(id))).remedy(
            "An id is SERVICE.RIVER.SEQUENCE, such as payment.charge.17, or payment.charge.r3 \
             for a replay that failed again.",
        )
    })
}

pub(super) async fn stored(letters: &DeadLetters, id: &LetterId) -> Result<StoredLetter> {
    let stored = Box::pin(letters.get(id)).await?;
    stored.ok_or_else(|| {
        Fault::gone(format!("there is no dead letter `{id}`, or not any more: letters expire"))
    })
}

impl CommentLine {
    fn of(comment: &Comment, mask: &Mask) -> Self {
        let text =
            if mask.is_empty() { lines(&comment.text) } else { mask.sentence(&comment.text) };
        Self { text, who: short(&comment.who), at: comment.at.into() }
    }
}

impl History {
    fn missing(fault: String) -> Self {
        Self { steps: Vec::new(), left_out: 0, fault: Some(shown(fault)) }
    }

    fn of(history: &[StoredLetter], id: &LetterId, frame: &Frame) -> Self {
        let step = |stored: &StoredLetter| Step {
            id: short(&stored.letter.id),
            address: frame.to("/dead-letters/", &stored.letter.id.to_string()),
            state: stored.state.into(),
            written: stored.written.into(),
            is_this: stored.letter.id == *id,
        };
        let left_out = history.len().saturating_sub(MOST);
        Self { steps: history.iter().skip(left_out).map(step).collect(), left_out, fault: None }
    }
}
