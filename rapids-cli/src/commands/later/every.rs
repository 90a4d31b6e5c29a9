//! `rapids later every`: publishes something again and again.

use anyhow::Result;
use clap::Args;
use rapids_client::Operation;

use crate::author::Reason;
use crate::exit::Answer;
use crate::packet_argument::PacketArgument;
use crate::session::Session;

/// Publish a packet again and again, until that is cancelled
///
/// Each time it is a new packet, with an id and a conversation of its own. One of the same name is replaced.
#[derive(Debug, Args)]
#[command(after_help = "\
Output: the id of the timer, which `rapids later cancel` takes.")]
pub(crate) struct Every {
    /// `@every` and a duration of at least a second, such as `@every 1h`; or the six fields of cron,
    /// seconds first, such as `0 30 14 * * *`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`
    #[arg(value_name = "SCHEDULE")]
    schedule: String,

    /// What it is called, of a-z, 0-9, `_` and `-`
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The time zone that the fields of cron are meant in, such as `Europe/Berlin`; UTC without it
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,

    #[command(flatten)]
    packet: PacketArgument,

    #[command(flatten)]
    reason: Reason,
}

impl Every {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let mut opened = Some(rapids.clone());
        let packet = session.interrupt.unless(self.packet.read(session, &mut opened)).await?;
        let (name, schedule) = (self.name.as_str(), self.schedule.as_str());
        let zone = self.time_zone.as_deref();
        let id = Box::pin(rapids.publish_every(name, schedule, zone, packet)).await?;
        let operation = Operation::new("set_timer", id.to_string(), &self.reason.note());
        session.record(&rapids, operation.outcome(schedule)).await;
        session.screen.line(id)?;
        Ok(Answer::Yes)
    }
}
