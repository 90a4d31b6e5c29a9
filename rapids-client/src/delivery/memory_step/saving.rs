//! Saves the record of a key with the steps that have run, as many as there are: the first turn that
//! finds nobody saving does it for all, and those that come meanwhile wait for the next save.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::folding::Folding;
use super::kept_record::Save;
use super::records::Room;
use super::step::Step;
use super::{COLLISION, reaching};
use crate::Result;
use crate::delivery::executor::{JobOutput, Work};
use crate::delivery::reaction::{LATER, Reaction, ReactionError};

/// What to do about the steps that wait.
enum Next {
    Nothing,
    /// This JSON of a record, which contains these outputs no more.
    Save(Vec<u8>, Vec<(String, String)>, Save),
    /// What earlier steps published is to leave the record first.
    AfterPublishing,
}

impl Folding<'_> {
    /// Waits until a step has ended, and saves the record meanwhile, unless another turn does.
    pub(super) async fn ended(&self, step: &Step) -> Result<Reaction, ReactionError> {
        loop {
            let _saving = self.kept.saving.lock().await;
            if let Some(end) = step.take_end() {
                return end;
            }
            self.save_waiting().await;
        }
    }

    /// Saves the record with what waits, unless it is saved already.
    pub(super) async fn save_all(&self) {
        let _saving = self.kept.saving.lock().await;
        self.save_waiting().await;
    }

    /// Saves the record with what waits. If the answer to a save is lost, the record that is loaded next
    /// shows whether it was saved.
    async fn save_waiting(&self) {
        let mut retry = reaching(self.context);
        let mut is_outdated = false;
        loop {
            if self.record().has_many_ids() {
                self.memories.read_floors().await;
            }
            let next = {
                let _value = self.kept.value.lock().await;
                if is_outdated {
                    self.record().outdated();
                }
                match self.next_save().await {
                    Ok(next) => next,
                    Err(error) => return self.give_up(error),
                }
            };
            is_outdated = true;
            match next {
                Next::Nothing => return,
                Next::AfterPublishing => {
                    is_outdated = false;
                    if timeout(LATER, self.memories.some_published()).await.is_err() {
                        let _value = self.kept.value.lock().await;
                        return self.give_up(ReactionError::Later(LATER));
                    }
                }
                Next::Save(json, settled, save) => {
                    let (key, kept) = (&self.key, &self.kept);
                    let metrics = &self.context.metrics;
                    match self.memories.save((key, kept), (json, &settled), &save).await {
                        Ok(Some(steps)) => {
                            metrics.memory_saves.increment();
                            return metrics.memory_steps.add(steps as u64);
                        }
                        // Another instance was faster.
                        Ok(None) => {
                            metrics.memory_conflicts.increment();
                            retry = reaching(self.context);
                            sleep(COLLISION.mul_f64(fastrand::f64())).await;
                        }
                        Err(error) => {
                            if let Err(error) = retry.again_if_passing(error).await {
                                let _value = self.kept.value.lock().await;
                                return self.give_up(self.failed(error));
                            }
                        }
                    }
                }
            }
        }
    }

    /// What to save next. Call it with the value locked.
    async fn next_save(&self) -> Result<Next, ReactionError> {
        loop {
            let is_fresh = self.make_current().await?;
            if self.record().waiting().is_empty() {
                return Ok(Next::Nothing);
            }
            if self.record().folds() == 0 {
                // What failed counts if the record is what they ran on.
                if is_fresh {
                    let failures = self.record().take_failures();
                    failures.iter().for_each(|step| step.written(&self.key));
                } else {
                    self.record().outdated();
                }
                continue;
            }
            if self.encode().await.is_err() {
                // Whichever step it is that cannot be written out: it will fail by itself.
                self.record().run_all_again();
                continue;
            }
            let mut record = self.record();
            let next = self.memories.next_record(&self.key, &record);
            match self.memories.room(&self.key, &record, &next) {
                Room::Enough => {
                    let save = record.begin_save(next.record);
                    return Ok(Next::Save(next.json, next.settled, save));
                }
                Room::Later if record.folds() == 1 => return Ok(Next::AfterPublishing),
                Room::Never(reason) if record.waiting().len() == 1 => {
                    if let Some(step) = record.take_back(None) {
                        step.ran_again(Err(ReactionError::NoRoom(reason)));
                        record.failed(step);
                    }
                }
                // As many of them as there is room for.
                Room::Later | Room::Never(_) => record.run_all_again(),
            }
        }
    }

    /// Writes the value out, unless that was done.
    async fn encode(&self) -> Result<(), ReactionError> {
        let (value, step) = {
            let mut record = self.record();
            if record.encoded().is_some() {
                return Ok(());
            }
            let step = record.waiting().iter().find(|step| !step.has_failed()).cloned();
            (record.take_value(), step)
        };
        let (Some(value), Some(step)) = (value, step) else {
            return Err(ReactionError::Later(Duration::ZERO));
        };
        let of = (&step.river, &step.packet);
        let (_, ran) = self.context.executor.run(step.turn, of, Work::Encode(value)).await;
        let JobOutput { value, encoded, .. } = ran?;
        self.record().set_encoded(value, encoded);
        Ok(())
    }

    /// Ends all steps that are not written. The first one tells why; the others find out when they run
    /// again. Call it with the value locked.
    fn give_up(&self, error: ReactionError) {
        let mut error = Some(error);
        let steps = self.record().give_up();
        for step in steps {
            step.end(Err(error.take().unwrap_or(ReactionError::Later(LATER))));
        }
    }
}
