//! A reaction with memory: it runs on the value that the steps before it have left, and its outputs go
//! out once the record that contains them is saved.
//!
//! The steps of a key that have run while its record is being saved are saved together, next. So a key
//! with many packets takes no longer for them than the reactions and the saves do side by side.

mod cleaning;
mod folding;
mod kept_keys;
mod kept_record;
mod published;
mod records;
mod saving;
mod step;
mod store;
mod trial;
mod unwritten;

use std::time::Duration;

use super::context::Context;
use super::reaction::{Reaction, ReactionError};
use super::schedule::Health;
use super::slot::Turn;
use crate::connection::Retry;
use crate::memory::MemoryKey;
use folding::{Folding, Reacted};

pub(super) use records::{MemoryRecords, Remembered};
pub(super) use store::MemoryStore;
pub(super) use trial::Trial;

/// How often it is tried to reach a memory before its packets wait and others run.
const ATTEMPTS: u32 = 5;

/// The longest wait after another instance was faster.
const COLLISION: Duration = Duration::from_millis(10);

/// Runs a reaction on its memory, and saves that. The slot of the turn is free in between, unless the
/// reaction has failed. That of a suspect is not: no other reaction may run beside its mark, and none
/// shares its save.
pub(super) async fn react(
    turn: &Turn,
    context: &Context,
    (memories, key): (&MemoryRecords, MemoryKey),
) -> Result<Reaction, ReactionError> {
    let folding = Folding::new(context, memories, key);
    let step = match folding.react(turn).await? {
        Reacted::Before(reaction) => return Ok(reaction),
        Reacted::Now(step) => step,
    };
    if !turn.is_suspect && !step.has_failed() {
        turn.slot.free(Health::Success, step.took);
    }
    folding.ended(&step).await
}

/// The tries to load a record, or to save one.
fn reaching(context: &Context) -> Retry {
    Retry::new(&context.connection, "reach a memory").at_most(ATTEMPTS)
}
