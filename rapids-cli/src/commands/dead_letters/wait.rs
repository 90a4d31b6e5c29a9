//! `--wait`: waits for the outcome of replays.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Action, DeadLetters, LetterId, StoredLetter};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::exit::Answer;
use crate::line::Line;
use crate::screen::Format;
use crate::session::Session;
use crate::times::{duration, shown};

const POLL: Duration = Duration::from_millis(100);

/// The option `--wait`.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// Wait until the river has handled the packet or failed again, and print which; for 30s, or for
    /// the time given (`--wait=2m`)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
          default_missing_value = "30s", value_parser = duration)]
    wait: Option<Duration>,
}

/// A letter whose packet was sent again to one river.
#[derive(Debug)]
pub(super) struct SentReplay {
    pub(super) id: LetterId,
    pub(super) action: Action,
}

/// The outcome of a replay.
enum Outcome {
    Handled,
    FailedAgain(Box<StoredLetter>),
    /// Neither handled nor failed within the time.
    Open,
}

/// An outcome as JSON.
#[derive(Serialize)]
struct OutcomeJson<'a> {
    id: String,
    replay: Option<u64>,
    outcome: &'static str,
    again: Option<String>,
    kind: Option<&'a str>,
    reason: Option<&'a str>,
}

impl Wait {
    /// Waits for each replay, if the option is given, and prints its outcome. The answer is no if a
    /// replay failed again or is still open.
    ///
    /// # Errors
    /// The errors of the library; if the output cannot be written.
    pub(super) async fn report(
        &self,
        session: &Session,
        letters: &DeadLetters,
        sent: &[SentReplay],
        format: Format,
    ) -> Result<Answer> {
        let Some(wait) = self.wait else {
            return Ok(Answer::Yes);
        };
        let deadline = Instant::now() + wait;
        let mut all_handled = true;
        for sent in sent {
            let waiting = outcome(letters, sent, deadline);
            let outcome = session.interrupt.unless(waiting).await?;
            all_handled &= matches!(outcome, Outcome::Handled);
            match format {
                Format::Line => session.screen.line(line(session, sent, &outcome, wait))?,
                Format::Json => session.screen.json(&json(sent, &outcome)?)?,
            }
        }
        Ok(Answer::from(all_handled))
    }
}

async fn outcome(letters: &DeadLetters, sent: &SentReplay, deadline: Instant) -> Result<Outcome> {
    loop {
        // A letter is stored before its replay counts as done, so this order misses none.
        let is_done = letters.is_done(&sent.id, &sent.action).await?;
        let again = letters.get(&sent.id).await?.and_then(|stored| stored.again);
        if let Some(again) = again
            && let Some(stored) = letters.get(&again).await?
        {
            return Ok(Outcome::FailedAgain(Box::new(stored)));
        }
        if is_done {
            return Ok(Outcome::Handled);
        }
        if Instant::now() >= deadline {
            return Ok(Outcome::Open);
        }
        sleep(POLL).await;
    }
}

fn line(session: &Session, sent: &SentReplay, outcome: &Outcome, wait: Duration) -> Line {
    let palette = session.screen.data;
    let line = Line::new().text(&sent.id).text(" ");
    match outcome {
        Outcome::Handled => line.styled(palette.good, "handled"),
        Outcome::FailedAgain(stored) => {
            let letter = &stored.letter;
            let words = format_args!(" as {}, {}: {}", letter.id, letter.kind, letter.reason);
            line.styled(palette.bad, "failed again").text(words)
        }
        Outcome::Open => line.styled(palette.warning, "not handled yet").text(format_args!(
            " after {}: `rapids services` shows whether `{}` is running",
            shown(wait),
            sent.id.sent_to(&sent.action).service()
        )),
    }
}

fn json(sent: &SentReplay, outcome: &Outcome) -> Result<String> {
    let (word, stored) = match outcome {
        Outcome::Handled => ("handled", None),
        Outcome::FailedAgain(stored) => ("failed_again", Some(&stored.letter)),
        Outcome::Open => ("open", None),
    };
    Ok(serde_json::to_string(&OutcomeJson {
        id: sent.id.to_string(),
        replay: sent.action.replay,
        outcome: word,
        again: stored.map(|letter| letter.id.to_string()),
        kind: stored.map(|letter| letter.kind.as_str()),
        reason: stored.map(|letter| letter.reason.as_str()),
    })?)
}
