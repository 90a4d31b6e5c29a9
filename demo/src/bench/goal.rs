//! When a measurement begins and when it is over, the same for all sides.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;

use super::arena::STREAM;
use super::errand::{Errand, FIRST, LAST, Measured};
use super::meter::{self, Meter};

/// Between two looks at how far the acknowledgements are.
const LOOK: Duration = Duration::from_millis(1);

/// Begins to measure a reader: it has its first packet.
pub(crate) fn begin(errand: &Errand) -> Meter {
    // Whoever asked is gone, and ends this process too.
    let _ = writeln!(io::stdout(), "{FIRST}");
    Meter::begin(errand.server)
}

/// Ends the measurement of a reader that has seen its last packet, once the server knows that
/// everything up to this sequence is acknowledged, where it is told.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn end(errand: &Errand, meter: &Meter, last: u64) -> Result<Measured> {
    // Before the connection that only looks.
    let resident_mebibytes = meter::resident_mebibytes(std::process::id());
    if errand.side.acknowledges() {
        acknowledged(errand, last).await.context("cannot look at the acknowledgements")?;
    }
    let measured = Measured { resident_mebibytes, ..measured(meter) };
    // As above.
    let _ = writeln!(io::stdout(), "{LAST}");
    Ok(measured)
}

/// What the meter shows now.
pub(crate) fn measured(meter: &Meter) -> Measured {
    let spent = meter.read();
    Measured {
        seconds: spent.seconds,
        client_cpu_seconds: spent.own_cpu,
        server_cpu_seconds: spent.server_cpu,
        ..Measured::default()
    }
}

async fn acknowledged(errand: &Errand, last: u64) -> Result<()> {
    let client = async_nats::connect(&errand.url).await?;
    let stream = jetstream::new(client).get_stream_no_info(STREAM).await?;
    let consumer: PullConsumer =
        stream.get_consumer(&errand.service).await.map_err(anyhow::Error::from_boxed)?;
    while consumer.get_info().await?.ack_floor.stream_sequence < last {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
