//! `rapids later cancel`: cancels timers.

use anyhow::Result;
use clap::Args;
use rapids_client::{Operation, TimerId};

use super::unknown;
use crate::author::Reason;
use crate::exit::Answer;
use crate::session::Session;

/// Cancel timers
///
/// What a timer brings may be on its way already. The first one that does not wait ends the command.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The timers, such as `order.payment_due:o-1`
    #[arg(value_name = "ID", required = true)]
    ids: Vec<TimerId>,

    #[command(flatten)]
    reason: Reason,
}

impl Cancel {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        for id in &self.ids {
            if !Box::pin(rapids.cancel_timer(id)).await? {
                return Err(unknown(id));
            }
            let operation = Operation::new("cancel_timer", id.to_string(), &self.reason.note());
            session.record(&rapids, operation).await;
            session.screen.line(format_args!("cancelled {id}"))?;
        }
        Ok(Answer::Yes)
    }
}
