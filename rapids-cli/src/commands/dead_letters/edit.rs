//! `rapids dead-letters edit`: sends a corrected packet in place of one that failed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use anyhow::Result;
use clap::Args;
use rapids_client::{
    ActionKind, DeadLetters, Error, LetterId, Packet, Refusal, State, StoredLetter, Verdict,
};
use rapids_views::indented;
use serde_json::value::RawValue;

use super::assignment::Assignment;
use super::bulk::BulkOptions;
use super::editor::Draft;
use super::reactions::WAIT;
use super::wait::Wait;
use crate::author::Author;
use crate::confirm::confirm;
use crate::exit::{Answer, Fault};
use crate::session::Session;

/// Send a corrected packet to the river that failed, in place of the original
///
/// It is a new packet in the same conversation, caused by the original, with `edited` in its `rapids`
/// object. What is not changed keeps every digit. If the service is running, the river must take the
/// packet, unless --force is given.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters edit payment.charge.17 --set total=10 --set '@.customer.name=\"ada\"'
  EDITOR=nano rapids dead-letters edit payment.charge.17 --editor

Output: a line; with -o json an object with `id`, `deed`, `who`, `at`, `why`, `packet_id` of the new
packet, and `replay`, the sequence of the replay. --wait adds what it does for `replay`.")]
pub(crate) struct Edit {
    /// The letter, such as `payment.charge.17`
    #[arg(value_name = "ID")]
    id: LetterId,

    #[command(flatten)]
    how: How,

    /// Send the packet even if the river would not take it
    #[arg(long)]
    force: bool,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    bulk: BulkOptions,
}

/// How to change the packet.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Set a top-level field, or one at a path such as `@.items[0].quantity`, to a JSON value; may be
    /// repeated
    #[arg(long = "set", value_name = "FIELD=JSON")]
    assignments: Vec<Assignment>,

    /// Change the packet in an editor: $VISUAL, $EDITOR or vi
    #[arg(long)]
    editor: bool,
}

impl Edit {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let note = self.author.note(self.reason.as_deref());
        let interrupt = &session.interrupt;
        let letters = interrupt.unless(session.dead_letters()).await?;
        let stored = interrupt.unless(self.waiting(&letters)).await?;
        let packet = if self.how.editor {
            match self.in_editor(session, &stored).await? {
                Some(packet) => packet,
                None => {
                    session.screen.note("nothing was changed");
                    return Ok(Answer::No);
                }
            }
        } else {
            self.set(Packet::from_bytes(stored.letter.body.clone())?)?
        };
        if !self.force {
            interrupt.unless(self.judge(session, &packet)).await?;
        }
        if self.bulk.dry_run {
            return self.bulk.report_dry_run(session, 1, ActionKind::Edit);
        }
        let edited = letters.edit(&self.id, packet.body(), &note).await;
        let sent = self.bulk.one(session, &self.id, edited)?;
        self.wait.report(session, &letters, &sent, self.bulk.output).await
    }

    /// The letter, which must be waiting. This is checked before the user spends time on the edit.
    async fn waiting(&self, letters: &DeadLetters) -> Result<StoredLetter> {
        let refused = |refusal| Error::Letter { id: self.id.to_string(), refusal };
        let Some(stored) = letters.get(&self.id).await? else {
            return Err(refused(Refusal::Unknown).into());
        };
        match stored.action() {
            Some(action) if stored.state != State::Waiting => {
                let action = Box::new(action.clone());
                Err(refused(Refusal::Taken { state: stored.state, action }).into())
            }
            _ => Ok(stored),
        }
    }

    fn set(&self, packet: Packet) -> Result<Packet> {
        let set = |packet, assignment: &Assignment| assignment.apply(packet);
        let packet = self.how.assignments.iter().fold(packet, set);
        packet.check()?;
        Ok(packet)
    }

    /// The packet as the editor leaves it; `None` if it was not changed.
    async fn in_editor(&self, session: &Session, stored: &StoredLetter) -> Result<Option<Packet>> {
        let body = String::from_utf8_lossy(&stored.letter.body);
        let draft = Draft::new(&indented(&body))?;
        loop {
            let text = draft.edit().await?;
            if indented(&text) == indented(&body) {
                return Ok(None);
            }
            let error = match changed(&body, &text) {
                Ok(packet) => return Ok(Some(packet)),
                Err(error) => error,
            };
            if !io::stdin().is_terminal() {
                return Err(error);
            }
            session.screen.error(&error);
            if !confirm(session, "edit it again?").await? {
                return Ok(None);
            }
        }
    }

    /// Makes sure that the river takes the packet, if its service is running.
    async fn judge(&self, session: &Session, packet: &Packet) -> Result<()> {
        let (service, name) = (self.id.service(), self.id.river());
        let Some(up) = session.services_if_known(&session.rapids().await?, WAIT).await? else {
            return Ok(());
        };
        let river = up
            .iter()
            .filter(|instance| instance.name == service)
            .find_map(|instance| instance.river(name));
        let Some(river) = river else {
            session.screen.warning(format_args!(
                "service `{service}` does not run, so it is unknown whether river `{name}` takes the \
                 packet"
            ));
            return Ok(());
        };
        let why = match river.judge(packet) {
            Verdict::Matches | Verdict::Looped => return Ok(()),
            Verdict::NotForMe => format!("its conditions are `{river}`"),
            Verdict::Invalid(problems) => problems.join("; "),
            Verdict::TooCostly(problem) => problem,
        };
        let words = format!(
            "river `{service}.{name}` would not take the packet: {why}; `--force` sends it anyway"
        );
        Err(Fault::Usage(words).into())
    }
}

/// Reads the text from the editor. The `rapids` object, which the bus writes, must be unchanged.
fn changed(body: &str, text: &str) -> Result<Packet> {
    let packet = Packet::from_bytes(text.to_owned())?;
    let rapids = |text: &str| {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
        fields.get("rapids").map(|rapids| indented(rapids.get()))
    };
    if rapids(text) != rapids(body) {
        let reason = "belongs to the bus, which fills it for the new packet".to_owned();
        return Err(Error::Field { path: "rapids".to_owned(), reason }.into());
    }
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_may_change_all_but_what_the_bus_writes() {
        let body = r#"{"n":1.10,"rapids":{"id":"p-1"}}"#;
        let edited = "{\n \"n\": 2.10,\n \"rapids\": { \"id\": \"p-1\" }\n}\n";
        assert!(changed(body, edited).is_ok());
        let error = changed(body, r#"{"n":2,"rapids":{"id":"p-2"}}"#).unwrap_err();
        assert!(error.to_string().starts_with("field `rapids` belongs to the bus"), "{error}");
        assert!(changed(body, "{]").is_err());
    }
}
