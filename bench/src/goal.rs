//! When a measurement begins and ends: the same rule for all sides.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use tokio::sync::Notify;

use crate::bench_server::STREAM;
use crate::meter::{self, Meter};
use crate::task::{FIRST, LAST, Measured, Task};

const POLL: Duration = Duration::from_millis(1);

/// Counts the packets that were handled, by whatever thread, and knows when all are.
#[derive(Debug)]
pub(crate) struct Goal {
    task: Task,
    wanted: u64,
    handled: AtomicU64,
    meter: OnceLock<Meter>,
    is_reached: Notify,
}

impl Goal {
    pub(crate) fn new(task: &Task, wanted: u64) -> Self {
        Self {
            task: task.clone(),
            wanted,
            handled: AtomicU64::new(0),
            meter: OnceLock::new(),
            is_reached: Notify::new(),
        }
    }

    pub(crate) fn handled(&self) {
        self.meter.get_or_init(|| begin(&self.task));
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.is_reached.notify_one();
        }
    }

    /// Waits until all wanted packets are handled.
    pub(crate) async fn reached(&self) -> &Meter {
        self.is_reached.notified().await;
        self.meter.get_or_init(|| begin(&self.task))
    }
}

/// Begins the measurement of a reader that has its first packet.
pub(crate) fn begin(task: &Task) -> Meter {
    // Fails only if the bench has ended, which ends this process too.
    let _ = writeln!(io::stdout(), "{FIRST}");
    Meter::begin(task.server)
}

/// Ends the measurement of a reader that has its last packet. If the reader acknowledges, the
/// measurement goes on until the server has the acknowledgement of this sequence.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn end(task: &Task, meter: &Meter, last: u64) -> Result<Measured> {
    // Read it before `acknowledged` opens a connection of its own.
    let resident_mebibytes = meter::resident_mebibytes(std::process::id());
    if task.side.acknowledges() {
        acknowledged(task, last).await.context("cannot read the acknowledgements")?;
    }
    let measured = Measured { resident_mebibytes, ..measured(meter) };
    // As above.
    let _ = writeln!(io::stdout(), "{LAST}");
    Ok(measured)
}

/// The measurement so far.
pub(crate) fn measured(meter: &Meter) -> Measured {
    let spent = meter.read();
    Measured {
        seconds: spent.seconds,
        client_cpu_seconds: spent.own_cpu,
        server_cpu_seconds: spent.server_cpu,
        ..Measured::default()
    }
}

async fn acknowledged(task: &Task, last: u64) -> Result<()> {
    let client = async_nats::connect(&task.url).await?;
    let stream = jetstream::new(client).get_stream_no_info(STREAM).await?;
    let consumer: PullConsumer =
        stream.get_consumer(&task.service).await.map_err(anyhow::Error::from_boxed)?;
    while consumer.get_info().await?.ack_floor.stream_sequence < last {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
