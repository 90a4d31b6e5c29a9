//! Traces: what travels with packets, and what records them.
//!
//! A packet carries the two headers of the W3C's Trace Context, `traceparent` and `tracestate`. What a
//! reaction publishes gets those of the packet that it handles, also out of memories, dead letters and
//! replays. The library does not read them otherwise. A program that records traces installs a
//! [`Tracer`], as the crate `rapids-otel` does for OpenTelemetry.

pub(crate) mod context;

use std::fmt::{Debug, Display};
use std::sync::OnceLock;

use tracing::Span;

use crate::packet::Packet;
pub use context::TraceContext;

/// The target of spans that are for a [`Tracer`] alone, and appear in no log of
/// [`telemetry`](crate::telemetry).
pub const TARGET: &str = module_path!();

/// One run of a reaction.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The service.
    pub service: &'a str,
    /// The river.
    pub river: &'a str,
    /// The packet, whose [`trace`](Packet::trace) the attempt belongs to.
    pub packet: &'a Packet,
}

/// Records what services do, and links it by what travels with packets.
///
/// The methods are called for each packet, on the threads that handle and publish it.
pub trait Tracer: Debug + Send + Sync {
    /// The span in which a reaction runs. What it publishes belongs to the
    /// [`context`](Self::context) of this span.
    fn process(&self, attempt: Attempt<'_>) -> Span;

    /// The reaction in this span has failed: `kind` is `rejected`, `timed_out`, `panicked` or `failed`.
    fn failed(&self, span: &Span, kind: &'static str, error: &dyn Display);

    /// The span of publishing a packet, which lasts until the packet is stored. It belongs to the packet's
    /// [`trace`](Packet::trace), or else to the span that is entered.
    fn publish(&self, packet: &Packet) -> Span;

    /// What is to travel with packets that come from this span.
    fn context(&self, span: &Span) -> Option<TraceContext>;
}

static TRACER: OnceLock<Box<dyn Tracer>> = OnceLock::new();

/// Installs what records traces in this process; `false` if something was installed before, which stays.
pub fn install(tracer: impl Tracer + 'static) -> bool {
    TRACER.set(Box::new(tracer)).is_ok()
}

pub(crate) fn tracer() -> Option<&'static dyn Tracer> {
    TRACER.get().map(|tracer| &**tracer)
}
