//! The pages, each in a file of its own, with its template in `templates`.

pub(crate) mod conversation;
pub(crate) mod dead_letters;
pub(crate) mod find;
pub(crate) mod live;
pub(crate) mod login;
pub(crate) mod map;
pub(crate) mod memories;
pub(crate) mod operations;
pub(crate) mod overview;
pub(crate) mod packet;
pub(crate) mod position;
pub(crate) mod publish;
pub(crate) mod timers;

use askama::Template;
use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::text::short;

/// Renders a page.
///
/// # Errors
/// None that a page could do anything about: a template that compiles can only run out of memory.
pub(crate) fn rendered(page: &impl Template) -> Result<Html<String>> {
    Ok(Html(page.render().map_err(Fault::internal)?))
}

/// The bytes of a packet as they are stored: a file, and nothing that a browser shows.
pub(crate) fn download(name: &str, body: impl IntoResponse) -> impl IntoResponse {
    let name = format!("attachment; filename=\"{name}\"");
    let kind = "application/octet-stream".to_owned();
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body)
}

/// An entry of a choice among services.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) is_chosen: bool,
}

impl Choice {
    pub(crate) fn of(name: String, chosen: &str) -> Self {
        Self { label: short(&name), is_chosen: name == chosen, name }
    }
}

/// The services that are known, and other names beside them, to choose from.
pub(crate) fn services(
    console: &Console,
    others: impl IntoIterator<Item = String>,
    chosen: &str,
) -> Vec<Choice> {
    let status = console.status.latest();
    let names = status.services.keys().cloned().chain(others);
    names.map(|name| Choice::of(name, chosen)).collect()
}
