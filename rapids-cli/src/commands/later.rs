//! `rapids later`: what is to be published later.

mod cancel;
mod every;
mod list;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};
use rapids_client::{Packet, TimerId, WaitingTimer};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::{Answer, Fault};
use crate::session::Session;

/// Look at the packets that are to be published later, and cancel them
///
/// A reaction sets a timer with a name and a key, a publisher with `rapids publish --in` or `--at`, and
/// `rapids later every` something that comes again and again. The server keeps them in the stream `LATER`,
/// and publishes each when it is due, whoever is there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids later list --service order
  rapids later show order.payment_due:o-1
  rapids later cancel order.payment_due:o-1
  rapids later every '@every 1h' --name report '{\"command\":\"make_report\"}'
  rapids later every '0 30 14 * * *' --name closing --time-zone Europe/Berlin '{\"event\":\"day_closed\"}'")]
pub(crate) struct Later {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Cancel(cancel::Cancel),
    Every(every::Every),
}

impl Later {
    pub(crate) fn changes(&self) -> bool {
        match self.command {
            Command::List(_) | Command::Show(_) => false,
            Command::Cancel(_) | Command::Every(_) => true,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let interrupt = &session.interrupt;
        match self.command {
            Command::List(list) => interrupt.unless(list.run(session)).await,
            Command::Show(show) => interrupt.unless(show.run(session)).await,
            Command::Cancel(cancel) => cancel.run(session).await,
            Command::Every(every) => every.run(session).await,
        }
    }
}

/// The error for a timer that does not wait.
fn unknown(id: &TimerId) -> anyhow::Error {
    let words = format!("no timer `{id}` waits: it has fired, was cancelled, or was never set");
    Fault::NotFound(words).into()
}

/// A timer as JSON.
#[derive(Serialize)]
struct TimerJson<'a> {
    id: &'a TimerId,
    due: Option<String>,
    schedule: &'a str,
    time_zone: Option<&'a str>,
    set: String,
    packet: Option<Box<RawValue>>,
}

impl<'a> TimerJson<'a> {
    fn of(timer: &'a WaitingTimer) -> Self {
        let text = String::from_utf8_lossy(&timer.body).into_owned();
        Self {
            id: &timer.id,
            due: timer.due.map(|due| due.to_string()),
            schedule: &timer.schedule,
            time_zone: timer.time_zone.as_deref(),
            set: timer.set.to_string(),
            packet: RawValue::from_string(text).ok(),
        }
    }
}

/// The names of what a timer brings; `-` if it is no packet.
fn names(timer: &WaitingTimer) -> String {
    let Ok(packet) = Packet::from_bytes(timer.body.clone()) else { return "-".to_owned() };
    let needs = packet.need_names();
    let name = packet.event_name().or_else(|| packet.command_name());
    name.or_else(|| (!needs.is_empty()).then(|| needs.join(","))).unwrap_or_else(|| "-".to_owned())
}
