//! The map: who publishes what and who takes it, drawn and as tables, whole or around one node.
//!
//! The server tells what there is and how it is; `map.js` finds places for it and draws. The address says
//! what the map is limited to.

mod facts;
pub(crate) mod focus;
mod often;
mod picture;
mod rows;
mod seen;

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures::{Stream, stream};
use serde::Deserialize;

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::{Frame, encoded};
use crate::guard::Visitor;
use crate::text::{short, shown};
use crate::times::{Time, count};
use facts::Facts;
use picture::Picture;
use rows::{NameRow, ServiceRow};
use seen::Seen;

/// So long a page waits for the next map; then it is told anew how services are.
const WAIT: Duration = Duration::from_secs(15);
/// So much is offered to choose from.
const MOST_CHOICES: usize = 1_000;
/// So much of what is odd is shown.
const MOST_ODD: usize = 100;

#[derive(Template)]
#[template(path = "map.html")]
struct Page {
    frame: Frame,
    /// What the map is limited to, as who looks wrote it.
    focus: String,
    /// The same, fit for the title.
    subject: Option<String>,
    /// The same, behind the addresses that answer for it.
    query: String,
    choices: Vec<String>,
    part: Part,
}

/// What moves on the page, beside the drawing.
#[derive(Template)]
#[template(path = "map_part.html")]
struct Part {
    note: Option<String>,
    summary: Option<Summary>,
    warnings: Vec<String>,
    facts: Option<Facts>,
    services: Vec<ServiceRow>,
    services_known: usize,
    names: Vec<NameRow>,
    names_known: usize,
    odd: Vec<String>,
    odd_known: usize,
}

/// What was read.
struct Summary {
    packets: String,
    from: Time,
    to: Time,
}

/// What the map is limited to.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    focus: String,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/map");
    let seen = Seen::now(&console, &wanted.focus);
    let choices = seen.drawn().map(|drawn| drawn.graph.nodes.iter().map(focus::key));
    let choices = choices.into_iter().flatten().take(MOST_CHOICES).collect();
    rendered(&Page {
        subject: (!wanted.focus.is_empty()).then(|| short(&wanted.focus)),
        query: query(&wanted.focus),
        choices,
        part: Part::of(&console, &frame, &seen),
        focus: wanted.focus,
        frame,
    })
}

/// What moves on the page, with each new map, and often enough to tell how services are.
pub(crate) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let mapping = console.mapping.clone();
    let state = (console, visitor, wanted.focus, mapping);
    let parts = stream::unfold(state, async |(console, visitor, focus, mut mapping)| {
        let next = tokio::time::timeout(WAIT, mapping.next());
        // None of the two: the console ends. A pause without a new map is none.
        if let Ok(None) = console.until_stopped(next).await? {
            return None;
        }
        let seen = Seen::now(&console, &focus);
        let part = Part::of(&console, &console.frame(&visitor, "/map"), &seen);
        let event = Event::default().data(part.render().unwrap_or_default());
        Some((Ok(event), (console, visitor, focus, mapping)))
    });
    Sse::new(parts).keep_alive(KeepAlive::default())
}

/// What is to be drawn, for the script. It is not sent again to who has it.
pub(crate) async fn json(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response> {
    let seen = Seen::now(&console, &wanted.focus);
    let picture = Picture::of(&console.frame(&visitor, "/map"), &seen);
    let body = serde_json::to_string(&picture).map_err(Fault::internal)?;
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|had| had.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let kind = "application/json".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], body).into_response())
}

/// The same as a flowchart of Mermaid.
pub(crate) async fn mermaid(
    State(console): State<Console>,
    _visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<impl IntoResponse> {
    let seen = Seen::now(&console, &wanted.focus);
    let drawn = seen.drawn().ok_or_else(|| {
        let why = seen.note.clone().unwrap_or_default();
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    let text = drawn.graph.only(&drawn.part).mermaid();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}

/// What stands behind an address to limit it to a node.
fn query(focus: &str) -> String {
    if focus.is_empty() { String::new() } else { format!("?focus={}", encoded(focus)) }
}

impl Part {
    fn of(console: &Console, frame: &Frame, seen: &Seen) -> Self {
        let mut part = Self {
            note: seen.note.as_ref().map(shown),
            summary: None,
            warnings: Vec::new(),
            facts: None,
            services: Vec::new(),
            services_known: 0,
            names: Vec::new(),
            names_known: 0,
            odd: Vec::new(),
            odd_known: 0,
        };
        let Some(drawn) = seen.drawn() else { return part };
        let (map, warnings) = (&drawn.observed.map, &drawn.observed.warnings);
        part.summary =
            Some(Summary { packets: count(map.packets), from: map.from.into(), to: map.to.into() });
        part.warnings = warnings.iter().map(|warning| console.mask.sentence(warning)).collect();
        part.facts = drawn.focus.map(|node| Facts::of(console, frame, drawn, node));
        (part.services, part.services_known) = rows::services(frame, drawn);
        (part.names, part.names_known) = rows::names(frame, drawn);
        let odd = drawn.odd();
        part.odd_known = odd.len();
        let sentences = odd.iter().take(MOST_ODD);
        part.odd = sentences.map(|oddity| console.mask.sentence(&oddity.to_string())).collect();
        part
    }
}
