//! What services remember: their memories, the keys, and the value of each.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use futures::future::join_all;
use rapids_client::{EntryKey, MemorySize, MemoryView, Operation, Rapids};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::{Frame, encoded};
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::text::{BODY, Body, short, shown};
use crate::times::{bytes, count, several};

/// So many entries are shown.
const MOST: usize = 200;
/// So much of a value is shown in a list.
const LONGEST: usize = 300;

type View = MemoryView<Box<RawValue>>;

#[derive(Template)]
#[template(path = "memories.html")]
struct Page {
    frame: Frame,
    services: Vec<OfService>,
    chosen: Option<Chosen>,
    service: String,
    memory: String,
}

/// The memories of a service.
struct OfService {
    name: String,
    memories: Vec<Row>,
    /// Why they are not known.
    fault: Option<String>,
}

struct Row {
    name: String,
    address: String,
    keys: String,
    bytes: String,
    is_chosen: bool,
}

/// What is shown of a memory.
struct Chosen {
    /// What was asked for.
    prefix: String,
    filter: String,
    fault: Option<String>,
    entries: Vec<Entry>,
    total: String,
    value: Option<OneValue>,
}

struct Entry {
    key: String,
    address: String,
    value: String,
}

/// The value of one key.
struct OneValue {
    key: String,
    /// The whole key, as a form sends it.
    exact: String,
    body: Option<Body>,
    ended: Option<String>,
}

/// Which memory is asked for, and what of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    service: String,
    memory: String,
    /// Keys that begin so.
    prefix: String,
    /// Of values.
    filter: String,
    key: Option<String>,
}

/// The page.
pub(crate) async fn page(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let rapids = console.link.rapids()?;
    let frame = console.frame(&visitor, "/memories");
    let names: Vec<String> = console.status.latest().services.keys().cloned().collect();
    let services = join_all(names.iter().map(|name| of_service(&rapids, &frame, name, &wanted)));
    let services = services.await.into_iter().flatten().collect();
    let chosen = match (wanted.service.as_str(), wanted.memory.as_str()) {
        ("", _) | (_, "") => None,
        (service, memory) => {
            let view = rapids.memory::<Box<RawValue>>(service, memory);
            Some(Box::pin(chosen(&console, &frame, &view, &wanted)).await?)
        }
    };
    rendered(&Page {
        frame,
        services,
        chosen,
        service: shown(&wanted.service),
        memory: shown(&wanted.memory),
    })
}

/// Has a service forget what it remembers of a key.
pub(crate) async fn forget(State(console): State<Console>, signed: Signed) -> Result<Redirect> {
    let reason = signed.reason()?;
    let (service, memory) = (signed.text("service"), signed.text("memory"));
    let (text, rapids) = (signed.text("key"), console.link.rapids()?);
    for key in keys_of(text) {
        if Box::pin(rapids.forget_memory((service, memory), key, reason)).await? {
            let target = format!("{service}/{memory} {text}");
            console.record(&rapids, Operation::new("forget", target, &signed.note)).await;
            let (service, memory) = (encoded(service), encoded(memory));
            let page = format!("/memories?service={service}&memory={memory}&key=");
            return Ok(Redirect::to(&console.links().to(&page, text)));
        }
    }
    let message = format!("nothing is remembered of `{}`, or not any more", short(text));
    Err(Fault::new(StatusCode::CONFLICT, message))
}

/// What a text can be as a key: itself, or else a number or a boolean that is written so.
fn keys_of(text: &str) -> impl Iterator<Item = EntryKey> + use<> {
    [Some(EntryKey::from(text)), EntryKey::number_or_boolean(text)].into_iter().flatten()
}

