//! A small HTTP server, for what is scraped and probed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{AbortHandle, abortable};
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep_until, timeout};
use tracing::warn;

/// How many connections are served at once: one more ends the oldest.
const MOST: usize = 64;

/// How long a connection may take for its one request.
const LONGEST: Duration = Duration::from_secs(10);

/// How long nobody is let in after the system could open no connection.
const REFUSED: Duration = Duration::from_millis(100);

/// The version of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An answer: a text, and whether all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Page {
    /// All is well: status 200.
    Ok(String),
    /// It is not, or not now, for this reason: status 503.
    Unavailable(String),
    /// There is nothing at this path, but there may be elsewhere: status 404.
    NotFound(String),
}

/// Answers requests for a path, such as `/metrics`, for as long as it is polled.
///
/// Answers `GET` and `HEAD`, one request of each connection. A connection ends after ten seconds, and when
/// there are 64 younger ones, so that whoever keeps some open keeps nobody else out.
pub async fn serve(listener: &TcpListener, answer: impl AsyncFn(&str) -> Page) {
    let (mut connections, mut handles) = (FuturesUnordered::new(), VecDeque::<AbortHandle>::new());
    let (mut not_before, mut has_warned) = (Instant::now(), false);
    loop {
        let accepting = async {
            sleep_until(not_before.into()).await;
            listener.accept().await
        };
        tokio::select! {
            accepted = accepting => match accepted {
                Ok((stream, _)) => {
                    has_warned = false;
                    let (serving, handle) = abortable(connection(stream, &answer));
                    connections.push(serving);
                    handles.push_back(handle);
                    if handles.len() > MOST && let Some(oldest) = handles.pop_front() {
                        oldest.abort();
                    }
                }
                // As when there are too many files open: it may pass.
                Err(error) => {
                    if !std::mem::replace(&mut has_warned, true) {
                        warn!("HTTP connections are refused: {error}");
                    }
                    not_before = Instant::now() + REFUSED;
                }
            },
            Some(_) = connections.next() => {}
        }
    }
}

async fn connection(stream: TcpStream, answer: &impl AsyncFn(&str) -> Page) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false);
    let respond = async |request: Request<Incoming>| {
        let response = match *request.method() {
            Method::GET | Method::HEAD => page(answer(request.uri().path()).await),
            _ => only_get(),
        };
        Ok::<_, Infallible>(response)
    };
    // Whatever a client does wrong is its own matter.
    let _ =
        timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service_fn(respond))).await;
}

fn only_get() -> Response<Full<Bytes>> {
    let words = "only GET and HEAD are answered\n".to_owned();
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, words);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn page(page: Page) -> Response<Full<Bytes>> {
    match page {
        Page::Ok(words) => text(StatusCode::OK, words),
        Page::Unavailable(words) => text(StatusCode::SERVICE_UNAVAILABLE, words),
        Page::NotFound(words) => text(StatusCode::NOT_FOUND, words),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}
