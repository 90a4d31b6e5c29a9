//! A small HTTP server, for what is scraped and probed.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::warn;

/// How many connections are served at once; others wait.
const MOST: usize = 64;

/// How long a connection may be silent before its next request.
const IDLE: Duration = Duration::from_secs(60);

/// The version of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An answer: a text, and whether all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
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
/// Only `GET` is answered, by at most 64 connections at once. What a client does wrong concerns nobody
/// else.
pub async fn serve(listener: &TcpListener, answer: impl AsyncFn(&str) -> Page) {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST => match accepted {
                Ok((stream, _)) => connections.push(connection(stream, &answer)),
                // As when there are too many files open: it may pass.
                Err(error) => {
                    warn!("an HTTP connection is refused: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(()) = connections.next() => {}
        }
    }
}

async fn connection(stream: TcpStream, answer: &impl AsyncFn(&str) -> Page) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let respond = async |request: Request<Incoming>| {
        let response = match *request.method() {
            Method::GET => page(answer(request.uri().path()).await),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".to_owned()),
        };
        Ok::<_, Infallible>(response)
    };
    // Whatever a client does wrong is its own matter.
    let _ = http.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
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
