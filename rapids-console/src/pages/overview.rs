//! The overview: services, how full the stream is, and what is odd.

pub(super) mod service_row;

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect};
use futures::{Stream, stream};
use rapids_client::{State as LetterState, StreamContents};
use serde::Deserialize;

use super::{dead_letters, publish, rendered};
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::reading::letters::Selection;
use crate::reading::status::Status;
use crate::sparkline::{Sparkline, sparkline};
use crate::text::{short, shown};
use crate::times::{self, Time, bytes, count, duration, rate};
use service_row::ServiceRow;

/// So much of what is odd is shown.
const MOST_ODD: usize = 50;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    part: Part,
    buttons: Vec<String>,
    /// The sequence of what a button has just published.
    published: Option<u64>,
}

/// What an address may ask of the page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    published: Option<u64>,
}

/// What moves on the page.
#[derive(Template)]
#[template(path = "overview_part.html")]
struct Part {
    frame: Frame,
    taken: Option<Time>,
    packets: String,
    published: String,
    all: Sparkline,
    bytes: String,
    fill: Option<Fill>,
    oldest: Option<String>,
    letters: String,
    /// The group of the newest letter that waits.
    latest: Option<Latest>,
    missing: Vec<String>,
    services: Vec<ServiceRow>,
    unwell: usize,
    odd: Option<Vec<String>>,
    index: String,
    /// Whether the page is there already, and its notice changes with the part.
    is_update: bool,
}

/// The newest of the letters that wait, as its group.
struct Latest {
    river: String,
    reason: String,
    address: String,
    at: Time,
}

/// How full the stream is.
struct Fill {
    percent: u64,
    most: String,
    /// How long until it refuses packets, if it goes on as in the last hour.
    full_in: Option<String>,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(Wanted { published }): Query<Wanted>,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/");
    let part = Part::of(&console, &console.status.latest(), frame.clone());
    let buttons = console.buttons.iter().map(|button| shown(button.name())).collect();
    rendered(&Page { frame, part, buttons, published })
}

/// Publishes the packet of a button.
pub(crate) async fn press(
    State(console): State<Console>,
    Path(place): Path<usize>,
    signed: Signed,
) -> Result<impl IntoResponse> {
    let button = console.buttons.get(place);
    let button = button.ok_or_else(|| Fault::gone("there is no such button"))?;
    let sequence = publish::now(&console, button.packet()?, &signed).await?.to_string();
    Ok(Redirect::to(&console.links().to("/?published=", &sequence)))
}

/// What moves on the page, each time that the services were asked.
pub(crate) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let status = console.status.clone();
    let parts =
        stream::unfold((console, visitor, status), async |(console, visitor, mut status)| {
            let latest = console.until_stopped(status.next()).await??;
            let part = Part::of(&console, &latest, console.frame(&visitor, "/"));
            let part = Part { is_update: true, ..part };
            let event = Event::default().data(part.render().unwrap_or_default());
            Some((Ok(event), (console, visitor, status)))
        });
    Sse::new(parts).keep_alive(KeepAlive::default())
}

impl Part {
    fn of(console: &Console, status: &Status, frame: Frame) -> Self {
        let contents = status.contents.as_ref();
        let mut services: Vec<_> = status
            .services
            .iter()
            .map(|(name, service)| ServiceRow::of(console, status, &frame, (name, service)))
            .collect();
        // What needs attention stands first; the sort keeps the order of the names otherwise.
        services.sort_by_key(|service| (service.badge.is_well, service.letters == "0"));
        let per_minute = console.packets.per_minute(None);
        Self {
            taken: status.taken.map(Time::from),
            packets: count(contents.map_or(0, |contents| contents.packets)),
            published: rate(status.published),
            all: sparkline(&per_minute, "packets"),
            bytes: bytes(contents.map_or(0, |contents| contents.bytes)),
            fill: contents.and_then(|contents| fill(contents, &per_minute)),
            oldest: contents.and_then(|it| it.oldest).map(|it| duration(times::since(it))),
            letters: count(console.letters.waiting(None)),
            latest: latest(console, &frame),
            missing: missing(console, status),
            unwell: services.iter().filter(|service| !service.badge.is_well).count(),
            services,
            odd: odd(console),
            index: index(console),
            frame,
            is_update: false,
        }
    }
}

fn latest(console: &Console, frame: &Frame) -> Option<Latest> {
    let selection = Selection { state: Some(LetterState::Waiting), ..Selection::default() };
    let cause = console.letters.causes(&selection).into_iter().max_by_key(|cause| cause.last)?;
    let reason = console.mask.sentence(&cause.reason);
    Some(Latest {
        river: shown(cause.river_name()),
        reason: if reason.is_empty() { "no reason given".to_owned() } else { short(reason) },
        address: dead_letters::group_address(frame, &cause, ""),
        at: cause.last.into(),
    })
}

fn fill(contents: &StreamContents, per_minute: &[u32; 60]) -> Option<Fill> {
    let most = contents.max_bytes?;
    let percent = contents.bytes.saturating_mul(100) / most.max(1);
    let last_hour: u64 = per_minute.iter().map(|count| u64::from(*count)).sum();
    let size = contents.bytes / contents.packets.max(1);
    let per_second = (last_hour * size) as f64 / 3_600.0;
    let left = most.saturating_sub(contents.bytes) as f64;
    let seconds = left / per_second;
    // What takes years is not worth a word; and packets expire meanwhile.
    let is_soon = per_second > 0.0 && seconds < 30.0 * 86_400.0;
    let full_in = is_soon.then(|| duration(Duration::from_secs_f64(seconds)));
    Some(Fill { percent, most: bytes(most), full_in })
}

fn odd(console: &Console) -> Option<Vec<String>> {
    let drawn = console.mapping.latest()?;
    Some(match drawn {
        Ok(observed) if !observed.map.rivers_known => observed.warnings.iter().map(shown).collect(),
        Ok(observed) => {
            let odd = observed.map.odd.iter().take(MOST_ODD);
            odd.map(|odd| console.mask.sentence(&odd.to_string())).collect()
        }
        Err(why) => vec![format!("The map could not be drawn: {}", shown(why))],
    })
}

/// What is not known, and why.
fn missing(console: &Console, status: &Status) -> Vec<String> {
    let letters = console.letters.extent().fault;
    let letters = letters.map(|fault| format!("dead letters are not followed: {fault}"));
    status.missing.iter().cloned().chain(letters).map(shown).collect()
}

/// What of the stream is found at once.
fn index(console: &Console) -> String {
    let extent = console.packets.extent();
    let most = count(console.packets.most() as u64);
    let since = extent.since.map(|since| format!(", since {}", Time::from(since).utc));
    format!(
        "The newest {} packets are found at once{}; at most {most} are kept in memory, about 200 bytes for \
         each. Older ones are read from the stream.",
        count(extent.packets as u64),
        since.unwrap_or_default()
    )
}
