//! Goes through what is stored when a service starts: tries whether the values can be read as the types that
//! the rivers have today, the first ones before it reads packets, the rest while it runs; and finds records
//! that have ended, whose instance did not live to see them go.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::yield_now;
use tracing::{debug, warn};

use crate::Result;
use crate::delivery::context::Context;
use crate::error::with_causes;
use crate::jetstream::bucket::Written;
use crate::memory::{Encoded, KeptAs, MemoryKey, Record};
use crate::names::memory_bucket;
use crate::service::SharedMemory;
use crate::stored;

/// How many values of each memory are tried before the service reads packets.
const AT_START: usize = 100;
/// After how many values others get their turn.
const SLICE: usize = 16;
/// How many keys are told of, each with a line of its own.
const TOLD: usize = 10;

/// What has been tried.
#[derive(Default)]
pub(crate) struct Trial {
    /// By the position of the memory: everything that was written before this revision.
    tried: RefCell<Vec<u64>>,
    unreadable: Cell<usize>,
    first: RefCell<Option<String>>,
}

impl Trial {
    /// Tries the first values of each memory.
    pub(crate) async fn begin(&self, context: &Context) {
        self.go_on(context, AT_START).await;
    }

    /// Tries the rest, and returns what to announce of values that cannot be read.
    pub(crate) async fn finish(&self, context: &Context) -> Option<String> {
        self.go_on(context, usize::MAX).await;
        let first = self.first.borrow().clone()?;
        let (count, bucket) = (self.unreadable.get(), memory_bucket(context.service.name()));
        Some(format!("{count} values in {bucket} cannot be read, such as that of {first}"))
    }

    async fn go_on(&self, context: &Context, most: usize) {
        let memories = context.service.memories();
        self.tried.borrow_mut().resize(memories.len(), 0);
        for (position, memory) in memories.iter().enumerate() {
            if let Err(error) = self.try_memory(context, (position, memory), most).await {
                let name = memory.name();
                debug!("the values of the memory `{name}` are not tried: {}", with_causes(&error));
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
        for count in 0..most {
            if count % SLICE == 0 {
                yield_now().await;
            }
            let from = self.tried.borrow()[position];
            let Some(written) = memories.store.next_written(memory.name(), from).await? else {
                return Ok(());
            };
            self.tried.borrow_mut()[position] = written.revision + 1;
            let Some(record) = record(&written, memories.store.epoch()) else { continue };
            if record.kept_as() == KeptAs::Ended {
                memories.ended.borrow_mut().insert(MemoryKey::stored(&written.key));
            }
            if let Err(fault) = read(memory, &record) {
                self.unreadable.set(self.unreadable.get() + 1);
                let entry = || format!("`{}`: {fault}", written.key);
                self.first.borrow_mut().get_or_insert_with(entry);
                if self.unreadable.get() <= TOLD {
                    tell(context, &written.key, &fault);
                }
            }
        }
        Ok(())
    }
}

/// Tells once of a value that cannot be read.
pub(super) fn tell(context: &Context, key: &str, fault: &str) {
    let bucket = memory_bucket(context.service.name());
    if context.notices.is_new(&format!("value of {key}")) {
        warn!(
            key,
            "the packets of the memory `{key}` in `{bucket}` wait for up to an hour, and become dead \
             letters then: {fault}. Start a program that knows the type (`.migrate_from`), mend the value, \
             or let go of it with `rapids memory forget`"
        );
    }
}

/// The record of this epoch that was written. Others tell of what is none, and of one that is newer, when its
/// packets come.
fn record(written: &Written, epoch: u64) -> Option<Record> {
    let record = stored::read::<Record>("", &written.key, &written.value).ok()?;
    (record.epoch() == epoch).then_some(record)
}

/// Tries to read the value of a record.
fn read(memory: &SharedMemory<'_>, record: &Record) -> Result<(), String> {
    let Some(Encoded::Value(value)) = record.memory() else { return Ok(()) };
    // The types are the user's, and so is what reads them.
    match catch_unwind(AssertUnwindSafe(|| memory.read(&value))) {
        Ok(read) => read.map_err(|error| with_causes(&error)),
        Err(_) => Err("reading it panicked".to_owned()),
    }
}
