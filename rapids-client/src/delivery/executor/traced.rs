//! A reaction in the span of the program's [`Tracer`], if it has one.

use std::sync::Arc;

use anyhow::Error;
use tracing::Span;

use super::{Work, error_type};
use crate::effects::Effects;
use crate::packet::Packet;
use crate::river::River;
use crate::trace::{Attempt, Tracer, tracer};

/// Ends the span when it is dropped.
pub(super) struct Traced(Option<(&'static dyn Tracer, Span)>);

impl Traced {
    pub(super) fn of(service: &str, (river, packet): (&River, &Packet), work: &Work) -> Self {
        let tracer = tracer().filter(|_| matches!(work, Work::React { .. }));
        let attempt = Attempt { service, river: river.name(), packet };
        Self(tracer.map(|tracer| (tracer, tracer.process(attempt))))
    }

    pub(super) fn span(&self) -> Span {
        self.0.as_ref().map_or_else(Span::none, |(_, span)| span.clone())
    }

    /// What the reaction led to, as part of the span's trace.
    pub(super) fn effects(&self, effects: Effects) -> Effects {
        let context = self.0.as_ref().and_then(|(tracer, span)| tracer.context(span));
        let Some(context) = context.map(Arc::new) else { return effects };
        effects.map_packets(|packet| packet.in_trace(Some(context.clone())))
    }

    pub(super) fn failed(&self, error: &Error) {
        let Some((tracer, span)) = &self.0 else { return };
        tracer.failed(span, error_type(error).as_str(), error);
    }
}
