//! Goes through what is stored when a service starts: tries whether the values can be read as the types that
//! the rivers have today, the first ones before it reads packets, the rest while it runs; and finds records
//! that have ended, whose instance did not live to see them go.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use crate::delivery::context::Context;
use crate::error::with_causes;
use crate::jetstream::bucket::Written;
use crate::memory::{Encoded, KeptAs, MemoryKey, Record};
use crate::names::memory_bucket;
use crate::river::Read;
use crate::service::SharedMemory;
use crate::stored;
use crate::{Error, Result};

/// How many values of each memory are tried before the service reads packets.
const AT_START: usize = 100;
/// How many values are read at once.
const PORTION: usize = 20;
/// How many keys are told of, each with a line of its own.
const TOLD: usize = 10;

/// What has been tried.
#[derive(Default)]
pub(crate) struct Trial {
    /// By the position of the memory: everything that was written before this revision.
    tried: RefCell<Vec<u64>>,
    unreadable: Cell<usize>,
    first: RefCell<Option<String>>,
    /// Whether something was not tried, or cannot be read, so that it is to be tried again.
    is_open: Cell<bool>,
}

impl Trial {
    /// Tries the first values of each memory.
    pub(crate) async fn begin(&self, context: &Context) {
        self.go_on(context, AT_START).await;
    }

    /// Tries the rest, or all anew if something was left open, and returns what to announce of values that
    /// cannot be read.
    pub(crate) async fn finish(&self, context: &Context) -> Option<String> {
        // Here and nowhere else: who goes through the values counts on how far that is.
        if self.is_open.take() {
            self.tried.borrow_mut().clear();
            self.unreadable.set(0);
            self.first.take();
        }
        self.go_on(context, usize::MAX).await;
        let first = self.first.borrow().clone()?;
        self.is_open.set(true);
        let (count, bucket) = (self.unreadable.get(), memory_bucket(context.service.name()));
        Some(format!("{count} values in {bucket} cannot be read, such as that of {first}"))
    }

    /// Whether there is a reason to [`finish`](Self::finish) it again.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    async fn go_on(&self, context: &Context, most: usize) {
        let memories = context.service.memories();
        self.tried.borrow_mut().resize(memories.len(), 0);
        for (position, memory) in memories.iter().enumerate() {
            let Err(error) = self.try_memory(context, (position, memory), most).await else {
                continue;
            };
            let name = memory.name();
            let fault = with_causes(&error);
            if !matches!(error, Error::NotPermitted { .. }) {
                self.is_open.set(true);
                debug!("the values of the memory `{name}` are tried later: {fault}");
            } else if context.notices.is_new(&fault) {
                warn!(
                    "whether the values of the memory `{name}` can be read is not known: {fault}"
                );
            }
        }
    }

    async fn try_memory(
        &self,
        context: &Context,
        (position, memory): (usize, &SharedMemory<'_>),
        most: usize,
    ) -> Result<()> {
        let Some(memories) = &context.memories else { return Ok(()) };
        let mut count = 0;
        while count < most {
            let mut portion = Vec::new();
            while portion.len() < PORTION {
                let from = self.tried.borrow()[position];
                let Some(written) = memories.store.next_written(memory.name(), from).await? else {
                    break;
                };
                self.tried.borrow_mut()[position] = written.revision + 1;
                if let Some(record) = record(&written, memories.store.epoch()) {
                    let key = MemoryKey::stored(&written.key);
                    if record.kept_as() == KeptAs::Ended {
                        memories.note_end(&key, &record);
                    }
                    portion.push((key, record));
                }
            }
            count += PORTION;
            let is_last = portion.len() < PORTION;
            self.try_records(context, memory, portion).await;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Tries to read the values of these records, on a thread for what may block: their types are the user's.
    async fn try_records(
        &self,
        context: &Context,
        memory: &SharedMemory<'_>,
        records: Vec<(MemoryKey, Record)>,
    ) {
        let read = memory.reader();
        let reading = spawn_blocking(move || {
            let fault = |(key, record): (MemoryKey, Record)| Some((key, fault(&*read, &record)?));
            records.into_iter().filter_map(fault).collect::<Vec<_>>()
        });
        for (key, (fault, is_newer)) in reading.await.unwrap_or_default() {
            self.unreadable.set(self.unreadable.get() + 1);
            self.first.borrow_mut().get_or_insert_with(|| format!("`{key}`: {fault}"));
            if self.unreadable.get() <= TOLD {
                tell(context, key.as_ref(), (&fault, is_newer));
            }
        }
    }
}

/// Tells once of a value that cannot be read.
pub(super) fn tell(context: &Context, key: &str, (fault, is_newer): (&str, bool)) {
    let bucket = memory_bucket(context.service.name());
    if !context.notices.is_new(&format!("value of {key}")) {
        return;
    }
    if is_newer {
        return warn!(key, "the packets of the memory `{key}` in `{bucket}` wait: {fault}");
    }
    warn!(
        key,
        "the packets of the memory `{key}` in `{bucket}` wait for up to an hour, and become dead letters \
         then: {fault}. Start a program that knows the type (`.migrate_from`), mend the value, or let go of \
         it with `rapids memory forget`"
    );
}

/// The record of this epoch that was written. Others tell of what is none, and of one that is newer, when its
/// packets come.
fn record(written: &Written, epoch: u64) -> Option<Record> {
    let record = stored::read::<Record>("", &written.key, &written.value).ok()?;
    (record.epoch() == epoch).then_some(record)
}

/// Why the value of a record cannot be read, and whether a newer program may have written it.
fn fault(read: &Read, record: &Record) -> Option<(String, bool)> {
    let Some(Encoded::Value(value)) = record.memory() else { return None };
    match catch_unwind(AssertUnwindSafe(|| read(&value))) {
        Ok(read) => read.err().map(|wrong| (with_causes(&wrong), wrong.is_newer())),
        Err(_) => Some(("reading it panicked".to_owned(), false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_it_is_open_is_asked_while_it_goes_on_and_changes_nothing() {
        let trial = Trial::default();
        trial.tried.borrow_mut().push(7);
        trial.is_open.set(true);
        assert!(trial.is_open() && trial.is_open());
        assert_eq!(*trial.tried.borrow(), [7]);
    }
}
