//! What a server says on its monitoring pages, and tells no login of an account.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::{Assessment, Finding};

const WHAT: &str = "sync_interval";
/// How long the page may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// It has some thousand bytes.
const MOST: u64 = 1024 * 1024;

/// How often the server writes to its disk for good, as the page at this address says, such as
/// `http://127.0.0.1:8222`.
pub(super) async fn sync_interval(url: &str) -> Finding {
    let page = timeout(PATIENCE, page(url)).await;
    let page = page.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    match page.and_then(|page| read(&page)) {
        Ok(found) => judged(&found),
        Err(error) => {
            Finding::of(Assessment::Unknown, WHAT, format!("`{url}` does not tell: {error}"))
                .with_remedy(
                    "give the address of the server's monitoring pages, as `http: 8222` opens them",
                )
        }
    }
}

/// What no login is told, without such an address.
pub(super) fn untold() -> Finding {
    let found = "not told to any login of an account";
    let remedy = "name the server's monitoring pages (`--monitoring http://127.0.0.1:8222`), or see that its \
                  configuration has `jetstream { sync_interval: always }`";
    Finding::of(Assessment::Unknown, WHAT, found).with_remedy(remedy)
}

async fn page(url: &str) -> Result<String> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await?;
    // Version 1.0 has no chunks.
    let request = format!("GET /varz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut page = String::new();
    stream.take(MOST).read_to_string(&mut page).await?;
    Ok(page)
}

#[derive(Debug, Deserialize)]
struct Page {
    jetstream: JetStream,
}

#[derive(Debug, Deserialize)]
struct JetStream {
    config: Syncing,
}

#[derive(Debug, Deserialize)]
struct Syncing {
    /// In nanoseconds.
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    sync_always: bool,
}

fn read(page: &str) -> Result<Syncing> {
    let (_, body) = page.split_once("\r\n\r\n").unwrap_or_default();
    let read: serde_json::Result<Page> = serde_json::from_str(body);
    Ok(read.map_err(|error| Error::new(ErrorKind::InvalidData, error))?.jetstream.config)
}

fn judged(found: &Syncing) -> Finding {
    if found.sync_always {
        return Finding::well(WHAT, "always");
    }
    let interval = Duration::from_nanos(found.sync_interval).as_secs_f64();
    let words =
        format!("{interval} s: a power failure takes what came last, unless streams have replicas");
    Finding::of(Assessment::Less, WHAT, words)
        .with_remedy("give the server `jetstream { sync_interval: always }`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_test::NatsServer;

    async fn told(jetstream: &str) -> Finding {
        let config =
            format!("http: \"127.0.0.1:-1\"\njetstream {{ max_file_store: 1GB{jetstream} }}");
        let server = NatsServer::with_config(&config).unwrap();
        sync_interval(server.monitoring_url().unwrap()).await
    }

    #[tokio::test]
    async fn the_page_tells_whether_each_write_is_synced() {
        let always = told(", sync_interval: always").await;
        assert_eq!((always.assessment, always.found.as_str()), (Assessment::Well, "always"));
        let seldom = told("").await;
        assert_eq!(seldom.assessment, Assessment::Less);
        assert!(seldom.found.starts_with("120 s: "), "{seldom:?}");
    }

    #[tokio::test]
    async fn what_is_no_such_page_tells_nothing() {
        let server = NatsServer::start().unwrap();
        for url in ["http://127.0.0.1:1", "nowhere", &server.url().replace("nats", "http")] {
            let found = sync_interval(url).await;
            assert_eq!(found.assessment, Assessment::Unknown, "{found:?}");
        }
    }
}
