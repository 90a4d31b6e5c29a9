//! Publishing a packet: which rivers would take it, first.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use rapids_client::{Operation, Packet, parse_duration};

use super::packet::rivers::Rivers;
use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::text::{short, shown};

/// What stands in the form at first.
const EXAMPLE: &str = "{\"event\": \"\"}";

#[derive(Template)]
#[template(path = "publish.html")]
struct Page {
    frame: Frame,
    text: String,
    when: String,
    reason: String,
    checked: Option<Checked>,
}

/// What would come of a packet.
#[derive(Template)]
#[template(path = "publish_checked.html")]
struct Checked {
    /// Why it is no packet.
    fault: Option<String>,
    rivers: Rivers,
}

/// The form.
pub(crate) async fn page(State(console): State<Console>, visitor: Visitor) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/live");
    let (text, when, reason) = (EXAMPLE.to_owned(), String::new(), String::new());
    rendered(&Page { frame, text, when, reason, checked: None })
}

/// What would come of it, while it is written.
pub(crate) async fn check(
    State(console): State<Console>,
    visitor: Visitor,
    signed: Signed,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "");
    let packet = Packet::from_bytes(signed.text("body").to_owned());
    rendered(&Checked::of(&console, &frame, packet.as_ref()).await)
}

/// Publishes it, now or later.
pub(crate) async fn publish(
    State(console): State<Console>,
    visitor: Visitor,
    signed: Signed,
) -> Result<Response> {
    let (rapids, frame) = (console.link.rapids()?, console.frame(&visitor, "/live"));
    let packet = match Packet::from_bytes(signed.text("body").to_owned()) {
        Ok(packet) => packet,
        Err(error) => {
            let checked = Checked::of(&console, &frame, Err(&error)).await;
            let page = rendered(&Page {
                text: signed.text("body").to_owned(),
                when: signed.text("when").to_owned(),
                reason: signed.note.why.clone().unwrap_or_default(),
                checked: Some(checked),
                frame,
            })?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let when = signed.text("when").trim();
    if when.is_empty() {
        let sequence = now(&console, packet, &signed).await?.to_string();
        return Ok(Redirect::to(&frame.to("/packets/", &sequence)).into_response());
    }
    let delay = parse_duration(when).ok_or_else(|| {
        let when = short(when);
        Fault::wrong(format!("`{when}` is no duration: expected one such as 90s, 30m or 2h"))
    })?;
    let names = names(&packet);
    let put_off = Box::pin(rapids.publish_later(packet, delay)).await?;
    let operation = Operation::new("set_timer", put_off.timer.to_string(), &signed.note);
    console.record(&rapids, operation.outcome(format!("{names}, in {when}"))).await;
    Ok(Redirect::to(&frame.at("/timers?service=PUBLISHED")).into_response())
}

/// Publishes a packet and notes who did; its sequence.
pub(super) async fn now(console: &Console, packet: Packet, signed: &Signed) -> Result<u64> {
    let (rapids, names) = (console.link.rapids()?, names(&packet));
    let published = rapids.publish(packet).await?;
    let operation = Operation::new("publish", published.id, &signed.note);
    let outcome = format!("{names}, sequence {}", published.sequence);
    console.record(&rapids, operation.outcome(outcome)).await;
    Ok(published.sequence)
}

fn names(packet: &Packet) -> String {
    let names: Vec<_> = packet.names().iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl Checked {
    async fn of(
        console: &Console,
        frame: &Frame,
        packet: std::result::Result<&Packet, &rapids_client::Error>,
    ) -> Self {
        match packet {
            Err(error) => Self { fault: Some(shown(error)), rivers: Rivers::default() },
            Ok(packet) => {
                let rivers = super::packet::judged(console, frame, Some(packet.clone())).await;
                Self { fault: None, rivers }
            }
        }
    }
}
