//! One packet: its exact text, where it came from, what followed, and what rivers make of it.
//!
//! Also what the stream has and is no packet is shown, with the reason.

pub(crate) mod facts;
pub(crate) mod family;
pub(crate) mod letters;
pub(crate) mod looking;
pub(crate) mod meant;
pub(crate) mod rivers;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rapids_client::{DeadLetter, Packet, Rapids, RawMessage};
use serde::Deserialize;

use super::{download, rendered};
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::reading::in_stream;
use crate::text::{BODY, Body, shown};
use crate::times::{bytes as size_of, count};
use facts::Facts;
use family::{Causes, Effects};
use letters::{LetterRow, Letters};
use meant::Meant;
use rivers::Rivers;

/// So much of a body is shown to who asks for all of it.
const WHOLE: usize = 4 * 1024 * 1024;

#[derive(Template)]
#[template(path = "packet.html")]
struct Page {
    frame: Frame,
    sequence: u64,
    title: String,
    facts: Facts,
    body: Body,
    size: String,
    copy: String,
    /// Whether it is UTF-8, so that copying loses nothing.
    is_text: bool,
    whole: Option<String>,
    /// Why it is no packet.
    fault: Option<String>,
    causes: Causes,
    effects: Effects,
    /// Whether all that it can have led to is found at once.
    is_recent: bool,
    indexed: String,
    conversation: Option<String>,
    rivers: Rivers,
    /// What is not known of services, and why.
    unknown: Vec<String>,
    letters: Vec<LetterRow>,
    letters_left_out: usize,
    letters_missing: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// How much is shown, and whether to look in the whole stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    whole: String,
    look: String,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response> {
    let rapids = console.link.rapids()?;
    let frame = console.frame(&visitor, "");
    match Box::pin(Meant::of(&console, &rapids, &id)).await? {
        Meant::Stored(message) => {
            let most = if wanted.whole.is_empty() { BODY } else { WHOLE };
            let page = Box::pin(Page::of(&console, &rapids, frame, *message, most)).await?;
            Ok(rendered(&page)?.into_response())
        }
        Meant::Conversation => Ok(Redirect::to(&frame.to("/conversations/", &id)).into_response()),
        Meant::Nothing => Err(gone(&rapids, &id).await?),
        Meant::Older if wanted.look.is_empty() => looking::later(&console, frame, &id),
        Meant::Older => {
            let is_part = headers.contains_key("hx-request");
            Box::pin(looking::look(&console, frame, &id, is_part)).await
        }
    }
}

/// The bytes as they are stored.
pub(crate) async fn bytes(
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response> {
    let rapids = console.link.rapids()?;
    let Meant::Stored(message) = Box::pin(Meant::of(&console, &rapids, &id)).await? else {
        return Err(gone(&rapids, &id).await?);
    };
    if console.mask.touches(&message.body) {
        let words = "values of this packet are masked, so its bytes are not given";
        return Ok((StatusCode::FORBIDDEN, words).into_response());
    }
    Ok(download(&format!("packet-{}.json", message.sequence), message.body).into_response())
}

/// That there is no such packet, and what there is.
async fn gone(rapids: &Rapids, id: &str) -> Result<Fault> {
    let held = match Box::pin(in_stream::extent(rapids)).await? {
        Some((first, last)) => format!("the stream holds the sequences {first} to {last}"),
        None => "the stream is empty".to_owned(),
    };
    let remedy = "Packets expire. Letters keep the packet that they are about.";
    Ok(Fault::gone(format!("there is no packet {id}, or not any more: {held}")).remedy(remedy))
}

impl Page {
    async fn of(
        console: &Console,
        rapids: &Rapids,
        frame: Frame,
        message: RawMessage,
        most: usize,
    ) -> Result<Self> {
        let sequence = message.sequence;
        let (packet, fault) = match message.packet() {
            Ok(packet) => (Some(packet), None),
            // In the words for a body, without the sequence that stands on the page anyway.
            Err(error) => {
                let error = Packet::from_bytes(message.body.clone()).err().unwrap_or(error);
                (None, Some(console.mask.sentence(&with_causes(&error))))
            }
        };
        let (causes, effects) = match &packet {
            Some(packet) => tokio::try_join!(
                Causes::of(console, rapids, packet, &frame),
                Effects::of(console, rapids, packet, &frame)
            )?,
            None => Default::default(),
        };
        let status = console.status.latest();
        let rivers = judged(console, &frame, packet.clone()).await;
        let id = own_id(console, rapids, packet.as_ref(), &message).await?;
        let ids = console.letters.of_packet(&DeadLetter::shortened_id(&id));
        let letters = Box::pin(Letters::read(console, &ids)).await;
        let (before, after) = neighbours(console, rapids, sequence).await?;
        let beside = |sequence: u64| frame.at(&format!("/packets/{sequence}"));
        let body = console.mask.body(&message.body, most);
        let is_longer = body.is_cut && most < WHOLE;
        let row = |letter| LetterRow::of(letter, &console.mask, &frame);
        Ok(Self {
            title: packet.as_ref().map_or("Not a packet".to_owned(), family::named),
            facts: Facts::of(&message, packet.as_ref(), &id, &frame),
            size: size_of(body.size as u64),
            copy: frame.at(&format!("/packets/{sequence}/bytes")),
            is_text: std::str::from_utf8(&message.body).is_ok(),
            whole: is_longer.then(|| frame.at(&format!("/packets/{sequence}?whole=1"))),
            body,
            fault,
            causes,
            effects,
            is_recent: sequence >= console.packets.extent().first,
            indexed: count(console.packets.extent().packets as u64),
            conversation: packet.as_ref().map(|packet| {
                let address = frame.to("/conversations/", packet.correlation_id());
                format!("{address}?at={sequence}")
            }),
            rivers,
            unknown: status.missing.iter().map(shown).collect(),
            letters: letters.letters.iter().map(row).collect(),
            letters_left_out: letters.left_out,
            letters_missing: letters.missing,
            before: before.map(beside),
            after: after.map(beside),
            sequence,
            frame,
        })
    }
}

/// What rivers make of a packet, as they announce themselves now.
pub(crate) async fn judged(console: &Console, frame: &Frame, packet: Option<Packet>) -> Rivers {
    let Some(packet) = packet else { return Rivers::default() };
    let (console, frame) = (console.clone(), frame.clone());
    let judge = move || {
        let instances = console.status.latest().announced();
        Rivers::of(&instances, &packet, &console.mask, &frame)
    };
    tokio::task::spawn_blocking(judge).await.unwrap_or_default()
}

/// The id under which letters know it. What is no packet has the one that services derive for it.
async fn own_id(
    console: &Console,
    rapids: &Rapids,
    packet: Option<&Packet>,
    message: &RawMessage,
) -> Result<String> {
    if let Some(packet) = packet {
        return Ok(packet.id().to_owned());
    }
    let set = message.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Nats-Msg-Id"));
    if let Some((_, id)) = set {
        return Ok(id.clone());
    }
    // Any packet knows when the stream was created.
    let others = rapids.packets(&console.packets.newest(1)).await?;
    let created = others.first().and_then(Packet::arrival).map(|arrival| arrival.stream_created);
    let created = created.map_or(0, |created| created.as_second());
    Ok(format!("RAPIDS-{created}-{}", message.sequence))
}

/// The sequences beside this one under which there is something.
async fn neighbours(
    console: &Console,
    rapids: &Rapids,
    sequence: u64,
) -> Result<(Option<u64>, Option<u64>)> {
    let is_there = async |sequence: u64| {
        let is_known = console.packets.stored(sequence).is_some();
        Ok::<_, Fault>(is_known || rapids.raw(sequence).await?.is_some())
    };
    let (before, after) = (sequence.saturating_sub(1), sequence.saturating_add(1));
    let (is_before, is_after) = tokio::try_join!(is_there(before), is_there(after))?;
    Ok((Some(before).filter(|_| is_before && before > 0), Some(after).filter(|_| is_after)))
}
