//! Serves the metrics over HTTP, for Prometheus to scrape.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
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
use tokio::time::{sleep, timeout};

use super::{Source, families};
use crate::exit::Answer;

/// How many connections are served at once; others wait.
const MOST: usize = 64;

/// How long a connection may be silent before its next request.
const IDLE: Duration = Duration::from_secs(60);

/// How much longer than for the answers of instances a scrape may take.
const BESIDES: Duration = Duration::from_millis(450);

/// The version of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until it is dropped.
pub(super) async fn serve(source: &Source<'_>, listener: &TcpListener) -> Result<Answer> {
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST => match accepted {
                Ok((stream, _)) => connections.push(connection(source, stream)),
                // As when there are too many files open: it may pass.
                Err(error) => {
                    source.session.screen.warning(format_args!("a connection is refused: {error}"));
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(()) = connections.next() => {}
        }
    }
}

async fn connection(source: &Source<'_>, stream: TcpStream) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(source, &request).await));
    // Whatever a client does wrong is its own matter.
    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(source: &Source<'_>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n");
    }
    let asking = source.ask(source.waiting_letters_in_time());
    let words = match timeout(source.wait + BESIDES, asking).await {
        Ok(Ok(snapshot)) => return text(StatusCode::OK, families::text(&snapshot)),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {:?}", source.wait + BESIDES),
    };
    source.session.screen.warning(format_args!("a scrape fails: {words}"));
    text(StatusCode::SERVICE_UNAVAILABLE, words + "\n")
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}
