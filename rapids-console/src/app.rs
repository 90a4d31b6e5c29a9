//! All routes, with what guards them.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::timeout::TimeoutLayer;

use crate::assets;
use crate::console::Console;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::guard::access::{Access, admit};
use crate::guard::{Visitor, headers};
use crate::pages::dead_letters::{edit, redirects};
use crate::pages::{
    conversation, dead_letters, find, live, login, map, memories, operations, overview, packet,
    position, publish, timers,
};
use crate::text::shown;

/// The largest form without a packet.
const LARGEST_FORM: usize = 16 * 1024;
/// The largest form with a packet, in which each byte may take three.
const LARGEST_PACKET: usize = 4 * 1024 * 1024;
/// How long a page may take until it begins.
const LONGEST: Duration = Duration::from_secs(60);

/// All routes.
pub(crate) fn app(console: Console, access: Arc<Access>) -> Router {
    let prefix = console.base().path().to_owned();
    let pages = Router::new()
        .route("/", get(overview::page))
        .route("/events", get(overview::events))
        .route("/buttons/{place}", post(overview::press))
        .route("/live", get(live::page))
        .route("/live/check", get(live::check))
        .route("/live/events", get(live::events))
        .route("/map", get(map::page))
        .route("/map.json", get(map::json))
        .route("/map.mmd", get(map::mermaid))
        .route("/map/events", get(map::events))
        .route("/find", get(find::page))
        .route("/packets/{id}", get(packet::page))
        .route("/packets/{id}/bytes", get(packet::bytes))
        .route("/conversations/{id}", get(conversation::page))
        .route("/timers", get(timers::page))
        .route("/timers/cancel", post(timers::cancel))
        .route("/memories", get(memories::page))
        .route("/memories/forget", post(memories::forget))
        .merge(service_pages())
        .merge(letter_pages())
        .merge(operation_pages())
        .merge(with_packets())
        .fallback(nothing_here)
        .with_state(console.clone());
    let login = Router::new()
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", axum::routing::post(login::log_out))
        .with_state((console.clone(), access.clone()));
    let routes = pages
        .merge(login)
        .route("/assets/{*name}", get(assets::serve))
        .layer(from_fn(to_the_end))
        .layer(from_fn_with_state(console, render_faults))
        .layer(from_fn_with_state(access, admit))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONGEST))
        .layer(from_fn(headers::add));
    // Unlike `nest`, this answers with and without a slash behind the prefix.
    if prefix.is_empty() { routes } else { Router::new().nest_service(&prefix, routes) }
}

fn service_pages() -> Router<Console> {
    Router::new()
        .route("/services/{name}/position", get(position::page).post(position::move_it))
        .route("/services/{name}/position/events", get(position::events))
        .route("/services/{name}/position/plan", get(position::plan))
}

fn letter_pages() -> Router<Console> {
    Router::new()
        .route("/dead-letters", get(dead_letters::page))
        .route("/dead-letters/group", get(dead_letters::group))
        .route("/dead-letters/all", get(dead_letters::all))
        .route("/dead-letters/tag", post(dead_letters::tagging::tag))
        .route("/dead-letters/untag", post(dead_letters::tagging::untag))
        .route("/dead-letters/redirects", get(redirects::page).post(redirects::set))
        .route("/dead-letters/redirects/withdraw", post(redirects::withdraw))
        .route("/dead-letters/{id}", get(dead_letters::letter))
        .route("/dead-letters/{id}/bytes", get(dead_letters::bytes))
        .route("/dead-letters/{id}/outcome", get(dead_letters::act::outcome))
        .route("/dead-letters/{id}/{action}", post(dead_letters::act::act))
}

fn operation_pages() -> Router<Console> {
    Router::new()
        .route("/operations", get(operations::page))
        .route("/operations/plan", get(operations::plan))
        .route("/operations/begin", post(operations::begin))
        .route("/operations/{id}", get(operations::job))
        .route("/operations/{id}/part", get(operations::part))
        .route("/operations/{id}/{change}", post(operations::change))
}

/// Pages whose forms have a packet.
fn with_packets() -> Router<Console> {
    Router::new()
        .route("/dead-letters/{id}/edit", get(edit::page).post(edit::send))
        .route("/dead-letters/{id}/edit/check", post(edit::check))
        .route("/publish", get(publish::page).post(publish::publish))
        .route("/publish/check", post(publish::check))
        .layer(DefaultBodyLimit::max(LARGEST_PACKET))
}

/// Has what changes something come to its end, and into the log, also if nobody waits for the answer any more.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let acting = tokio::spawn(next.run(request));
    acting.await.unwrap_or_else(|error| Fault::internal(error).into_response())
}

async fn nothing_here() -> Fault {
    Fault::gone("there is no such page")
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage {
    frame: Frame,
    status: u16,
    title: &'static str,
    message: String,
    remedy: Option<String>,
}

/// What a page gets that asked for a part of it.
#[derive(Template)]
#[template(source = r#"<p class="notice">{{ message }}</p>"#, ext = "html")]
struct FaultPart {
    message: String,
}

/// Makes a page of what a handler could not do.
async fn render_faults(
    State(console): State<Console>,
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    let is_part = request.headers().contains_key("hx-request");
    let mut response = next.run(request).await;
    let Some(fault) = response.extensions_mut().remove::<Fault>() else {
        return response;
    };
    if is_part {
        let part = FaultPart { message: shown(&fault.message) }.render();
        return (fault.status, Html(part.unwrap_or_default())).into_response();
    }
    let page = FaultPage {
        frame: console.frame(&visitor, ""),
        status: fault.status.as_u16(),
        title: fault.status.canonical_reason().unwrap_or("Not to be shown"),
        message: shown(&fault.message),
        remedy: fault.remedy,
    };
    match page.render() {
        Ok(html) => (fault.status, Html(html)).into_response(),
        Err(error) => (fault.status, error.to_string()).into_response(),
    }
}
