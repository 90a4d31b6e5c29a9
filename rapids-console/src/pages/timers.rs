//! The timers that wait, and what they bring.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use jiff::Timestamp;
use rapids_client::{Operation, Packet, TimerId, WaitingTimer};
use serde::Deserialize;

use super::{Choice, rendered, services};
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::text::{Mask, short};
use crate::times::{Time, count, duration, since};

/// So many lines are shown, the next that are due.
const MOST: usize = 500;
/// So many are read.
const MOST_READ: usize = 100_000;
/// So much of a packet is shown.
const LONGEST: usize = 200;
/// The owners that are no service.
const OTHERS: [&str; 2] = ["PUBLISHED", "EVERY"];

#[derive(Template)]
#[template(path = "timers.html")]
struct Page {
    frame: Frame,
    services: Vec<Choice>,
    timers: Vec<Row>,
    due: u64,
    total: String,
    shown: String,
    has_more: bool,
}

struct Row {
    due: Option<Time>,
    /// How long until then, or how it comes again.
    when: String,
    is_due: bool,
    id: String,
    /// The whole id, as a form sends it.
    exact: String,
    name: String,
    body: String,
    set: Time,
}

/// Which timers are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    service: String,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let rapids = console.link.rapids()?;
    let service = Some(wanted.service.as_str()).filter(|service| !service.is_empty());
    let mut listing = rapids.timers(service).await?;
    let mut timers: Vec<WaitingTimer> = Vec::new();
    let mut has_more = false;
    while let Some(timer) = listing.next().await? {
        has_more = timers.len() == MOST_READ;
        if has_more {
            break;
        }
        timers.push(timer);
    }
    // What comes again and again is due at no one time, and stands last.
    timers.sort_by_key(|timer| (timer.due.is_none(), timer.due));
    let now = Timestamp::now();
    let is_due = |timer: &&WaitingTimer| timer.due.is_some_and(|due| due <= now);
    let due = timers.iter().filter(is_due).count() as u64;
    let rows = timers.iter().take(MOST).map(|timer| Row::of(timer, now, &console.mask));
    let rows: Vec<_> = rows.collect();
    let others = OTHERS.map(str::to_owned);
    rendered(&Page {
        frame: console.frame(&visitor, "/timers"),
        services: services(&console, others, &wanted.service),
        due,
        total: count(timers.len() as u64),
        shown: count(rows.len() as u64),
        timers: rows,
        has_more,
    })
}

/// Cancels a timer.
pub(crate) async fn cancel(State(console): State<Console>, signed: Signed) -> Result<Redirect> {
    let text = signed.text("id");
    let id: TimerId =
        text.parse().map_err(|_| Fault::wrong(format!("`{}` is no id of a timer", short(text))))?;
    let rapids = console.link.rapids()?;
    if !Box::pin(rapids.cancel_timer(&id)).await? {
        let message =
            format!("no timer `{}` waits: it has fired, or somebody was quicker", short(&id));
        return Err(Fault::new(StatusCode::CONFLICT, message));
    }
    console.record(&rapids, Operation::new("cancel_timer", id.to_string(), &signed.note)).await;
    Ok(Redirect::to(&console.links().at("/timers")))
}

impl Row {
    fn of(timer: &WaitingTimer, now: Timestamp, mask: &Mask) -> Self {
        let is_due = timer.due.is_some_and(|due| due <= now);
        let when = match timer.due {
            Some(due) if is_due => format!("due for {}", duration(since(due))),
            Some(due) => {
                let left = std::time::Duration::try_from(due.duration_since(now));
                format!("in {}", duration(left.unwrap_or_default()))
            }
            None => match &timer.time_zone {
                Some(zone) => short(format!("{} {zone}", timer.schedule)),
                None => short(&timer.schedule),
            },
        };
        let packet = Packet::from_bytes(timer.body.clone());
        let names = packet.map(|packet| packet.names()).unwrap_or_default();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Self {
            due: timer.due.map(Time::from),
            when,
            is_due,
            id: short(&timer.id),
            exact: timer.id.to_string(),
            name: short(names.join(", ")),
            body: mask.on_a_line(&timer.body, LONGEST),
            set: timer.set.into(),
        }
    }
}
