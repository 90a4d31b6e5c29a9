//! The position of a service: where it stands, and moving it behind a plan.

mod plan;
mod standing;

use std::convert::Infallible;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, Redirect};
use futures::{Stream, stream};
use rapids_client::{Operation, Start};
use rapids_views::{Rereading, move_outcome};

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::{Frame, encoded};
use crate::guard::Visitor;
use crate::guard::fields::Fields;
use crate::guard::signed::Signed;
use crate::text::{short, shown};
use crate::times::Time;
pub(crate) use plan::plan;
use standing::Standing;

/// So many moves are shown, the newest.
const MOST: usize = 5;

#[derive(Template)]
#[template(path = "position.html")]
struct Page {
    frame: Frame,
    name: String,
    address: String,
    part: Standing,
    moves: Vec<Move>,
}

/// A move that somebody has made.
struct Move {
    at: Time,
    who: String,
    outcome: String,
    why: String,
}

/// The address of the page of a service.
pub(crate) fn address(frame: &Frame, service: &str) -> String {
    frame.at(&format!("/services/{}/position", encoded(service)))
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Path(service): Path<String>,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/");
    let rapids = console.link.rapids()?;
    let part = Standing::of(&console, frame.clone(), &service).await?;
    let log = rapids.operations().since(None).await?.into_iter().rev();
    let moves = log.filter(|it| it.what == "move_position" && it.target == service).take(MOST);
    rendered(&Page {
        name: shown(&service),
        address: address(&frame, &service),
        part,
        moves: moves.map(|operation| Move::of(operation, &console)).collect(),
        frame,
    })
}

/// What moves on the page, each time that the services were asked.
pub(crate) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
    Path(service): Path<String>,
) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let status = console.status.clone();
    let following = (console, visitor, service, status);
    let parts = stream::unfold(following, async |(console, visitor, service, mut status)| {
        loop {
            console.until_stopped(status.next()).await??;
            // While the server is away, the page stays as it is.
            let frame = console.frame(&visitor, "/");
            let Ok(part) = Standing::of(&console, frame, &service).await else { continue };
            let event = Event::default().data(part.update().render().unwrap_or_default());
            return Some((Ok(event), (console, visitor, service, status)));
        }
    });
    Sse::new(parts).keep_alive(KeepAlive::default())
}

/// Moves it as it was planned.
pub(crate) async fn move_it(
    State(console): State<Console>,
    Path(service): Path<String>,
    signed: Signed,
) -> Result<Redirect> {
    let (rapids, fields) = (console.link.rapids()?, &signed.fields);
    let to = sequence(fields.text("next"))?;
    let (moves, before) = (number(fields, "moves")?, number(fields, "before")?);
    let how = how(fields)?.seek().planned(moves.unwrap_or_default(), before);
    if !fields.text("forget").is_empty() {
        signed.reason()?;
    }
    let moving = Box::pin(rapids.move_position(&service, to, how));
    let moved = moving.await?.ok_or_else(|| unknown(&service))?;
    let operation = Operation::new("move_position", &service, &signed.note);
    console.record(&rapids, operation.outcome(move_outcome(&moved))).await;
    Ok(Redirect::to(&address(&console.links(), &service)))
}

fn unknown(service: &str) -> Fault {
    Fault::gone(format!("service `{}` has no position", short(service)))
}

/// How the fields of a form want it moved.
fn how(fields: &Fields) -> Result<Rereading> {
    let [forgets, publishes] = ["forget", "publish"].map(|field| !fields.text(field).is_empty());
    if publishes && !forgets {
        return Err(Fault::wrong("only a service that forgets publishes everything again"));
    }
    Ok(Rereading::of(forgets, publishes))
}

fn sequence(text: &str) -> Result<Start> {
    let sequence = text.trim().parse().ok().filter(|sequence| *sequence > 0);
    let wrong = || Fault::wrong(format!("`{}` is no sequence: expected 1 or more", short(text)));
    sequence.map(Start::Sequence).ok_or_else(wrong)
}

/// A number that the plan has left in the form; `None` if it left none.
fn number(fields: &Fields, name: &str) -> Result<Option<u64>> {
    match fields.text(name) {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Fault::wrong(format!("`{}` is no number", short(text)))),
    }
}

impl Move {
    fn of(operation: Operation, console: &Console) -> Self {
        Self {
            at: operation.at.into(),
            who: short(operation.who),
            outcome: shown(operation.outcome.unwrap_or_default()),
            why: operation.why.map(|why| console.mask.sentence(&why)).unwrap_or_default(),
        }
    }
}
