//! Acting on one letter, and what came of that.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use rapids_client::{DeadLetters, LetterId, State as LetterState, StoredLetter};

use super::letter::{parsed, stored};
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::pages::rendered;
use crate::text::short;
use crate::times::{duration, since};

/// How long a river usually takes at most; after that it is said who is waited for.
const LONG: Duration = Duration::from_secs(5);

/// The part of the page of a letter that tells what has become of it.
pub(super) const STATE: &str = "letter-state";

/// Acts on a letter: sends its packet again, discards or restores it, or finishes what was interrupted.
pub(crate) async fn act(
    State(console): State<Console>,
    Path((id, what)): Path<(String, String)>,
    signed: Signed,
) -> Result<Redirect> {
    let (id, note) = (parsed(&id)?, &signed.note);
    let letters = console.dead_letters().await?;
    match what.as_str() {
        "replay" => Box::pin(letters.replay(&id, note)).await?,
        "discard" => {
            signed.reason()?;
            Box::pin(letters.discard(&id, note)).await?
        }
        "restore" => Box::pin(letters.restore(&id, note)).await?,
        "resume" => Box::pin(letters.resume(&id, note)).await?,
        "comment" => {
            Box::pin(letters.comment(&id, signed.text("text"), note)).await?;
            return Ok(to_letter(&console, &id, "comments"));
        }
        _ => return Err(Fault::gone("there is no such action")),
    };
    Ok(to_letter(&console, &id, STATE))
}

/// To a part of the page of a letter, which shows what was done.
pub(super) fn to_letter(console: &Console, id: &LetterId, part: &str) -> Redirect {
    Redirect::to(&format!("{}#{part}", console.links().to("/dead-letters/", &id.to_string())))
}

/// What came of a packet that was sent again.
#[derive(Template)]
#[template(path = "dead_letter_outcome.html")]
pub(crate) struct Outcome {
    /// Where to ask again; `None` once it is settled.
    again: Option<String>,
    mark: &'static str,
    class: &'static str,
    text: String,
    /// The letter that tells how it failed again.
    failed: Option<(String, String)>,
}

impl Outcome {
    /// `None` if nothing was sent to one river.
    pub(super) async fn of(
        letters: &DeadLetters,
        stored: &StoredLetter,
        frame: &Frame,
    ) -> Result<Option<Self>> {
        let Some(action) = stored.action().filter(|it| it.replay.is_some()) else {
            return Ok(None);
        };
        let id = &stored.letter.id;
        if let (LetterState::FailedAgain, Some(again)) = (stored.state, &stored.again) {
            let failed = Some((short(again), frame.to("/dead-letters/", &again.to_string())));
            let text = "It failed again, as letter".to_owned();
            return Ok(Some(Self { again: None, mark: "✗", class: "bad", text, failed }));
        }
        let to = id.sent_to(action);
        let river = short(&to);
        if letters.is_done(id, action).await? {
            let text = format!("{river} has handled the packet.");
            return Ok(Some(Self { again: None, mark: "✓", class: "good", text, failed: None }));
        }
        let waited = since(action.at);
        let text = if waited < LONG {
            format!("The packet is on its way to {river}.")
        } else {
            let (waited, service) = (duration(waited), short(to.service()));
            format!("{river} has not handled the packet yet, for {waited}: does {service} run?")
        };
        let again = Some(format!("{}/outcome", frame.to("/dead-letters/", &id.to_string())));
        Ok(Some(Self { again, mark: "…", class: "warning", text, failed: None }))
    }
}

/// What came of it, asked for again and again until it is settled.
pub(crate) async fn outcome(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let letters = console.dead_letters().await?;
    let stored = stored(letters, &parsed(&id)?).await?;
    let frame = console.frame(&visitor, "");
    match Box::pin(Outcome::of(letters, &stored, &frame)).await? {
        Some(outcome) => rendered(&outcome),
        None => Ok(Html(String::new())),
    }
}
