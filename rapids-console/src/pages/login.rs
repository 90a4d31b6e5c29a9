//! Logging in and out, where the console does that itself.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::rendered;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::access::{Access, COOKIE_NAME, session};
use crate::guard::connections::Peer;
use crate::guard::origin::is_own;
use crate::guard::sessions::LIFE;

type Both = (Console, Arc<Access>);

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    /// The address to go to then.
    next: String,
    wrong: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The form.
pub(crate) async fn page(
    State((console, access)): State<Both>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    if access.users.is_none() {
        return Err(Fault::gone("nobody logs in here"));
    }
    form(&console, wanted.next, None)
}

/// Checks the password, and begins a session.
pub(crate) async fn log_in(
    State((console, access)): State<Both>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Result<Response> {
    if access.users.is_none() {
        return Err(Fault::gone("nobody logs in here"));
    }
    if !is_own(&headers) {
        return Err(Fault::new(StatusCode::FORBIDDEN, "this form is of another page"));
    }
    if !access.attempts.may_try(peer) {
        let wrong = Some("There were too many wrong passwords from your address. Wait a minute.");
        let form = form(&console, login.next, wrong)?;
        return Ok((StatusCode::TOO_MANY_REQUESTS, form).into_response());
    }
    let Login { name, password, next } = login;
    let is_right = is_right(access.clone(), name.clone(), password).await;
    if !is_right {
        let form = form(&console, next, Some("This name or this password is wrong."))?;
        return Ok((StatusCode::UNAUTHORIZED, form).into_response());
    }
    access.attempts.right(peer);
    let secret = access.sessions.begin(&name).map_err(|error| {
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, format!("no session can begin: {error}"))
    })?;
    let cookie = cookie(&access, &headers, &secret, LIFE.as_secs());
    Ok(([(SET_COOKIE, cookie)], Redirect::to(&target(&access, &next))).into_response())
}

/// Ends the session.
pub(crate) async fn log_out(
    State((_, access)): State<Both>,
    headers: HeaderMap,
) -> Result<Response> {
    if !is_own(&headers) {
        return Err(Fault::new(StatusCode::FORBIDDEN, "this form is of another page"));
    }
    if let Some(secret) = session(&headers) {
        access.sessions.end(&secret);
    }
    let cookie = cookie(&access, &headers, "", 0);
    let login = format!("{}/login", access.base.path());
    Ok(([(SET_COOKIE, cookie)], Redirect::to(&login)).into_response())
}

fn form(console: &Console, next: String, wrong: Option<&'static str>) -> Result<Html<String>> {
    let mut frame = console.frame(&Visitor::default(), "");
    // What is wrong with the server is for who has logged in.
    frame.notice = None;
    rendered(&Page { frame, next, wrong })
}

/// Checks on a thread for what takes long, a few at a time.
async fn is_right(access: Arc<Access>, name: String, password: String) -> bool {
    let checking = async {
        let _place = access.attempts.checks().acquire().await.ok()?;
        let access = access.clone();
        let check = move || access.users.as_ref().is_some_and(|it| it.is_right(&name, &password));
        tokio::task::spawn_blocking(check).await.ok()
    };
    checking.await.unwrap_or(false)
}

fn cookie(access: &Access, headers: &HeaderMap, secret: &str, seconds: u64) -> String {
    let path = if access.base.path().is_empty() { "/" } else { access.base.path() };
    let is_https = headers.get("x-forwarded-proto").is_some_and(|value| value == "https");
    let secure = if is_https { "; Secure" } else { "" };
    format!(
        "{COOKIE_NAME}={secret}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    )
}

/// Where to go behind the login: a path of the console, whatever the form says.
fn target(access: &Access, next: &str) -> String {
    let is_path =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']);
    format!("{}{}", access.base.path(), if is_path { next } else { "/" })
}
