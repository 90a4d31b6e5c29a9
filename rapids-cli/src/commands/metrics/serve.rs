//! Serves the metrics over HTTP, for Prometheus to scrape.

use std::time::Duration;

use rapids_client::monitoring::{self, Page};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Source, families};

/// How much longer than for the answers of instances a scrape may take.
const BESIDES: Duration = Duration::from_millis(450);

/// Serves until it is dropped.
pub(super) async fn serve(source: &Source<'_>, listener: &TcpListener) {
    monitoring::serve(listener, async |path| match path {
        "/metrics" => scrape(source).await,
        _ => Page::NotFound("metrics are at /metrics\n".to_owned()),
    })
    .await;
}

async fn scrape(source: &Source<'_>) -> Page {
    let asking = source.ask(source.waiting_letters_in_time());
    let words = match timeout(source.wait + BESIDES, asking).await {
        Ok(Ok(snapshot)) => return Page::Ok(families::text(&snapshot)),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {:?}", source.wait + BESIDES),
    };
    source.session.screen.warning(format_args!("a scrape fails: {words}"));
    Page::Unavailable(words + "\n")
}
