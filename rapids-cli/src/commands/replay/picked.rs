//! Picks the packets to send: those of a range that meet an expression and that the river takes.

use std::collections::HashSet;

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, Packet, Rapids, Replays, River, Start, Timestamp, Verdict};
use rapids_views::since;

use crate::filter::Filter;
use crate::session::Session;

/// The options that say which packets are meant; without any, all that the stream holds.
#[derive(Debug, Args)]
pub(super) struct Range {
    /// Only packets that match this RFC 9535 filter expression, with the packet as `@`
    #[arg(long = "where", value_name = "EXPRESSION", value_parser = Expression::read)]
    filter: Option<Expression>,

    /// Begin with the first packet stored since this time (`2026-11-21 09:30`, in UTC unless it says
    /// otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = Moment::read, conflicts_with = "sequence")]
    since: Option<Moment>,

    /// Begin with the packet with this sequence
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,

    /// End before the first packet stored at this time or later, given as for --since
    #[arg(long, value_name = "TIME", value_parser = Moment::read)]
    until: Option<Moment>,

    /// At most this many packets, the oldest first
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// An expression, as it was given.
#[derive(Debug, Clone)]
struct Expression {
    text: String,
    filter: Filter,
}

impl Expression {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), filter: text.parse()? })
    }
}

/// A time, as it was given.
#[derive(Debug, Clone)]
struct Moment {
    text: String,
    time: Timestamp,
}

impl Moment {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.to_owned(), time: since(text, Timestamp::now())? })
    }
}

impl Range {
    /// The name of a run that has no other: as the options were given, so that the same command goes on
    /// with it.
    pub(super) fn name(&self) -> String {
        let Self { filter, since, sequence, until, limit } = self;
        let named = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {value}"));
        let number = |name: &str, number: Option<String>| named(name, number.as_deref());
        let parts = [
            named("since", since.as_ref().map(|it| it.text.as_str())),
            number("sequence", sequence.map(|it| it.to_string())),
            named("until", until.as_ref().map(|it| it.text.as_str())),
            number("limit", limit.map(|it| it.to_string())),
            named("where", filter.as_ref().map(|it| it.text.as_str())),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "all".to_owned() } else { parts.join(", ") }
    }

    pub(super) fn has_expression(&self) -> bool {
        self.filter.is_some()
    }

    fn start(&self) -> Start {
        match (&self.since, self.sequence) {
            (Some(since), _) => Start::Time(since.time),
            (None, Some(sequence)) => Start::Sequence(sequence),
            (None, None) => Start::Beginning,
        }
    }

    fn is_over(&self, stored: Timestamp) -> bool {
        self.until.as_ref().is_some_and(|until| stored >= until.time)
    }

    /// Whether a packet meets the expression. One on which that is too costly to tell does not.
    async fn takes(&self, session: &Session, packet: &Packet) -> bool {
        let Some(Expression { filter, .. }) = &self.filter else { return true };
        filter.takes(packet).await.unwrap_or_else(|error| {
            session.screen.warning(format_args!("{error:#}"));
            false
        })
    }
}

/// What to pick from.
pub(super) struct Picking<'a> {
    pub(super) rapids: &'a Rapids,
    /// The river, in each version that runs; none if its rules are not known.
    pub(super) rivers: &'a [River],
    pub(super) range: &'a Range,
    /// Up to here the service is done with everything.
    pub(super) done: u64,
    /// The ids of packets that lie in dead letters of the river.
    pub(super) failed: HashSet<String>,
}

/// The packets that were picked, and how many of the range were left out.
#[derive(Debug, Default)]
pub(super) struct Picked {
    pub(super) sequences: Vec<u64>,
    /// The first and the last one, with the time when each was stored.
    pub(super) ends: Option<[(u64, Timestamp); 2]>,
    /// Those that the run has sent already.
    pub(super) sent_before: usize,
    /// Those that meet the river's conditions, but cannot be handled.
    pub(super) refused: usize,
    /// Those that lie in dead letters.
    pub(super) in_letters: usize,
    /// Those that the service has still to handle.
    pub(super) unread: usize,
}

impl Picked {
    /// # Errors
    /// The errors of [`Rapids::tail`].
    pub(super) async fn of(
        session: &Session,
        picking: Picking<'_>,
        replays: &Replays,
    ) -> Result<Self> {
        let Picking { rapids, rivers, range, done, failed } = picking;
        let mut tail = rapids.tail(range.start()).await?;
        let mut picked = Self::default();
        let is_enough = |picked: &Self| {
            let count = picked.sequences.len() + picked.sent_before;
            range.limit.is_some_and(|limit| count >= limit)
        };
        while !is_enough(&picked) {
            let packet = match Box::pin(tail.next_stored()).await {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // No river takes what is no packet.
                Err(Error::Malformed { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(arrival) = packet.arrival() else { continue };
            let (sequence, stored) = (arrival.sequence, arrival.stored);
            if range.is_over(stored) {
                break;
            }
            let verdict = judge(rivers, &packet).await?;
            if verdict == Verdict::NotForMe || !range.takes(session, &packet).await {
                continue;
            }
            if verdict != Verdict::Matches {
                picked.refused += 1;
            } else if failed.contains(packet.id()) {
                picked.in_letters += 1;
            } else if sequence > done {
                picked.unread += 1;
            } else if replays.has_sent(&packet) {
                picked.sent_before += 1;
            } else {
                picked.add(sequence, stored);
            }
        }
        Ok(picked)
    }

    fn add(&mut self, sequence: u64, stored: Timestamp) {
        self.sequences.push(sequence);
        let first = self.ends.map_or((sequence, stored), |[first, _]| first);
        self.ends = Some([first, (sequence, stored)]);
    }
}

/// How a river judges a packet: the first verdict that is no match, if its versions differ. One whose rules
/// are not known may take all. Runs on another thread, so that an interrupt is handled meanwhile.
async fn judge(rivers: &[River], packet: &Packet) -> Result<Verdict> {
    let (rivers, packet) = (rivers.to_vec(), packet.clone());
    let judging = tokio::task::spawn_blocking(move || {
        let mut verdicts = rivers.iter().map(|river| river.judge(&packet));
        verdicts.find(|verdict| *verdict != Verdict::Matches).unwrap_or(Verdict::Matches)
    });
    Ok(judging.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_as_its_options_were_given() {
        let range = Range { filter: None, since: None, sequence: None, until: None, limit: None };
        assert_eq!(range.name(), "all");
        let since = Some(Moment::read("2d").unwrap());
        let filter = Some(Expression::read("@.total > 1000").unwrap());
        let range = Range { filter, since, limit: Some(5), ..range };
        assert_eq!(range.name(), "since 2d, limit 5, where @.total > 1000");
    }
}
