//! Dead letters and actions on them as JSON.

use rapids_client::trace::TraceContext;
use rapids_client::{Action, Comment, LetterId, StoredLetter};
use serde::Serialize;
use serde_json::value::RawValue;

/// A letter as JSON.
#[derive(Serialize)]
pub(in crate::commands) struct LetterJson<'a> {
    id: String,
    service: &'a str,
    river: &'a str,
    kind: &'a str,
    state: &'a str,
    reason: &'a str,
    causes: &'a [String],
    attempts: u32,
    instance: &'a str,
    packet_id: &'a str,
    name: Option<&'a str>,
    correlation_id: &'a str,
    breadcrumbs: &'a [String],
    publisher: Option<&'a str>,
    traceparent: Option<&'a str>,
    sequence: u64,
    stored: String,
    first_failure: String,
    last_failure: String,
    written: String,
    size: usize,
    first: Option<String>,
    again: Option<String>,
    epoch: u64,
    former: Option<String>,
    actions: &'a [Action],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

/// What only `show` prints.
#[derive(Serialize)]
struct Details<'a> {
    history: Vec<Step<'a>>,
    comments: &'a [Comment],
    /// The packet's own text; null if it is not JSON.
    packet: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Step<'a> {
    id: String,
    state: &'a str,
}

impl<'a> LetterJson<'a> {
    pub(in crate::commands) fn of(stored: &'a StoredLetter) -> Self {
        let letter = &stored.letter;
        Self {
            id: letter.id.to_string(),
            service: letter.id.service(),
            river: letter.id.river(),
            kind: letter.kind.as_str(),
            state: stored.state.as_str(),
            reason: &letter.reason,
            causes: &letter.causes,
            attempts: letter.attempts,
            instance: &letter.instance,
            packet_id: &letter.packet_id,
            name: letter.name.as_deref(),
            correlation_id: &letter.correlation_id,
            breadcrumbs: &letter.breadcrumbs,
            publisher: letter.publisher.as_deref(),
            traceparent: letter.trace.as_ref().map(TraceContext::parent),
            sequence: letter.sequence,
            stored: letter.stored.to_string(),
            first_failure: letter.first_failure.to_string(),
            last_failure: letter.last_failure.to_string(),
            written: stored.written.to_string(),
            size: stored.size,
            first: letter.first.as_ref().map(LetterId::to_string),
            again: stored.again.as_ref().map(LetterId::to_string),
            epoch: letter.epoch,
            former: letter.former.as_ref().map(LetterId::to_string),
            actions: &stored.actions,
            details: None,
        }
    }

    /// Adds the packet, all letters about it, and what people have said of this one.
    pub(super) fn with_details(
        self,
        stored: &'a StoredLetter,
        history: &'a [StoredLetter],
        comments: &'a [Comment],
    ) -> Self {
        let step = |stored: &'a StoredLetter| Step {
            id: stored.letter.id.to_string(),
            state: stored.state.as_str(),
        };
        let details = Details {
            history: history.iter().map(step).collect(),
            comments,
            packet: serde_json::from_slice(&stored.letter.body).ok(),
        };
        Self { details: Some(details), ..self }
    }
}

/// An action on a letter, as JSON.
#[derive(Serialize)]
pub(super) struct ActionJson<'a> {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) action: &'a Action,
}
