//! The live page: packets as they come, those that match an expression.

mod beginning;
mod filter;
mod following;
mod place;
mod row;

use std::convert::Infallible;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures::{Stream, stream};
use serde::Deserialize;

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::{Frame, encoded};
use crate::guard::Visitor;
use beginning::Beginning;
use filter::{Filter, Wrong};
use following::Following;
use place::Place;

/// The clauses that buttons insert. The cursor is put between the quotes.
const CLAUSES: [&str; 7] = [
    "@.event == ''",
    "@.need == ''",
    "@.command == ''",
    "@.rapids.correlation_id == ''",
    "@.total > 0",
    " && ",
    " || ",
];

#[derive(Template)]
#[template(path = "live.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    clauses: [&'static str; 7],
    /// What is wrong with the expression.
    wrong: Option<Wrong>,
    /// What is wrong with the place to begin at.
    misplaced: Option<String>,
    /// Without one there is nothing to follow.
    beginning: Option<Beginning>,
    /// What comes is to be had here, behind a sequence.
    events: String,
    /// This page without the place to begin at.
    newest: String,
}

#[derive(Template)]
#[template(path = "live_wrong.html")]
struct WrongPart {
    wrong: Option<Wrong>,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(rename = "where")]
    expression: String,
    /// A sequence or a time; empty for the newest packets.
    from: String,
    /// The last sequence that is known already.
    after: Option<u64>,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let frame = console.frame(&visitor, "/live");
    let filter = Filter::read(&asked.expression, &console.mask);
    let place = Place::read(&asked.from);
    let beginning = match (&filter, &place) {
        (Ok(filter), Ok(place)) => Some(Box::pin(Beginning::read(&console, filter, *place)).await?),
        _ => None,
    };
    let status = if beginning.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Page {
        events: format!("{}?where={}", frame.at("/live/events"), encoded(&asked.expression)),
        newest: frame.to("/live?where=", &asked.expression),
        frame,
        asked,
        clauses: CLAUSES,
        wrong: filter.err(),
        misplaced: place.err(),
        beginning,
    };
    Ok((status, rendered(&page)?).into_response())
}

/// What is wrong with an expression that somebody types; empty if nothing is.
pub(crate) async fn check(
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>> {
    rendered(&WrongPart { wrong: Filter::read(&asked.expression, &console.mask).err() })
}

/// The packets that come behind a sequence.
pub(crate) async fn events(
    State(console): State<Console>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let filter = Filter::read(&asked.expression, &console.mask);
    let filter = filter.map_err(|wrong| Fault::wrong(wrong.said))?;
    // A browser that connects again knows more than the address of its page.
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let following = Box::pin(Following::open(&console, filter, known.or(asked.after))).await?;
    let frames = stream::unfold((console, following), async |(console, mut following)| {
        let event = console.until_stopped(Box::pin(following.next())).await??;
        Some((Ok(event), (console, following)))
    });
    Ok(Sse::new(frames))
}
