//! What somebody did with a letter, in words.

use rapids_client::{Action, ActionKind};

use crate::frame::Frame;
use crate::text::{Mask, short, shown};
use crate::times::Time;

/// An action.
pub(super) struct ActionLine {
    pub(super) at: Time,
    /// Such as `replay to all`.
    pub(super) what: &'static str,
    pub(super) who: String,
    pub(super) why: Option<String>,
    /// From where.
    pub(super) origin: Option<String>,
    /// The job that did it, with its address.
    pub(super) job: Option<(String, String)>,
    /// What came of it: `sent as replay 3`.
    pub(super) outcome: Option<String>,
    /// The new packet, with its address if it has one.
    pub(super) packet: Option<(String, Option<String>)>,
}

impl ActionLine {
    pub(super) fn of(action: &Action, mask: &Mask, frame: &Frame) -> Self {
        let packet = action.packet_id.as_ref().map(|id| {
            // What went to one river is not on the rapids.
            let at = |sequence: u64| frame.to("/packets/", &sequence.to_string());
            (short(id), action.sequence.map(at))
        });
        Self {
            at: action.at.into(),
            what: word(action.kind),
            who: shown(&action.who),
            why: action.why.as_ref().map(|why| mask.sentence(why)),
            origin: action.origin.as_ref().map(short),
            job: action.job.as_ref().map(|job| (short(job), frame.to("/operations/", job))),
            outcome: action.replay.map(|replay| match &action.to {
                Some(to) => format!("sent to {} as replay {replay}", short(to)),
                None => format!("sent as replay {replay}"),
            }),
            packet,
        }
    }
}

fn word(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::ReplayToAll => "replay to all",
        other => other.as_str(),
    }
}
