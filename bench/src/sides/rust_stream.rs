//! RustStream as its own examples show it: a durable pull consumer, many workers in no order, and
//! publishes that the stream acknowledges.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, bail};
use ruststream_nats::context::keys::StreamSequence;
use ruststream_nats::prelude::*;
use serde::{Deserialize, Serialize};

use super::CHECKED;
use super::tuned::{ANSWER, note};
use crate::goal::{self, Goal};
use crate::packets::WANTED;
use crate::task::{Measured, Task, Work};

/// The name of its durable consumer: the attribute of a handler takes no value of a measurement.
pub(crate) const NAME: &str = "bench";

/// What the handler reads of each packet, those of its own included.
#[derive(Debug, Deserialize)]
struct Heard {
    event: String,
    order_id: String,
    total: u64,
}

/// What it publishes: of the same length as what the other sides publish.
#[derive(Debug, Serialize, Outgoing)]
#[outgoing(name = "rapids")]
struct Checked {
    event: &'static str,
    id: String,
    order_id: String,
    total: u64,
    note: &'static str,
}

#[derive(OutSlot)]
#[publishes(Checked)]
struct Answers;

#[derive(Debug, FromRef)]
struct Shared {
    goal: Arc<Goal>,
    note: &'static str,
}

pub(crate) async fn run(task: &Task) -> Result<Measured> {
    let Work::React { count } = task.work else { bail!("the side of RustStream only reacts") };
    let last = 2 * count;
    let goal = Arc::new(Goal::new(task, last));
    let shared = Shared { goal: goal.clone(), note: note(ANSWER)?.leak() };
    let app = RustStream::new(AppInfo::new(NAME, "0.1.0"))
        .on_startup(async move |()| Ok::<_, Infallible>(shared))
        .with_broker(NatsBroker::new(task.url.as_str()), |broker| {
            broker.include(check).out(Answers, JetStreamPublish::default()).build();
        });
    let running = app.start().await?;
    let meter = tokio::select! {
        meter = goal.reached() => meter,
        () = running.stopping() => bail!("the service ended by itself"),
    };
    let measured = goal::end(task, meter, last).await?;
    running.shutdown().await?;
    Ok(measured)
}

/// Publishes one packet for each that it wants. It also reads its own packets, and skips them.
#[subscriber(
    JetStreamSubject::new("rapids", "RAPIDS").durable(NAME).max_ack_pending(50_000),
    workers(256)
)]
async fn check(
    heard: &Heard,
    Ctx(sequence): Ctx<StreamSequence>,
    State(goal): State<Arc<Goal>>,
    State(note): State<&'static str>,
    Out(answers): Out<impl Publisher<Options = JetStreamOptions>, Answers>,
) -> HandlerOutcome {
    goal.handled();
    if heard.event != WANTED {
        return HandlerOutcome::ack();
    }
    let id = format!("checked-{}", sequence.unwrap_or_default());
    let checked = Checked {
        event: CHECKED,
        id: id.clone(),
        order_id: heard.order_id.clone(),
        total: heard.total,
        note,
    };
    match answers.message(&checked).message_id(id).publish().await {
        Ok(()) => HandlerOutcome::ack(),
        Err(_) => HandlerOutcome::retry(),
    }
}
