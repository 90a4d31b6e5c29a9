//! Spans of reactions and of publishing, in the words of OpenTelemetry's conventions for messaging.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use rapids_client::trace::{Attempt, TARGET, TraceContext, Tracer};
use rapids_client::{Packet, Timestamp};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

#[derive(Debug)]
pub(crate) struct OtelTracer {
    /// A packet that waited longer begins a trace of its own.
    gap: Duration,
    propagator: TraceContextPropagator,
}

impl OtelTracer {
    pub(crate) fn new(gap: Duration) -> Self {
        Self { gap, propagator: TraceContextPropagator::new() }
    }

    fn extract(&self, context: &TraceContext) -> Context {
        let state = context.state().map(|state| ("tracestate".to_owned(), state.to_owned()));
        let parent = ("traceparent".to_owned(), context.parent().to_owned());
        let headers: HashMap<_, _> = [parent].into_iter().chain(state).collect();
        // The context of the thread is no part of it.
        self.propagator.extract_with_context(&Context::new(), &headers)
    }

    /// Whether what comes of a packet is a trace of its own.
    fn begins_anew(&self, packet: &Packet) -> bool {
        let waited = |stored| Timestamp::now().duration_since(stored).unsigned_abs();
        let is_apart = packet.is_sent_again() || packet.timer().is_some();
        is_apart || packet.arrival().is_some_and(|it| waited(it.stored) > self.gap)
    }
}

impl Tracer for OtelTracer {
    fn process(&self, Attempt { service, river, packet, .. }: Attempt<'_>) -> Span {
        let span = info_span!(
            target: TARGET,
            parent: None,
            "process",
            otel.name = "process rapids",
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = "rapids",
            messaging.consumer.group.name = service,
            messaging.message.id = packet.id(),
            messaging.message.conversation_id = packet.correlation_id(),
            rapids.river = river,
            error.type = Empty,
        );
        if let Some(context) = packet.trace() {
            let parent = self.extract(context);
            if self.begins_anew(packet) {
                span.add_link(parent.span().span_context().clone());
            } else {
                // It fails only where nothing is recorded.
                let _ = span.set_parent(parent);
            }
        }
        span
    }

    fn failed(&self, span: &Span, kind: &'static str, error: &dyn std::fmt::Display) {
        span.record("error.type", kind);
        span.set_status(Status::error(error.to_string()));
    }

    fn publish(&self, packet: &Packet) -> Span {
        let span = info_span!(
            target: TARGET,
            "publish",
            otel.name = "publish rapids",
            otel.kind = "producer",
            messaging.system = "nats",
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = "rapids",
            messaging.message.id = packet.id(),
            messaging.message.conversation_id = packet.correlation_id(),
        );
        if let Some(context) = packet.trace() {
            // It fails only where nothing is recorded.
            let _ = span.set_parent(self.extract(context));
        }
        span
    }

    fn context(&self, span: &Span) -> Option<TraceContext> {
        let mut headers = HashMap::new();
        self.propagator.inject_context(&span.context(), &mut headers);
        TraceContext::new(
            headers.get("traceparent")?,
            headers.get("tracestate").map(String::as_str),
        )
    }
}