/// The memories of a service; `None` if it has none.
async fn of_service(
    rapids: &Rapids,
    frame: &Frame,
    service: &str,
    wanted: &Wanted,
) -> Option<OfService> {
    let (memories, fault) = match rapids.memories(service).await {
        Ok(memories) => (memories, None),
        // A service without a bucket has none.
        Err(rapids_client::Error::Memory { .. }) => return None,
        Err(error) => (Vec::new(), Some(with_causes(&error))),
    };
    let row = |memory: &MemorySize| Row {
        name: shown(&memory.name),
        address: frame.at(&format!(
            "/memories?service={}&memory={}",
            encoded(service),
            encoded(&memory.name)
        )),
        keys: several(memory.keys, "key"),
        bytes: bytes(memory.bytes),
        is_chosen: service == wanted.service && memory.name == wanted.memory,
    };
    let memories: Vec<_> = memories.iter().map(row).collect();
    (!memories.is_empty() || fault.is_some()).then(|| OfService {
        name: shown(service),
        memories,
        fault: fault.map(shown),
    })
}

async fn chosen(console: &Console, frame: &Frame, view: &View, wanted: &Wanted) -> Result<Chosen> {
    let value = match &wanted.key {
        Some(key) => Some(one_value(console, view, key).await?),
        None => None,
    };
    let is_masked = !console.mask.is_empty() && !wanted.filter.is_empty();
    let (found, fault) = if is_masked {
        // Whether a value matches tells what it is.
        (Vec::new(), Some("values are masked here, so they are not searched".to_owned()))
    } else {
        match Box::pin(found(view, wanted)).await {
            Ok(found) => (found, None),
            Err(fault) if fault.status == axum::http::StatusCode::BAD_REQUEST => {
                (Vec::new(), Some(shown(fault)))
            }
            Err(fault) => return Err(fault),
        }
    };
    let total = count(found.len() as u64);
    let of_memory = format!(
        "/memories?service={}&memory={}&prefix={}&filter={}&key=",
        encoded(&wanted.service),
        encoded(&wanted.memory),
        encoded(&wanted.prefix),
        encoded(&wanted.filter)
    );
    let entry = async |(key, value): (EntryKey, Option<Box<RawValue>>)| {
        let value = match value {
            Some(value) => Some(value),
            None => view.get(key.clone()).await?,
        };
        // One that has ended meanwhile has no value any more.
        let text = value.map_or("–".to_owned(), |value| {
            console.mask.on_a_line(value.get().as_bytes(), LONGEST)
        });
        Ok::<_, Fault>(Entry {
            key: short(&key),
            address: frame.to(&of_memory, &key.to_string()),
            value: text,
        })
    };
    let entries = join_all(found.into_iter().take(MOST).map(entry)).await;
    Ok(Chosen {
        prefix: wanted.prefix.clone(),
        filter: wanted.filter.clone(),
        fault,
        entries: entries.into_iter().collect::<Result<_>>()?,
        total,
        value,
    })
}

/// The entries that are meant, in the order of the keys; without their values, if nobody has read them yet.
async fn found(view: &View, wanted: &Wanted) -> Result<Vec<(EntryKey, Option<Box<RawValue>>)>> {
    if wanted.filter.is_empty() {
        let keys = view.keys(&wanted.prefix).await?;
        return Ok(keys.into_iter().map(|key| (key, None)).collect());
    }
    let entries = view.entries(&wanted.filter).await?.into_iter();
    let begins = |key: &EntryKey| key.to_string().starts_with(&wanted.prefix);
    let entries = entries.filter(|(key, _)| begins(key));
    Ok(entries.map(|(key, value)| (key, Some(value))).collect())
}

/// The value of a key.
async fn one_value(console: &Console, view: &View, text: &str) -> Result<OneValue> {
    let mut ended = None;
    for key in keys_of(text) {
        if let Some(value) = view.get(key.clone()).await? {
            let body = Some(console.mask.body(value.get().as_bytes(), BODY));
            return Ok(OneValue { key: short(text), exact: text.to_owned(), body, ended: None });
        }
        ended = ended.or(view.end(key).await?);
    }
    let ended = ended.map(|end| format!("ended: {}", console.mask.sentence(&end.reason)));
    Ok(OneValue { key: short(text), exact: text.to_owned(), body: None, ended })
}
