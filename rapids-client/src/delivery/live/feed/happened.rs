//! What follows from what an active instance reads, and from what the server says of the stream.

use std::time::Instant;

use tracing::{debug, warn};

use crate::delivery::live::catch_up::{CatchUp, Read};
use crate::delivery::live::copies::{Forged, Unfit};
use crate::delivery::live::feed::{LiveFeed, NEAR};
use crate::delivery::live::sequence_merger::Reading;
use crate::delivery::live::shared_feed::Came;
use crate::delivery::live::source::{Joined, Source};
use crate::delivery::live::subscription::{GAP, print};
use crate::error::with_causes;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::Pulled;
use crate::jetstream::stream::StreamFacts;
use crate::position::record::lost;
use crate::{Error, Result};

/// What came of what was under way.
pub(crate) enum Outcome {
    Joined(Result<Joined>),
    Opened(Result<Box<CatchUp>>),
    Looked(Result<StreamFacts>),
}

/// What happened, if it is no packet.
pub(crate) enum Happened {
    Came(Came),
    Read(Read),
    Outcome(Outcome),
    Time,
}

impl LiveFeed {
    /// Learns what happened, and gives what there is to give or to tell.
    pub(crate) fn happened(&mut self, happened: Happened) -> Option<Pulled> {
        match happened {
            Happened::Came(came) => {
                self.came(came);
                None
            }
            Happened::Read(Read::Packet(delivered)) => self.was_read(*delivered),
            Happened::Read(Read::Nothing) | Happened::Time => None,
            Happened::Read(Read::Broken(reason)) => {
                debug!(reason, "reading the stream anew");
                self.catch_up = None;
                self.pause();
                None
            }
            Happened::Outcome(outcome) => self.ended(outcome).unwrap_or_else(|error| {
                if let Error::Stream { .. } = error {
                    let lost = self.other_stream("the stream was deleted while it ran");
                    return Some(Pulled::Failed(lost));
                }
                // A limit of consumers is one for a moment: others read their past, too.
                if let Error::Server { .. } | Error::Limit { .. } = error {
                    warn!("waiting for the server: {}", with_causes(&error));
                    self.pause();
                    return None;
                }
                Some(Pulled::Failed(error))
            }),
        }
    }

    fn came(&mut self, came: Came) {
        match came {
            Came::Passed(to) => self.seam.passed(to),
            Came::Packet(delivered) => {
                let (sequence, size) = (delivered.place.sequence, delivered.body.len());
                if self.live.as_ref().is_some_and(Source::is_sifted) {
                    self.seam.passed(sequence - 1);
                }
                if !self.seam.arrived(sequence, size, *delivered) {
                    self.leave();
                    self.tell_live(false);
                }
            }
            Came::Unfit(unfit) => self.is_unfit(unfit),
        }
    }

    /// Leaves a live feed that is of no use any more.
    fn is_unfit(&mut self, unfit: Unfit) {
        match unfit {
            Unfit::Lost(reason) => debug!(reason, "the live feed is left"),
            Unfit::Gap(sequence) => {
                debug!(sequence, "the live feed has a gap");
                // Somebody may make gaps on purpose.
                (self.gap, self.joinable) = (sequence, Instant::now() + GAP);
            }
            Unfit::Forged(forged) => return self.is_forged(&forged),
        }
        self.start_over();
    }

    fn is_forged(&mut self, forged: &Forged) {
        let now = Instant::now();
        self.joinable = now + self.rejoining.wait(forged, now);
        self.start_over();
        self.tell_live(false);
    }

    /// A packet was read from the stream. What lies before it is gone from there.
    fn was_read(&mut self, delivered: RawPacket) -> Option<Pulled> {
        let (sequence, next) = (delivered.place.sequence, self.seam.next());
        self.known = self.known.max(sequence);
        if sequence > next {
            // To be read again, after it was told what is missing.
            self.seam.skip_to(sequence);
            self.catch_up = None;
            return Some(Pulled::Gone { from: next, to: sequence - 1 });
        }
        let reading = self.seam.read(sequence);
        self.sure = self.sure.max(self.seam.to_read() - 1);
        let is_forged = match reading {
            Reading::Old => return None,
            Reading::New => false,
            Reading::Again => {
                let print = print(&delivered);
                let copies = self.doubted.as_ref().map(|copies| copies.borrow());
                if copies.is_some_and(|copies| copies.is_same(sequence, print)) {
                    return None;
                }
                true
            }
        };
        self.allowance = self.allowance.saturating_sub(1);
        Some(if is_forged { Pulled::Real(delivered) } else { Pulled::Packet(delivered) })
    }

