//! Looking for a packet that is not among the newest: a page that says so at once, and what it then loads.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::pages::rendered;
use crate::reading::in_stream::{self, Known};
use crate::text::{short, shown};
use crate::times::count;

#[derive(Template)]
#[template(path = "packet_looking.html")]
struct Page {
    frame: Frame,
    id: String,
    indexed: String,
    look: String,
}

/// What takes the place of the page's words once it is known.
#[derive(Template)]
#[template(path = "packet_nothing.html")]
struct Part {
    message: String,
    remedy: Option<String>,
}

/// Says that the stream is to be read, and lets the page load that.
///
/// # Errors
/// Those of [`rendered`].
pub(crate) fn later(console: &Console, frame: Frame, id: &str) -> Result<Response> {
    let page = Page {
        id: short(id),
        indexed: count(console.packets.extent().packets as u64),
        look: format!("{}?look=1", frame.to("/packets/", id)),
        frame,
    };
    Ok(rendered(&page)?.into_response())
}

/// Looks in the whole stream, and leads to what it found.
///
/// # Errors
/// If there is nothing, or if it cannot be read; of a part of a page, neither.
pub(crate) async fn look(
    console: &Console,
    frame: Frame,
    id: &str,
    is_part: bool,
) -> Result<Response> {
    let found = Box::pin(in_stream::packet(console, id)).await;
    let fault = match found {
        Ok(Some(Known::Packet(sequence))) => {
            return Ok(lead_to(frame.at(&format!("/packets/{sequence}")), is_part));
        }
        Ok(Some(Known::Conversation(id))) => {
            return Ok(lead_to(frame.to("/conversations/", &id), is_part));
        }
        Ok(None) => nothing(id),
        Err(fault) => fault,
    };
    if !is_part {
        return Err(fault);
    }
    part_of(&fault)
}

fn nothing(id: &str) -> Fault {
    Fault::gone(format!(
        "the whole stream was read: no packet and no conversation has the id {id}, or not any more"
    ))
    .remedy("Packets expire. Letters keep the packet that they are about.")
}

/// What cannot be shown, as a part of a page.
///
/// # Errors
/// Those of [`rendered`].
pub(crate) fn part_of(fault: &Fault) -> Result<Response> {
    let part = Part { message: shown(fault), remedy: fault.remedy.as_ref().map(shown) };
    Ok(rendered(&part)?.into_response())
}

/// Leads a browser, or the page that it shows, to another address.
pub(crate) fn lead_to(address: String, is_part: bool) -> Response {
    if is_part {
        return (StatusCode::OK, [("hx-redirect", address)]).into_response();
    }
    Redirect::to(&address).into_response()
}
