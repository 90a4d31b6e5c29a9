//! What would be sent, and what the river will make of it.

use std::time::Duration;

use anyhow::Result;
use rapids_client::{Repetition, RiverName, ServiceInfo, Timestamp};
use serde::Serialize;

use super::counted;
use super::picked::Picked;
use crate::announced;
use crate::screen::Format;
use crate::session::Session;
use crate::times::shown;

/// What would be sent.
pub(super) struct Plan {
    pub(super) river: RiverName,
    pub(super) run: String,
    pub(super) picked: Picked,
    /// Whether an instance has said what the river takes.
    pub(super) are_rules_known: bool,
    /// What the reaction makes of packets that it knows, as instances announce it; several if they
    /// differ.
    pub(super) repetitions: Vec<Option<Repetition>>,
    /// For how long the stream recognises what was published.
    pub(super) window: Duration,
}

/// What the reaction of a river makes of packets that it knows: `None` if no instance answers, and for one of
/// a version that says nothing about it.
pub(super) fn repetitions(river: &RiverName, up: &[ServiceInfo]) -> Vec<Option<Repetition>> {
    let mut found = Vec::new();
    for instance in announced::instances(river, up) {
        let repetition = instance.repetitions.get(river.river()).cloned();
        if !found.contains(&repetition) {
            found.push(repetition);
        }
    }
    if found.is_empty() { vec![None] } else { found }
}

/// A plan as JSON.
#[derive(Serialize)]
struct PlanJson<'a> {
    river: String,
    run: &'a str,
    count: usize,
    first: Option<PlaceJson>,
    last: Option<PlaceJson>,
    rules_known: bool,
    sent_before: usize,
    refused: usize,
    in_letters: usize,
    unread: usize,
    repetitions: Vec<&'static str>,
}

/// A packet of the stream as JSON.
#[derive(Serialize)]
struct PlaceJson {
    sequence: u64,
    stored: Timestamp,
}

impl Plan {
    /// Prints it as the output.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) fn print(&self, session: &Session, output: Format) -> Result<()> {
        match output {
            Format::Json => session.screen.json(&self.json()?),
            Format::Line => self.lines().into_iter().try_for_each(|line| session.screen.line(line)),
        }
    }

    /// Prints it as messages.
    pub(super) fn note(&self, session: &Session) {
        for line in self.lines() {
            session.screen.note(line);
        }
    }

    fn lines(&self) -> Vec<String> {
        let Self { river, run, picked, .. } = self;
        let count = picked.sequences.len();
        let mut lines = match picked.ends {
            None => vec![format!("there is no packet to replay to {river}")],
            Some([first, last]) => {
                let end = |name, (sequence, stored): (u64, Timestamp)| {
                    format!("  {name} {sequence}, stored {stored:.3}")
                };
                vec![
                    format!("{} to replay to {river}, in the run `{run}`", counted(count)),
                    end("first", first),
                    end("last ", last),
                ]
            }
        };
        if picked.sent_before > 0 {
            let words = "were sent before; another `--name` sends them once more";
            let line = format!("  {} of the run `{run}` {words}", counted(picked.sent_before));
            lines.push(line);
        }
        if picked.refused > 0 {
            let words = "left out, which the river would refuse: `rapids explain` says why";
            lines.push(format!("  {} {words}", counted(picked.refused)));
        }
        if picked.in_letters > 0 {
            let words =
                "left out, which wait in dead letters: `rapids dead-letters replay` sends them";
            lines.push(format!("  {} {words}", counted(picked.in_letters)));
        }
        if picked.unread > 0 {
            let words = format!("left out, which {} has still to handle", river.service());
            lines.push(format!("  {} {words}", counted(picked.unread)));
        }
        if !self.are_rules_known {
            lines.push(format!(
                "  no instance of {} answers, so the rules of the river are not known: what it does not \
                 take becomes a dead letter",
                river.service()
            ));
        }
        if count > 0 {
            lines.extend(self.repetitions.iter().flat_map(|it| self.consequences(it.as_ref())));
        }
        lines
    }

    /// What the river makes of the packets.
    fn consequences(&self, repetition: Option<&Repetition>) -> Vec<String> {
        let window = shown(self.window);
        let published = format!(
            "  what it published longer than {window} ago is stored once more, under the same ids; of \
             what is younger, the stream keeps the first"
        );
        match repetition {
            Some(Repetition::Runs) => {
                vec!["  the reaction runs on each once more".to_owned(), published]
            }
            Some(Repetition::Once) => vec![
                "  the reaction runs once per packet: where it has run, it does not run, and what it \
                 published is published again"
                    .to_owned(),
                published,
            ],
            Some(Repetition::Memory(name)) => vec![format!(
                "  a packet that has moved the memory `{name}` neither moves it again nor publishes \
                 anything; on others the reaction runs"
            )],
            _ => vec![
                "  no instance says what the reaction makes of packets that it knows: one of `.once()` does \
                 not run again, and a memory does not move again"
                    .to_owned(),
                published,
            ],
        }
    }

    fn json(&self) -> Result<String> {
        let Self { river, run, picked, repetitions, .. } = self;
        let place = |(sequence, stored)| PlaceJson { sequence, stored };
        let word = |repetition: &Option<Repetition>| match repetition {
            Some(Repetition::Runs) => "runs",
            Some(Repetition::Once) => "once",
            Some(Repetition::Memory(_)) => "memory",
            _ => "unknown",
        };
        Ok(serde_json::to_string(&PlanJson {
            river: river.to_string(),
            run,
            count: picked.sequences.len(),
            first: picked.ends.map(|[first, _]| place(first)),
            last: picked.ends.map(|[_, last]| place(last)),
            rules_known: self.are_rules_known,
            sent_before: picked.sent_before,
            refused: picked.refused,
            in_letters: picked.in_letters,
            unread: picked.unread,
            repetitions: repetitions.iter().map(word).collect(),
        })?)
    }
}
