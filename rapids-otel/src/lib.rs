//! Records what rivers do as traces of OpenTelemetry, and sends them over OTLP.
//!
//! A program calls [`init`] in place of [`rapids_client::telemetry::init`]; a river that does not trace
//! does not compile this crate.
//!
//! ```no_run
//! # use rapids_client::{Config, Service};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let _traces = rapids_otel::init("payment")?;
//! Service::new("payment", Config::from_env()?).run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each run of a reaction is a span `process rapids`, and each packet that it publishes a span
//! `publish rapids` within; those of the next service are within that. Spans of the crate `tracing` that a
//! reaction enters, and events at the level `info` or above, belong to them too. A run that fails has the
//! attribute `error.type`: `rejected`, `timed_out`, `panicked` or `failed`.
//!
//! A new trace, linked to the old one, begins where a packet was replayed or edited, and where it waited for
//! long, so that a conversation of days is not one endless trace.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | where traces go, over HTTP with protobuf | `http://localhost:4318` |
//! | `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT` | headers, as for a login; how long an export may take, in milliseconds | none; `10000` |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | the name in place of that of the service; further attributes | |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces are recorded | all that others have not left out |
//! | `OTEL_BSP_SCHEDULE_DELAY` and others | how spans are put together | every 5 s |
//! | `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER` | `true`, and `none`, record nothing | |
//! | `RAPIDS_TRACE_GAP` | how long a packet may have waited to be in the trace of its cause, such as `15m` | `1h` |
//!
//! Spans that cannot be sent are dropped, and no reaction waits for them.

mod client;
mod tracer;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use rapids_client::{parse_duration, telemetry, trace};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};

use client::Client;
use tracer::OtelTracer;

const GAP: &str = "RAPIDS_TRACE_GAP";
const DEFAULT_GAP: Duration = Duration::from_secs(3600);

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The variable of the gap has a value that it cannot have.
    #[error("{GAP} is `{0}`, expected a duration such as `1h`")]
    Gap(String),
    /// The exporter cannot be made from the `OTEL_*` variables.
    #[error("traces cannot be exported: look at OTEL_EXPORTER_OTLP_ENDPOINT and its like")]
    Exporter(#[from] ExporterBuildError),
    /// The system gives the exporter no means to wait for its connection.
    #[error("traces cannot be exported: the system refuses a runtime for it")]
    Client(#[from] std::io::Error),
    /// A log subscriber or a tracer was installed before.
    #[error("logs or traces are set up already: call `rapids_otel::init` once, and nothing else")]
    Installed,
}

/// Sends what was recorded when it is dropped: keep it until the program ends.
#[derive(Debug)]
#[must_use = "what is recorded is sent no more once this is dropped"]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends what was recorded so far, and waits for that.
    pub fn flush(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.force_flush()
        {
            tracing::warn!("traces are not sent: {error}");
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!("the last traces are not sent: {error}");
        }
    }
}

/// Sets up the logs of the process as [`telemetry::init`] does, and its traces, by the variables [above](self).
/// Call it once, first of all, with the name of the service.
///
/// # Errors
/// [`Error`] for a variable that has a value it cannot have, and if logs or traces are set up already.
pub fn init(service: &str) -> Result<Traces, Error> {
    let gap = gap(variable(GAP))?;
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
    if is_off {
        telemetry::init();
        return Ok(Traces(None));
    }
    let exporter = SpanExporter::builder().with_http().with_http_client(Client::new()?).build()?;
    let mut resource = Resource::builder();
    if !is_named() {
        resource = resource.with_service_name(service.to_owned());
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    // What the library itself enters would come between the spans of reactions.
    let is_meant = filter_fn(|metadata| {
        let of_library = metadata.target().starts_with("rapids_client");
        !metadata.is_span() || !of_library || metadata.target() == trace::TARGET
    });
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("rapids-otel"))
        .with_location(false)
        .with_threads(false)
        .with_filter(is_meant)
        .with_filter(LevelFilter::INFO);
    let traces = Traces(Some(provider));
    if telemetry::init_with(layer) && trace::install(OtelTracer::new(gap)) {
        Ok(traces)
    } else {
        Err(Error::Installed)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the environment gives the process a name.
fn is_named() -> bool {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let mut keys = attributes.split(',').filter_map(|pair| pair.split('=').next());
    variable("OTEL_SERVICE_NAME").is_some() || keys.any(|key| key.trim() == "service.name")
}

fn gap(stated: Option<String>) -> Result<Duration, Error> {
    let Some(text) = stated else { return Ok(DEFAULT_GAP) };
    parse_duration(&text).ok_or(Error::Gap(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_an_hour_unless_it_is_stated() {
        assert_eq!(gap(None).unwrap(), Duration::from_secs(3600));
        assert_eq!(gap(Some("15m".to_owned())).unwrap(), Duration::from_secs(900));
        let error = gap(Some("soon".to_owned())).unwrap_err().to_string();
        assert_eq!(error, "RAPIDS_TRACE_GAP is `soon`, expected a duration such as `1h`");
    }
}
