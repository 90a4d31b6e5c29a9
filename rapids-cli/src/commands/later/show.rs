//! `rapids later show`: shows one timer.

use anyhow::Result;
use clap::Args;
use rapids_client::{TimerId, printable};
use rapids_views::indented;

use super::{TimerJson, unknown};
use crate::exit::Answer;
use crate::screen::Format;
use crate::session::Session;

/// Show one timer: when it is due, and what it brings
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The timer, such as `order.payment_due:o-1`
    #[arg(value_name = "ID")]
    id: TimerId,

    /// How to print it; `json` as in `list`
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Show {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let timer = rapids.timer(&self.id).await?.ok_or_else(|| unknown(&self.id))?;
        let screen = &session.screen;
        if self.output == Format::Json {
            screen.json(&serde_json::to_string(&TimerJson::of(&timer))?)?;
            return Ok(Answer::Yes);
        }
        screen.line(format_args!("timer  {}", timer.id))?;
        match timer.due {
            Some(due) => screen.line(format_args!("due    {due}"))?,
            None => {
                let zone = timer.time_zone.as_deref().unwrap_or("UTC");
                let schedule = printable(&timer.schedule);
                screen.line(format_args!("due    {schedule} ({})", printable(zone)))?;
            }
        }
        screen.line(format_args!("set    {}", timer.set))?;
        let body = indented(&String::from_utf8_lossy(&timer.body));
        for line in body.lines() {
            screen.line(printable(line))?;
        }
        Ok(Answer::Yes)
    }
}
