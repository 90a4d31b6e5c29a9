//! What a letter says of itself.

use rapids_client::StoredLetter;

use crate::frame::Frame;
use crate::pages::dead_letters::wanted::Wanted;
use crate::reading::letters::CauseMark;
use crate::text::{Mask, lines, short, shown};
use crate::times::{Time, duration};

/// The facts.
pub(super) struct Facts {
    pub(super) reason: String,
    /// What led to the reason, outermost first.
    pub(super) causes: Vec<String>,
    /// The letters with the same cause.
    pub(super) group: String,
    pub(super) river: String,
    pub(super) map: String,
    /// How often it was tried.
    pub(super) tried: String,
    pub(super) instance: String,
    pub(super) first_failure: Time,
    pub(super) last_failure: Time,
    /// How long it was between the two; `None` for one attempt.
    pub(super) lasted: Option<String>,
    pub(super) written: Time,
    pub(super) name: String,
    pub(super) packet_id: String,
    pub(super) sequence: u64,
    pub(super) packet: String,
    pub(super) stored: Time,
    pub(super) correlation_id: String,
    pub(super) conversation: String,
    pub(super) publisher: Option<String>,
    pub(super) way: Vec<String>,
    pub(super) trace: Option<String>,
    /// The letter about the same packet from before the position was moved.
    pub(super) former: Option<(String, String)>,
}

impl Facts {
    pub(super) fn of(stored: &StoredLetter, mask: &Mask, frame: &Frame) -> Self {
        let letter = &stored.letter;
        let id = &letter.id;
        let group = Wanted {
            service: id.service().to_owned(),
            river: id.river().to_owned(),
            kind: letter.kind.to_string(),
            cause: CauseMark::of(letter).to_string(),
            ..Wanted::default()
        };
        let lasted = letter.last_failure.duration_since(letter.first_failure);
        let lasted = std::time::Duration::try_from(lasted).ok().filter(|it| !it.is_zero());
        let trace = letter.trace.as_ref().and_then(|trace| trace.parent().split('-').nth(1));
        Self {
            reason: sentence(&letter.reason, mask),
            causes: letter.causes.iter().map(|cause| sentence(cause, mask)).collect(),
            group: frame.at(&format!("/dead-letters/group{}", group.query(&[]))),
            river: shown(id.river_name()),
            map: frame.on_map(id.service()),
            tried: tried(letter.attempts),
            instance: short(&letter.instance),
            first_failure: letter.first_failure.into(),
            last_failure: letter.last_failure.into(),
            lasted: lasted.map(duration),
            written: stored.written.into(),
            name: letter.name.as_deref().map_or("packet".to_owned(), short),
            packet_id: shown(&letter.packet_id),
            sequence: letter.sequence,
            packet: frame.to("/packets/", &letter.sequence.to_string()),
            stored: letter.stored.into(),
            correlation_id: shown(&letter.correlation_id),
            conversation: frame.to("/conversations/", &letter.correlation_id),
            publisher: letter.publisher.as_ref().map(shown),
            way: letter.breadcrumbs.iter().map(short).collect(),
            trace: trace.map(shown),
            former: letter.former.as_ref().map(|former| {
                let former = former.to_string();
                (short(&former), frame.to("/dead-letters/", &former))
            }),
        }
    }
}

/// A reason or a cause with its lines; with a mask, without what may be a value.
fn sentence(text: &str, mask: &Mask) -> String {
    if mask.is_empty() { lines(text) } else { mask.sentence(text) }
}

fn tried(attempts: u32) -> String {
    match attempts {
        // The kind of the letter says why.
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        attempts => format!("{attempts} times"),
    }
}
