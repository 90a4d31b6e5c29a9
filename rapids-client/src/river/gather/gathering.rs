//! What is remembered of a need until its answers are complete.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::gathered::{Gathered, is_solved};
use super::until::{Complete, Until};
use super::{CONVERSATION, DUE, Late};
use crate::Result;
use crate::packet::Packet;
use crate::river::Outputs;

/// The memory of one need.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Gathering {
    /// The first packet that came, until the reaction has run.
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<Box<RawValue>>,
    /// The answers, until then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Box<RawValue>>,
    /// Of one from before memories ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_reacted: bool,
}

/// What is done about the answers.
type React = dyn Fn(&Gathered) -> anyhow::Result<Outputs> + Send + Sync;

/// How a river gathers.
pub(super) struct Rules {
    pub(super) river: String,
    /// The names of the need that the river takes.
    pub(super) needs: Vec<String>,
    pub(super) until: Until,
    /// The path of the key.
    pub(super) by: String,
    pub(super) react: Box<React>,
    pub(super) late: Option<Arc<Late>>,
    pub(super) late_answers: Arc<AtomicU64>,
}

impl Rules {
    /// Takes a packet of the need: remembers an answer, and reacts if that makes them complete.
    pub(super) fn take(
        &self,
        gathering: &mut Gathering,
        packet: &Packet,
    ) -> anyhow::Result<Outputs> {
        if gathering.has_reacted {
            return self.after_end(packet).map(Outputs::end_memory);
        }
        let is_answer = self.is_answer(packet);
        let is_first = gathering.need.is_none();
        if is_first {
            gathering.need = Some(packet.to_raw()?);
        }
        if is_answer {
            gathering.answers.push(packet.to_raw()?);
        }
        if let Some(gathered) = self.complete(gathering)? {
            let outputs = self.react(&gathered)?;
            let has_timer = self.until.after.is_some() && !is_first;
            return Ok(if has_timer {
                outputs.cancel(&self.river, self.key(packet)?)
            } else {
                outputs
            });
        }
        match self.until.after {
            Some(wait) if is_first => {
                Ok(Outputs::new().later(&self.river, self.key(packet)?, wait, self.due(packet)?))
            }
            _ => Ok(Outputs::new()),
        }
    }

    /// Reacts to what has come, unless that was done: then nothing is remembered.
    pub(super) fn time_is_up(&self, gathering: &mut Gathering) -> anyhow::Result<Outputs> {
        match self.gathered(gathering, false)? {
            Some(gathered) => self.react(&gathered),
            None => Ok(Outputs::new()),
        }
    }

    fn react(&self, gathered: &Gathered) -> anyhow::Result<Outputs> {
        Ok((self.react)(gathered)?.end_memory())
    }

    /// Takes a packet that comes after the reaction has run: an answer is too late.
    pub(super) fn after_end(&self, packet: &Packet) -> anyhow::Result<Outputs> {
        if !self.is_answer(packet) {
            return Ok(Outputs::new());
        }
        self.late_answers.fetch_add(1, Ordering::Relaxed);
        self.late.as_ref().map_or_else(|| Ok(Outputs::new()), |late| late(packet))
    }

    fn is_answer(&self, packet: &Packet) -> bool {
        self.needs.iter().any(|name| is_solved(packet, name))
    }

    /// What was gathered, if that is complete.
    fn complete(&self, gathering: &Gathering) -> Result<Option<Gathered>> {
        let is_enough = match self.until.complete {
            Complete::Answers(needed) => gathering.answers.len() >= needed,
            Complete::All => !gathering.answers.is_empty(),
            Complete::Never => false,
        };
        if !is_enough {
            return Ok(None);
        }
        let gathered = self.gathered(gathering, true)?;
        let is_all =
            |it: &Gathered| self.until.complete != Complete::All || it.missing().is_empty();
        Ok(gathered.filter(is_all))
    }

    /// What was gathered; `None` if nothing has come.
    fn gathered(&self, gathering: &Gathering, is_complete: bool) -> Result<Option<Gathered>> {
        let read = |body: &RawValue| Packet::from_bytes(body.get().to_owned());
        let Some(need) = gathering.need.as_deref().map(read).transpose()? else { return Ok(None) };
        let answers = gathering.answers.iter().map(|body| read(body)).collect::<Result<_>>()?;
        // It may ask for more than the river takes.
        let asked = need.need_names();
        let mut names = self.needs.clone();
        names.retain(|name| asked.contains(name));
        Ok(Some(Gathered { need, names, answers, is_complete }))
    }

    /// The key of the timer of a need.
    fn key(&self, packet: &Packet) -> Result<String> {
        let value = packet.get::<Box<RawValue>>(&self.by)?;
        let json = value.as_deref().map_or("", RawValue::get);
        let text = serde_json::from_str::<String>(json).ok();
        // A number is another key than a text of the same digits.
        Ok(text.filter(|text| !text.starts_with('=')).unwrap_or_else(|| format!("={json}")))
    }

    /// What the timer brings: the key stands where the packets of the need have it.
    fn due(&self, packet: &Packet) -> Result<Packet> {
        let due = Packet::event(DUE).with("river", &self.river);
        if self.by == CONVERSATION {
            return Ok(due);
        }
        Ok(due.with(&self.by, packet.get::<Box<RawValue>>(&self.by)?))
    }
}
