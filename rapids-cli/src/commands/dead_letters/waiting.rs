//! `--wait`: what a river made of what was sent to it again.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{DeadLetters, LetterId, StoredLetter};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::ending::Ending;
use crate::line::Line;
use crate::screen::Format;
use crate::session::Session;
use crate::times::{duration, shown};

/// Between two looks at the same replay.
const LOOK: Duration = Duration::from_millis(100);

/// How long to wait.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Wait until the river has handled it or failed again, up to this long (`--wait=2m`; 30s unless
    /// given), and tell which
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
          default_missing_value = "30s", value_parser = duration)]
    wait: Option<Duration>,
}

/// A letter whose packet was sent again, and the sequence of that replay.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: LetterId,
    pub(super) replay: u64,
}

/// What came of it.
enum Outcome {
    Handled,
    FailedAgain(Box<StoredLetter>),
    /// Neither within the time.
    Open,
}

/// The same as JSON.
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    replay: u64,
    outcome: &'static str,
    again: Option<String>,
    kind: Option<&'a str>,
    reason: Option<&'a str>,
}

impl Waiting {
    /// Waits for what was sent, if that is wanted, and tells of each; says no if anything failed again
    /// or is still open.
    ///
    /// # Errors
    /// Those of the library; what the output says.
    pub(super) async fn tell(
        &self,
        session: &Session,
        letters: &DeadLetters,
        sent: &[Sent],
        format: Format,
    ) -> Result<Ending> {
        let Some(wait) = self.wait else {
            return Ok(Ending::Yes);
        };
        let deadline = Instant::now() + wait;
        let mut is_well = true;
        for sent in sent {
            let waiting = outcome(letters, sent, deadline);
            let outcome = session.interrupt.unless(waiting).await?;
            is_well &= matches!(outcome, Outcome::Handled);
            match format {
                Format::Line => session.screen.line(line(session, sent, &outcome, wait))?,
                Format::Json => session.screen.json(&json(sent, &outcome)?)?,
            }
        }
        Ok(Ending::from(is_well))
    }
}

async fn outcome(letters: &DeadLetters, sent: &Sent, deadline: Instant) -> Result<Outcome> {
    loop {
        // A letter is stored before its replay counts as done, so this order misses none.
        let is_done = letters.is_done(&sent.id, sent.replay).await?;
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
        sleep(LOOK).await;
    }
}

fn line(session: &Session, sent: &Sent, outcome: &Outcome, wait: Duration) -> Line {
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
            " after {}: `rapids services` tells whether `{}` is up",
            shown(wait),
            sent.id.service()
        )),
    }
}

fn json(sent: &Sent, outcome: &Outcome) -> Result<String> {
    let (word, stored) = match outcome {
        Outcome::Handled => ("handled", None),
        Outcome::FailedAgain(stored) => ("failed_again", Some(&stored.letter)),
        Outcome::Open => ("open", None),
    };
    Ok(serde_json::to_string(&Told {
        id: sent.id.to_string(),
        replay: sent.replay,
        outcome: word,
        again: stored.map(|letter| letter.id.to_string()),
        kind: stored.map(|letter| letter.kind.as_str()),
        reason: stored.map(|letter| letter.reason.as_str()),
    })?)
}