    fn ended(&mut self, outcome: Outcome) -> Result<Option<Pulled>> {
        match outcome {
            Outcome::Joined(Ok(joined)) => self.joined(joined),
            Outcome::Joined(Err(error @ Error::NotPermitted { .. })) => {
                warn!("it is read from the stream alone: {}", with_causes(&error));
                self.has_live = false;
                Ok(None)
            }
            Outcome::Opened(Ok(catch_up)) => {
                self.catch_up = Some(catch_up);
                Ok(None)
            }
            Outcome::Looked(Ok(facts)) => {
                self.confirm(&facts);
                self.stands(&facts)
            }
            Outcome::Joined(Err(error))
            | Outcome::Opened(Err(error))
            | Outcome::Looked(Err(error)) => Err(error),
        }
    }

    fn joined(&mut self, joined: Joined) -> Result<Option<Pulled>> {
        let Joined { source, facts, meet } = joined;
        let told = self.stands(&facts)?;
        self.is_told = true;
        let gap = std::mem::take(&mut self.gap);
        if gap > facts.last_sequence {
            self.is_forged(&Forged::Beyond(gap, facts.last_sequence));
            return Ok(told);
        }
        let left = (meet + 1).saturating_sub(self.seam.to_read());
        if left <= NEAR {
            self.copies = Some(source.copies());
            self.live = Some(source);
            self.seam.join(meet);
        }
        if self.seam.is_behind() {
            self.tell_live(false);
        }
        Ok(told)
    }

    /// Confirms what came of the live feed. Where that is shared, it is done for all at once.
    fn confirm(&mut self, facts: &StreamFacts) {
        if self.seat.is_some() || self.live.is_none() || facts.created != self.created {
            return;
        }
        // What has come before the answer.
        let arriving = self.seam.arriving();
        while let Some(came) = self.live.as_mut().and_then(|live| live.ready(arriving)) {
            self.came(came);
        }
        let stands = self.copies.as_ref().map(|copies| {
            let (asked, last) = (self.asked.highest, facts.last_sequence);
            copies.borrow_mut().stands(asked, last)
        });
        if let Some(Err(unfit)) = stands {
            self.is_unfit(unfit);
        }
    }

    /// Makes sure that the stream is the one that is read, and holds what was read; tells what is
    /// gone from it unread, or was given and is not there.
    fn stands(&mut self, facts: &StreamFacts) -> Result<Option<Pulled>> {
        let (next, last) = (self.seam.next(), facts.last_sequence);
        if facts.created != self.created {
            return Err(self.other_stream("the stream was made anew while it ran"));
        }
        if last < self.asked.known {
            let at = self.asked.known;
            let fault = format!(
                "it was at sequence {at}, but the stream ends at {last} now: the server has lost \
                 packets, or has older ones from a backup"
            );
            return Err(lost(&self.service, &fault));
        }
        self.known = self.known.max(last);
        if last + 1 < self.asked.next {
            self.leave();
            self.tell_live(false);
            self.wanted = self.wanted.min(last);
            return Ok(self.seam.end(last).map(|(from, to)| Pulled::Forged { from, to }));
        }
        let first = facts.first_sequence;
        if !self.seam.is_behind() {
            return Ok(None);
        }
        self.seam.skip_to(first);
        Ok((first > next).then(|| Pulled::Gone { from: next, to: first - 1 }))
    }

    fn other_stream(&self, fault: &str) -> Error {
        let service = self.service.clone();
        let reset_command = crate::position::exclusive::reset_command(&self.connection, &service);
        Error::Position { service, reason: format!("{fault}; {reset_command}") }
    }
}
