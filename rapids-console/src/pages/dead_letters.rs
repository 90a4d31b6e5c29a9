//! The packets that rivers could not handle: in groups by what caused that, and what a search finds.

pub(crate) mod act;
pub(crate) mod edit;
mod groups;
mod letter;
mod lists;
pub(crate) mod redirects;
mod rows;
mod sort;
pub(crate) mod state_mark;
pub(crate) mod tagging;
mod wanted;

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use rapids_client::State as LetterState;

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::sparkline::{Sparkline, sparkline};
use crate::times::{Time, count};
use groups::Groups;
pub(super) use groups::group_address;
pub(crate) use letter::{bytes, letter};
pub(super) use lists::letters_of_job;
pub(crate) use lists::{all, group};
use rows::{Choices, Rows, notices};
use sort::Sort;
use wanted::Wanted;

/// So many letters are shown of those that are found.
const MOST_FOUND: usize = 200;
/// The longest text that is searched.
const LONGEST: usize = 500;

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct Page {
    frame: Frame,
    notices: Vec<String>,
    waiting: String,
    letters: String,
    since: Option<Time>,
    chart: Sparkline,
    choices: Choices,
    q: String,
    /// What is searched, in words.
    searched: &'static str,
    shows: Shows,
}

/// What is below the forms.
enum Shows {
    Groups(Box<Groups>),
    Found {
        list: Rows,
        /// Whether the server finds the same letters, so that all of them can be acted on.
        is_whole: bool,
    },
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let selection = wanted.selection(Some(LetterState::Waiting))?;
    let frame = console.frame(&visitor, "/dead-letters");
    let (sort, is_news) = Sort::of(&wanted, &headers);
    let text = wanted.q.trim();
    let mut tag_fault = None;
    let shows = if text.is_empty() {
        let tags = tagging::tags(&console).await.unwrap_or_else(|fault| {
            tag_fault = Some(crate::text::shown(fault));
            HashMap::new()
        });
        Shows::Groups(Box::new(Groups::of(&console, &frame, &wanted, selection, (sort, &tags))))
    } else {
        Shows::Found {
            list: found(&console, &frame, text).await?,
            is_whole: console.mask.is_empty() && frame.token.is_some(),
        }
    };
    let extent = console.letters.extent();
    let in_reasons = console.mask.is_empty();
    let page = rendered(&Page {
        notices: notices(&extent).into_iter().chain(tag_fault).collect(),
        waiting: count(console.letters.waiting(None)),
        letters: count(extent.letters),
        since: extent.since.map(Time::from),
        chart: sparkline(&console.letters.per_minute(), "letters"),
        choices: Choices::of(&console, &wanted, selection.state),
        q: wanted.q.clone(),
        searched: if in_reasons {
            "ids, names and the beginning of reasons"
        } else {
            "ids and names; reasons are not searched, as they may quote masked values"
        },
        shows,
        frame,
    })?;
    if is_news {
        return Ok(([(SET_COOKIE, sort.cookie(console.base()))], page).into_response());
    }
    Ok(page.into_response())
}

/// The letters in which a text is found.
async fn found(console: &Console, frame: &Frame, text: &str) -> Result<Rows> {
    if text.len() > LONGEST {
        return Err(Fault::wrong(format!("a search has at most {LONGEST} bytes")));
    }
    let (letters, in_reasons) = (console.letters.clone(), console.mask.is_empty());
    let text = text.to_owned();
    // With a million letters it takes a while in the processor.
    let found = tokio::task::spawn_blocking(move || letters.search(&text, in_reasons, MOST_FOUND));
    let found = found.await.map_err(Fault::internal)?;
    let rows = Rows::of(&found, &Wanted::default(), (frame, "/dead-letters"), &console.mask);
    // There is no way to the rest: a longer text finds less.
    Ok(Rows { newest: None, newer: None, older: None, ..rows })
}
