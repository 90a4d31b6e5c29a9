//! Publishing a packet, now, later, or again and again: which rivers would take it, first.

mod form;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use rapids_client::{Error, Operation, Packet, Published, Rapids};

use super::packet::rivers::Rivers;
use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::text::shown;
use form::{Form, How};

#[derive(Template)]
#[template(path = "publish.html")]
struct Page {
    frame: Frame,
    form: Form,
    /// What is wrong beside the packet.
    fault: Option<String>,
    checked: Option<Checked>,
}

/// What would come of a packet.
#[derive(Template)]
#[template(path = "publish_checked.html")]
struct Checked {
    /// Why it is no packet.
    fault: Option<String>,
    rivers: Rivers,
    /// Where to ask once more, as long as no service answers.
    again: String,
}

/// The form.
pub(crate) async fn page(State(console): State<Console>, visitor: Visitor) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/live");
    rendered(&Page { frame, form: Form::empty()?, fault: None, checked: None })
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

/// Publishes it: now, later, or again and again.
pub(crate) async fn publish(
    State(console): State<Console>,
    visitor: Visitor,
    signed: Signed,
) -> Result<Response> {
    let (rapids, frame) = (console.link.rapids()?, console.frame(&visitor, "/live"));
    let form = Form::of(&signed);
    let packet = match form.packet() {
        Ok(packet) => packet,
        Err(error) => {
            let checked = Some(Checked::of(&console, &frame, Err(&error)).await);
            return wrong(&Page { frame, form, fault: None, checked });
        }
    };
    let how = match form.how() {
        Ok(how) => how,
        Err(fault) => {
            let checked = Some(Checked::of(&console, &frame, Ok(&packet)).await);
            return wrong(&Page { frame, form, fault: Some(fault), checked });
        }
    };
    match Box::pin(publish_as(&rapids, &packet, &how, &signed)).await {
        Ok((address, operation)) => {
            console.record(&rapids, operation).await;
            Ok(Redirect::to(&frame.at(&address)).into_response())
        }
        Err(NotPublished::Wrong(fault)) => {
            let checked = Some(Checked::of(&console, &frame, Ok(&packet)).await);
            wrong(&Page { frame, form, fault: Some(fault), checked })
        }
        Err(NotPublished::Fault(fault)) => Err(fault),
    }
}

/// The form once more, with what is wrong with it.
fn wrong(page: &Page) -> Result<Response> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, rendered(page)?).into_response())
}

/// Why nothing was published.
enum NotPublished {
    /// Of what stands in the form.
    Wrong(String),
    Fault(Fault),
}

impl From<Error> for NotPublished {
    fn from(error: Error) -> Self {
        match error {
            Error::Definition { .. } => Self::Wrong(shown(with_causes(&error))),
            error => Self::Fault(error.into()),
        }
    }
}

/// Publishes it, and returns where to see it, and what to write down.
async fn publish_as(
    rapids: &Rapids,
    packet: &Packet,
    how: &How<'_>,
    signed: &Signed,
) -> std::result::Result<(String, Operation), NotPublished> {
    let names = names(packet);
    let set = |timer: String| Operation::new("set_timer", timer, &signed.note);
    match how {
        How::Now => {
            let published = rapids.publish(packet.clone()).await?;
            let address = format!("/packets/{}", published.sequence);
            if published.duplicate {
                return Err(NotPublished::Fault(sent_before(&address)));
            }
            Ok((address, done_now(&published, &names, signed)))
        }
        How::Later { when, words } => {
            let put_off = Box::pin(rapids.publish_later(packet.clone(), *when)).await?;
            let address = "/timers?service=PUBLISHED";
            if put_off.duplicate {
                return Err(NotPublished::Fault(sent_before(address)));
            }
            let operation = set(put_off.timer.to_string()).outcome(format!("{names}, {words}"));
            Ok((address.to_owned(), operation))
        }
        How::Every { name, schedule, zone } => {
            let setting = rapids.publish_every(name, schedule, *zone, packet.clone());
            let operation = set(Box::pin(setting).await?.to_string()).outcome(*schedule);
            Ok(("/timers?service=EVERY".to_owned(), operation))
        }
    }
}

fn sent_before(address: &str) -> Fault {
    let message = format!("this packet was published before: see {address}");
    let remedy = "Nothing was published now. To publish it once more, begin with a new form.";
    Fault::new(StatusCode::CONFLICT, message).remedy(remedy)
}

/// Publishes a packet now, and returns its sequence.
pub(crate) async fn now(console: &Console, packet: Packet, signed: &Signed) -> Result<u64> {
    let (rapids, names) = (console.link.rapids()?, names(&packet));
    let published = rapids.publish(packet).await?;
    console.record(&rapids, done_now(&published, &names, signed)).await;
    Ok(published.sequence)
}

/// What is written down of a packet that was published.
fn done_now(published: &Published, names: &str, signed: &Signed) -> Operation {
    let operation = Operation::new("publish", published.id.as_str(), &signed.note);
    operation.outcome(format!("{names}, sequence {}", published.sequence))
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
        let again = frame.at("/publish/check");
        match packet {
            Err(error) => Self { fault: Some(shown(error)), rivers: Rivers::default(), again },
            Ok(packet) => {
                let rivers = super::packet::judged(console, frame, Some(packet.clone())).await;
                Self { fault: None, rivers, again }
            }
        }
    }
}
