//! web: takes orders over HTTP, and tells what comes of them.
//!
//! A service of the shop only in that it publishes `place_order`; who answers it does not know.
//!
//! - `POST /orders` with `{"customer":"ada","items":[...]}`: 201 with `order_placed`, 422 with
//!   `order_refused`; 202 where neither came within two seconds. `Location` is the order's address, and
//!   `Rapids-Sequence` where on the rapids the answer stands.
//! - `GET /customers/ada/open_orders`: how many orders of a customer are open, and what they are worth, as the
//!   service `open_orders` knows it. Who sends a `Rapids-Sequence` along is answered once that is counted.
//! - `GET /orders/ID`: all packets of the conversation so far, as a list.
//! - `GET /orders/ID/events`: the same packets and those that follow, as server-sent events. Who connects
//!   again with `Last-Event-ID` misses none.
//!
//! Whoever has the address of an order can read it, and prices are taken as they are sent: put your own check
//! of users in front, and ask `catalogue.price` for prices.
//! Run: `just web`, or `just web 127.0.0.1:8081`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{Stream, StreamExt, stream};
use rapids_client::{
    Answer, Config, Conversations, Error, Found, MemoryView, Packet, Rapids, Reference, Start,
    Tail, shutdown_signal, telemetry,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

/// How long a customer waits for the outcome.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where it listens if it is not told.
const ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    let rapids = Rapids::connect(&Config::from_env()?).await?;
    let address = std::env::args().nth(1).unwrap_or_else(|| ADDRESS.to_owned());
    let listener = TcpListener::bind(address).await?;
    let serving = axum::serve(listener, app(rapids, PATIENCE));
    Ok(serving.with_graceful_shutdown(shutdown_signal()).await?)
}

/// Where on the rapids an answer stands, and which packet a question is to know of.
const SEQUENCE: HeaderName = HeaderName::from_static("rapids-sequence");
/// The last event that a client has seen.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Clone)]
struct Shop {
    rapids: Rapids,
    customers: MemoryView<Box<RawValue>>,
    conversations: Arc<Conversations>,
    patience: Duration,
}

pub(crate) fn app(rapids: Rapids, patience: Duration) -> Router {
    let conversations = Arc::new(Conversations::new(rapids.clone(), None));
    let customers = rapids.memory("open_orders", "customers").within(patience);
    Router::new()
        .route("/orders", post(place_order))
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/events", get(events))
        .route("/customers/{customer}/open_orders", get(open_orders))
        .with_state(Shop { rapids, conversations, customers, patience })
}

/// What is taken over from the customer; whatever else he sends is dropped.
#[derive(Deserialize)]
struct PlaceOrder {
    customer: Option<Box<RawValue>>,
    items: Option<Box<RawValue>>,
}

async fn place_order(State(shop): State<Shop>, body: Bytes) -> Result<Response, Failure> {
    let PlaceOrder { customer, items } = serde_json::from_slice(&body).map_err(Failure::Body)?;
    let command = Packet::command("place_order").with("customer", customer).with("items", items);
    let location = [(LOCATION, format!("/orders/{}", command.correlation_id()))];
    let asked = shop.rapids.ask(command).until_event(["order_placed", "order_refused"]);
    Ok(match asked.within(shop.patience).await? {
        Answer::Came(outcome) => {
            let is_placed = outcome.event_name().as_deref() == Some("order_placed");
            let status =
                if is_placed { StatusCode::CREATED } else { StatusCode::UNPROCESSABLE_ENTITY };
            let sequence = outcome.arrival().map_or(0, |arrival| arrival.sequence);
            let sequence = [(SEQUENCE, sequence.to_string())];
            (status, location, sequence, json(outcome.to_string())).into_response()
        }
        Answer::TimedOut(so_far) => {
            (StatusCode::ACCEPTED, location, json(list(&so_far))).into_response()
        }
    })
}

async fn order(State(shop): State<Shop>, Path(id): Path<String>) -> Result<Response, Failure> {
    let found = find(&shop, id).await?;
    let read = Box::pin(shop.conversations.read(vec![found])).await?;
    let packets = read.into_iter().next().map(|conversation| conversation.packets);
    Ok(json(list(&packets.unwrap_or_default())).into_response())
}

async fn events(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let found = find(&shop, id).await?;
    let seen = number(&headers, &LAST_EVENT_ID);
    let first = seen.map_or(found.sequence, |seen| seen.saturating_add(1));
    let tail = shop.rapids.tail(Start::Sequence(first)).await?;
    let events = conversation(tail, found.conversation).take_until(shutdown_signal());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// The packets of a conversation as they come; their ids are their sequences.
fn conversation(tail: Tail, id: String) -> impl Stream<Item = Result<Event, Infallible>> {
    let next = |(mut tail, id): (Tail, String)| async move {
        loop {
            match tail.next().await {
                Ok(packet) if packet.correlation_id() == id => {
                    let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
                    // A line end would end the field.
                    let data = packet.to_string().replace(['\r', '\n'], " ");
                    let event = Event::default().id(sequence.to_string()).data(data);
                    return Some((Ok(event), (tail, id)));
                }
                Ok(_) | Err(Error::Malformed { .. }) => {}
                // The client connects again, and learns then what is wrong.
                Err(_) => return None,
            }
        }
    };
    stream::unfold((tail, id), next)
}

async fn open_orders(
    State(shop): State<Shop>,
    Path(customer): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let customers = match number(&headers, &SEQUENCE) {
        Some(sequence) => shop.customers.at_least(sequence),
        None => shop.customers,
    };
    let open = customers.get(customer).await?;
    let none = || r#"{"orders":0,"value":0}"#.to_owned();
    Ok(json(open.map_or_else(none, |open| open.get().to_owned())).into_response())
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

async fn find(shop: &Shop, id: String) -> Result<Found, Failure> {
    shop.conversations.find(&Reference::Id(id)).await?.ok_or(Failure::NotFound)
}

fn json(body: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], body)
}

fn list(packets: &[Packet]) -> String {
    let packets: Vec<_> = packets.iter().map(Packet::to_string).collect();
    format!("[{}]", packets.join(","))
}

/// Why a request is not answered.
enum Failure {
    Body(serde_json::Error),
    NotFound,
    Rapids(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rapids(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Body(error) => (StatusCode::BAD_REQUEST, format!("this is no order: {error}")),
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such order".to_owned()),
            Self::Rapids(error @ Error::Refused { .. }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            Self::Rapids(error @ Error::Memory { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            Self::Rapids(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the shop does not answer; an order may be stored or not".to_owned(),
            ),
        };
        (status, words).into_response()
    }
}
