//! Who would react to a packet, by what the services announce; and asking whether to go on.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{DeadLetters, LetterId, River, Verdict};

use super::bulk::counted;
use crate::ending::Fault;
use crate::session::Session;

/// How long to wait for the answers of services.
pub(super) const WAIT: Duration = Duration::from_millis(500);

/// Says which rivers would take the packets of these letters, and which would refuse them.
///
/// # Errors
/// Those of the library.
pub(super) async fn tell(session: &Session, letters: &DeadLetters, ids: &[LetterId]) -> Result<()> {
    let up = session.services(&session.rapids().await?, WAIT).await?;
    let mut rivers: BTreeMap<String, River> = BTreeMap::new();
    for service in &up {
        for rules in &service.rules {
            let name = format!("{}.{}", service.name, rules.name);
            rivers.entry(name).or_insert_with(|| River::from_rules(rules.clone()));
        }
    }
    let mut takes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for id in ids {
        // What cannot be read is told when it is to be sent.
        let Some(packet) = letters.get(id).await?.and_then(|stored| stored.packet().ok()) else {
            continue;
        };
        for (name, river) in &rivers {
            let verdict = match river.judge(&packet) {
                Verdict::Matches => "would take",
                Verdict::Invalid(_) | Verdict::TooCostly(_) => "would refuse",
                Verdict::NotForMe | Verdict::Looped => continue,
            };
            *takes.entry((name, verdict)).or_default() += 1;
        }
    }
    let screen = &session.screen;
    if takes.is_empty() {
        screen.note("of the services that are up, none would react");
    }
    for ((river, verdict), count) in takes {
        screen.note(format_args!("{river} {verdict} {}", counted(count)));
    }
    Ok(())
}

/// Asks on the terminal.
///
/// # Errors
/// [`Fault::Usage`] if there is nobody to ask.
pub(super) async fn ask(session: &Session, question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        let words = "there is no terminal to ask on: give `--yes` if it is to be done";
        return Err(Fault::Usage(words.to_owned()).into());
    }
    session.screen.ask(format_args!("{question} [y/N] "));
    let answering = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answering.await?.context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
