//! A reaction with memory: loads the record, runs the reaction, and saves the record with the outputs
//! that are to be published. It does all of that again if another instance has changed the record
//! meanwhile.

pub(super) mod records;
mod store;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::context::Context;
use super::reaction::{Reaction, ReactionError};
use super::slot::Turn;
use crate::connection::Retry;
use crate::memory::MemoryKey;
use records::{MemoryRecords, Step};

/// How often it is tried to reach a memory before its packet waits and others run.
const ATTEMPTS: u32 = 5;

/// The longest wait after another instance was faster.
const COLLISION: Duration = Duration::from_millis(10);

/// Runs a reaction on its memory. If the answer to a save is lost, the record that is loaded next shows
/// whether it was saved.
pub(super) async fn react(
    turn: &Turn,
    context: &Context,
    (memories, key): (&MemoryRecords, MemoryKey),
) -> Result<Reaction, ReactionError> {
    let (river, packet) = (turn.river.name(), &turn.packet.packet);
    let failed = |error| ReactionError::of_store(error, &context.connection, &context.notices);
    let reaching = || Retry::new(&context.connection, "reach a memory").at_most(ATTEMPTS);
    let mut retry = reaching();
    let mut took = Duration::ZERO;
    loop {
        let begun = Instant::now();
        let (record, loaded) = match memories.load_for(&key, (river, packet)).await {
            Ok(loaded) => loaded,
            Err(error) => {
                retry.again_if_passing(error).await.map_err(failed)?;
                continue;
            }
        };
        let reaction = context.react(turn, record).await?;
        let saved = memories.save(&key, &reaction.record, &loaded).await;
        took += begun.elapsed();
        match saved {
            Ok(true) => {
                let step = || Step { key, river: river.to_owned(), packet: packet.id().to_owned() };
                let remembered = (!reaction.outgoing.is_empty()).then(step);
                return Ok(Reaction { remembered, took, ..reaction });
            }
            // Another instance was faster.
            Ok(false) => {
                retry = reaching();
                sleep(COLLISION.mul_f64(fastrand::f64())).await;
            }
            Err(error) => retry.again_if_passing(error).await.map_err(failed)?,
        }
    }
}
