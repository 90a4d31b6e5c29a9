//! A conversation: what caused what, on a time axis, with its letters.
//!
//! What the index has is there at once. The rest is read from the stream on request: by the page itself, or
//! by a link where there is no script.

mod axis;
mod folding;
mod lines;
mod source;
mod view;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::packet::looking::{lead_to, part_of};
use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::{Frame, encoded};
use crate::guard::Visitor;
use crate::text::short;
use source::{AtOnce, Source};
use view::View;

#[derive(Template)]
#[template(path = "conversation.html")]
struct Page {
    frame: Frame,
    id: String,
    view: Option<View>,
    /// Why it is not there yet.
    why: String,
    read: String,
}

/// What of the conversation is asked for, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// Lines with this text are marked.
    q: String,
    /// The sequence of a packet, which is marked.
    at: String,
    /// Whether the stream is read for it.
    read: String,
    /// Whether nothing is folded.
    open: String,
    /// `short` for an axis on which short times are wider.
    axis: String,
}

impl Wanted {
    fn is_reading(&self) -> bool {
        !self.read.is_empty()
    }

    fn is_unfolded(&self) -> bool {
        !self.open.is_empty()
    }

    fn is_widened(&self) -> bool {
        self.axis == "short"
    }
}

/// The address of this page with all that is asked for.
struct Address<'a> {
    frame: &'a Frame,
    id: &'a str,
    wanted: &'a Wanted,
}

impl Address<'_> {
    fn with(&self, more: &str) -> String {
        let Wanted { q, at, open, axis, .. } = self.wanted;
        let mut address = self.frame.to("/conversations/", self.id);
        address.push_str(&format!("?q={}", encoded(q)));
        for (name, value) in [("at", at), ("open", open), ("axis", axis)] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        address + more
    }
}

/// The page, or the part of it that is loaded later.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response> {
    let frame = console.frame(&visitor, "");
    let is_part = headers.contains_key("hx-request");
    match Box::pin(answer(&console, frame, &id, wanted, is_part)).await {
        Err(fault) if is_part => part_of(&fault),
        answer => answer,
    }
}

async fn answer(
    console: &Console,
    frame: Frame,
    id: &str,
    wanted: Wanted,
    is_part: bool,
) -> Result<Response> {
    let rapids = console.link.rapids()?;
    let most = source::most(wanted.is_reading());
    match Box::pin(source::at_once(console, &rapids, id, most)).await? {
        AtOnce::Whole(source) => shown(console, frame, *source, wanted, is_part).await,
        AtOnce::PacketOf { conversation, sequence } => {
            let address = frame.to("/conversations/", &conversation);
            Ok(lead_to(format!("{address}?at={sequence}"), is_part))
        }
        AtOnce::Nothing => Err(gone(id)),
        AtOnce::Later(_) if wanted.is_reading() => {
            let Some(source) = Box::pin(source::read(console, id)).await? else {
                return Err(gone(id));
            };
            if source.conversation.id != id {
                let address = frame.to("/conversations/", &source.conversation.id);
                return Ok(lead_to(address, is_part));
            }
            shown(console, frame, source, wanted, is_part).await
        }
        AtOnce::Later(why) => {
            let address = Address { frame: &frame, id, wanted: &wanted };
            let read = address.with("&read=1");
            let page = Page { id: short(id), view: None, why, read, frame };
            Ok(rendered(&page)?.into_response())
        }
    }
}

fn gone(id: &str) -> Fault {
    Fault::gone(format!("the stream has no packet of a conversation {id}, or not any more"))
}

/// Draws the page, or its part. A long one takes a moment, in which others are served.
async fn shown(
    console: &Console,
    frame: Frame,
    source: Source,
    wanted: Wanted,
    is_part: bool,
) -> Result<Response> {
    let id = short(&source.conversation.id);
    let (drawn, console) = (frame.clone(), console.clone());
    let draw = move || View::of(&console, &drawn, &source, wanted);
    let view = tokio::task::spawn_blocking(draw).await.map_err(Fault::internal)?;
    if is_part {
        return Ok(rendered(&view)?.into_response());
    }
    let (why, read) = Default::default();
    Ok(rendered(&Page { frame, id, view: Some(view), why, read })?.into_response())
}
