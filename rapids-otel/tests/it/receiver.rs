//! Receives traces over OTLP, as a collector does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::runtime::Builder;

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Recorded>>>,
}

/// A span that was received.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// `service.name` of the process.
    pub(crate) process: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where it has none.
    pub(crate) parent: String,
    /// The trace and the span of each.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) kind: i32,
    /// The words of a status that tells a failure.
    pub(crate) failure: Option<String>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::default();
        let receiving = Arc::clone(&received);
        thread::spawn(move || receive(listener, &receiving));
        Self { url, received }
    }

    /// What was received, once that is so.
    pub(crate) fn once(&self, is_so: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let received = self.received.lock().unwrap().clone();
            if is_so(&received) {
                return received;
            }
            assert!(Instant::now() < deadline, "{received:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn receive(listener: TcpListener, received: &Arc<Mutex<Vec<Recorded>>>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let received = Arc::clone(received);
            tokio::spawn(async move {
                let answer = service_fn(|request| take(request, &received));
                // An exporter that ends closes its connection as it likes.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
}

async fn take(
    request: Request<Incoming>,
    received: &Mutex<Vec<Recorded>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for of_process in request.resource_spans {
        let process = attributes(of_process.resource.unwrap().attributes);
        let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let recorded = spans.map(|span| Recorded::of(&process["service.name"], span));
        received.lock().unwrap().extend(recorded);
    }
    Ok(Response::new(Full::default()))
}

impl Recorded {
    fn of(process: &str, span: Span) -> Self {
        let failure = span.status.filter(|status| status.code == 2).map(|status| status.message);
        let links = span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id)));
        Self {
            process: process.to_owned(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            links: links.collect(),
            attributes: attributes(span.attributes),
            kind: span.kind,
            failure,
        }
    }

    pub(crate) fn is_of(&self, name: &str, packet: &str) -> bool {
        self.name == name && self.attributes["messaging.message.id"] == packet
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: KeyValue| match pair.value?.value? {
        Value::StringValue(text) => Some((pair.key, text)),
        _ => None,
    };
    pairs.into_iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
