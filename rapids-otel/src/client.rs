//! The HTTP client of the exporter. The exporter calls it on a thread of its own, without a runtime.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

/// How long one request may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says so: the exporter leaves that to
/// its client.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client {
    /// Taken when this is dropped, which may happen within another runtime.
    runtime: Option<Runtime>,
    client: Box<dyn HttpClient>,
}

impl Client {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client: Box<dyn HttpClient> = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(builder) => {
                let connector = builder.https_or_http().enable_http1().build();
                Box::new(HyperClient::new(connector, timeout(), None))
            }
            // The system trusts nobody, as in a container without certificates: without TLS it works.
            Err(_) => Box::new(HyperClient::new(HttpConnector::new(), timeout(), None)),
        };
        Ok(Self { runtime: Some(runtime), client })
    }
}

fn timeout() -> Duration {
    let stated = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let millis = stated.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    millis.map_or(TIMEOUT, Duration::from_millis)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.client.send_bytes(request)),
            None => Err("the client is dropped".into()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
