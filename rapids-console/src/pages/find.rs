//! The search of the navigation: leads to the page of whatever has the id or the sequence.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rapids_client::{LetterId, Rapids};
use serde::Deserialize;

use super::packet::meant::Meant;
use super::rendered;
use crate::console::Console;
use crate::fault::Result;
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::reading::in_stream;
use crate::text::short;

/// No id is longer, in bytes.
const LONGEST: usize = 2_000;

#[derive(Template)]
#[template(path = "find.html")]
struct Page {
    frame: Frame,
    query: String,
    /// What was looked for without success, each in words.
    tried: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    q: String,
}

/// The page, or where the search leads to.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let frame = console.frame(&visitor, "");
    let query = wanted.q.trim();
    if query.is_empty() {
        let page = Page { frame, query: String::new(), tried: Vec::new() };
        return Ok(rendered(&page)?.into_response());
    }
    if let Some(address) = Box::pin(address(&console, &frame, query)).await? {
        return Ok(Redirect::to(&address).into_response());
    }
    let tried = Box::pin(tried(&console.link.rapids()?, query)).await?;
    let page = Page { frame, query: short(query), tried };
    Ok((StatusCode::NOT_FOUND, rendered(&page)?).into_response())
}

/// Where the page is of what has this id; `None` if there is nothing.
async fn address(console: &Console, frame: &Frame, query: &str) -> Result<Option<String>> {
    if let Ok(id) = query.parse::<LetterId>()
        && let Ok(letters) = console.dead_letters().await
        && Box::pin(letters.get(&id)).await?.is_some()
    {
        return Ok(Some(frame.to("/dead-letters/", query)));
    }
    if query.len() > LONGEST {
        return Ok(None);
    }
    let rapids = console.link.rapids()?;
    Ok(match Box::pin(Meant::of(console, &rapids, query)).await? {
        // Its page says that it is looked for.
        Meant::Stored(_) | Meant::Older => Some(frame.to("/packets/", query)),
        Meant::Conversation => Some(frame.to("/conversations/", query)),
        Meant::Nothing => None,
    })
}

/// What was looked for without success.
async fn tried(rapids: &Rapids, query: &str) -> Result<Vec<String>> {
    let mut tried = Vec::new();
    if query.bytes().all(|byte| byte.is_ascii_digit()) {
        tried.push(match Box::pin(in_stream::extent(rapids)).await? {
            Some((first, last)) => {
                format!("a packet with this sequence; the stream holds {first} to {last}")
            }
            None => "a packet with this sequence; the stream is empty".to_owned(),
        });
    }
    tried.push("a packet with this id".to_owned());
    tried.push("a conversation with this correlation id".to_owned());
    tried.push(match query.parse::<LetterId>() {
        Ok(_) => "a dead letter with this id".to_owned(),
        Err(_) => "a dead letter; those have ids such as payment.charge.17".to_owned(),
    });
    Ok(tried)
}
