//! A river: which packets it takes, what it asks of them, and how it reacts.
//!
//! Declares and judges; never touches the server. Running a river on the rapids is left to
//! [`Service`](crate::Service).

mod clause;
mod explanation;
mod outcome;
mod reaction;
mod rules;

use std::fmt;
use std::future::Future;

pub use explanation::{ClauseReport, Explanation};
pub(crate) use outcome::{Failure, failure};
pub use outcome::{Outcome, Packets, reject, retry_after};
pub(crate) use reaction::{Fold, MemoryUse, Reaction};
pub use rules::Rules;

use crate::condition::{key_query, string_literal};
use crate::memory::{MemoryKey, Record, RememberingRiver};
use crate::packet::keys::{COMMAND, EVENT, NEED};
use crate::packet::{Names, Packet};
use crate::{Error, Result};
use clause::{Clause, Role};

/// A small filter over the rapids with a reaction.
///
/// **Conditions** say which packets are meant: [`event`](Self::event), [`need`](Self::need),
/// [`command`](Self::command), [`when`](Self::when), [`forbid`](Self::forbid). A packet that does
/// not meet them passes by silently. **Requirements** say what such a packet must hold:
/// [`require`](Self::require), [`require_that`](Self::require_that). A packet that is meant but
/// does not meet them is malformed, and that is reported. Each rule is an RFC 9535 filter
/// expression over the packet, which is `@` (and `$`); the shorthands print themselves as one.
///
/// A fault in the declaration, such as an expression that does not parse, is kept until
/// [`check`](Self::check), or until the service starts, which refuses it.
///
/// ```
/// use rapids_client::{Packet, River, Verdict};
///
/// let charge = River::new("charge")
///     .event("order_placed")
///     .require("order_id")
///     .require_that("@.total > 0")
///     .react(|packet: Packet| async move {
///         let total: u64 = packet.get("total")?.unwrap_or(0);
///         Ok(Packet::event("payment_received").with("amount", total))
///     });
/// assert_eq!(
///     charge.to_string(),
///     "@.event == 'order_placed'"
/// );
/// let placed = Packet::event("order_placed").with("order_id", "o-1").with("total", 7550);
/// assert_eq!(charge.judge(&placed), Verdict::Matches);
/// ```
#[derive(Clone)]
pub struct River {
    name: String,
    clauses: Vec<Clause>,
    reports_invalid: bool,
    reaction: Option<Reaction>,
    faults: Vec<String>,
}

/// What a river makes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The conditions are not met: not for this river.
    NotForMe,
    /// The conditions are met, the requirements are not: malformed, with the problems.
    Invalid(Vec<String>),
    /// The conditions are met, but the packet has passed through as many services as it may.
    /// Said by [`Service::judge`](crate::Service::judge), which knows the limit.
    Looped,
    /// The river reacts.
    Matches,
}

impl River {
    /// Begins a river that takes every packet, until conditions narrow it.
    ///
    /// The name is unique within the service, of `[a-z0-9_-]`, at most 32 characters.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            clauses: Vec::new(),
            reports_invalid: true,
            reaction: None,
            faults: Vec::new(),
        }
    }

    /// Condition: the packet states this fact, or one of these.
    #[must_use]
    pub fn event(self, names: impl Names) -> Self {
        self.named(EVENT, names, |query, name| format!("{query} == {name}"))
    }

    /// Condition: the packet asks for this, or one of these; alone or among others in a list.
    #[must_use]
    pub fn need(self, names: impl Names) -> Self {
        self.named(NEED, names, |query, name| {
            format!("{query} == {name} || {query}[?@ == {name}]")
        })
    }

    /// Condition: the packet gives this directive, or one of these.
    #[must_use]
    pub fn command(self, names: impl Names) -> Self {
        self.named(COMMAND, names, |query, name| format!("{query} == {name}"))
    }

    fn named(self, kind: &str, names: impl Names, test: fn(&str, &str) -> String) -> Self {
        let query = key_query(kind);
        let tests: Vec<_> = names
            .into_names()
            .iter()
            .map(|name| test(&query, &string_literal(name)))
            .collect();
        self.clause(Role::Condition, &tests.join(" || "))
    }

    /// Condition: an RFC 9535 filter expression holds, such as `@.total > 100 && !@.coupon`.
    #[must_use]
    pub fn when(self, expression: &str) -> Self {
        self.clause(Role::Condition, expression)
    }

    /// Condition: the keys are missing or `null`.
    #[must_use]
    pub fn forbid(self, keys: impl Names) -> Self {
        keys.into_names().iter().fold(self, |river, key| {
            let query = key_query(key);
            river.clause(Role::Condition, &format!("!{query} || {query} == null"))
        })
    }

    /// Requirement: the keys are present and not `null`.
    #[must_use]
    pub fn require(self, keys: impl Names) -> Self {
        keys.into_names().iter().fold(self, |river, key| {
            let query = key_query(key);
            river.clause(Role::Requirement, &format!("{query} && {query} != null"))
        })
    }

    /// Requirement: an RFC 9535 filter expression holds.
    #[must_use]
    pub fn require_that(self, expression: &str) -> Self {
        self.clause(Role::Requirement, expression)
    }

    /// Passes packets by silently that meet the conditions but not the requirements, instead of
    /// reporting them as malformed.
    #[must_use]
    pub fn ignore_invalid(mut self) -> Self {
        self.reports_invalid = false;
        self
    }

    fn clause(mut self, role: Role, expression: &str) -> Self {
        match Clause::new(role, expression) {
            Ok(clause) => self.clauses.push(clause),
            Err(error) => self.faults.push(error.to_string()),
        }
        self
    }

    /// Sets what happens to a packet that is taken: an async function from the packet to what is
    /// to be published, in order: nothing, a packet, an option or a list of packets. It holds no
    /// connection, so a test calls it as it is.
    ///
    /// Reactions run one at a time, in stream order. What an error means is told by
    /// [`reject`] and [`retry_after`]; any other error and a panic are tried again later.
    #[must_use]
    pub fn react<Fut>(mut self, reaction: impl Fn(Packet) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        self.reaction = Some(Reaction::plain(reaction));
        self
    }

    /// Lets the reaction remember: per value of `key`, a path such as `@.order_id` (anything that
    /// begins with `@` or `$`) or one constant key for all packets. Rivers of one service that
    /// name the same memory share it. A packet whose key is missing or `null` is malformed.
    #[must_use]
    pub fn memory<T>(self, name: &str, key: &str) -> RememberingRiver<T>
    where
        T: Default + serde::Serialize + serde::de::DeserializeOwned + 'static,
    {
        RememberingRiver::new(self, name, key)
    }

    pub(crate) fn with_reaction(mut self, reaction: Result<Reaction, String>) -> Self {
        match reaction {
            Ok(reaction) => self.reaction = Some(reaction),
            Err(fault) => self.faults.push(fault),
        }
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reports every fault of the declaration.
    ///
    /// # Errors
    /// [`Error::Definition`] lists the faults, an expression's with its position.
    pub fn check(&self) -> Result<()> {
        let faults = self.faults();
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Definition {
            service: String::new(),
            faults,
        })
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<_> = self
            .faults
            .iter()
            .map(|fault| format!("river `{}`: {fault}", self.name))
            .collect();
        if !crate::names::is_name(&self.name) {
            faults.push(format!(
                "river name `{}` is not 1 to 32 characters of a-z, 0-9, `_` and `-`",
                self.name
            ));
        }
        if self.reaction.is_none() {
            faults.push(format!(
                "river `{}` has no reaction; add `.react(...)`",
                self.name
            ));
        }
        faults
    }

    pub(crate) fn memory_use(&self) -> Option<&MemoryUse> {
        self.reaction.as_ref().and_then(Reaction::memory_use)
    }

    /// Decides whether the packet is for this river, and whether it is as it must be.
    ///
    /// A body that repeats a key on a path that a rule names is malformed (RFC 7493 forbids it),
    /// because readers would disagree on which value counts.
    pub fn judge(&self, packet: &Packet) -> Verdict {
        let node = packet.node();
        let of = |role| {
            self.clauses
                .iter()
                .filter(move |clause| clause.role == role)
        };
        if !self.faults.is_empty() || !of(Role::Condition).all(|clause| clause.holds(node)) {
            return Verdict::NotForMe;
        }
        let mut problems: Vec<_> = of(Role::Requirement)
            .filter(|clause| !clause.holds(node))
            .map(|clause| clause.report(packet).to_string())
            .collect();
        problems.extend(
            self.clauses
                .iter()
                .find_map(|clause| clause.repeated_key(node))
                .map(|path| format!("the body repeats the key `{path}`")),
        );
        problems.extend(
            self.memory_use()
                .and_then(|memory| memory.key_of(packet).err()),
        );
        match (problems.is_empty(), self.reports_invalid) {
            (true, _) => Verdict::Matches,
            (false, true) => Verdict::Invalid(problems),
            (false, false) => Verdict::NotForMe,
        }
    }

    /// Tells clause by clause what held and what was found. `{}` prints it for a log line, `{:#}`
    /// for a terminal.
    pub fn explain(&self, packet: &Packet) -> Explanation {
        Explanation {
            river: self.name.clone(),
            packet_id: packet.id().to_owned(),
            verdict: self.judge(packet),
            clauses: self
                .clauses
                .iter()
                .map(|clause| clause.report(packet))
                .collect(),
        }
    }

    /// The memory that this river opens for the packet, if it remembers and the packet has a key.
    pub fn memory_key(&self, packet: &Packet) -> Option<MemoryKey> {
        self.memory_use()?.key_of(packet).ok()
    }

    /// Runs the reaction on a packet that [matches](Verdict::Matches), and answers with what is
    /// to be published: with its place in the conversation and its derived id. A river that
    /// remembers takes the record of its [`memory_key`](Self::memory_key) and changes it; keep
    /// the record before publishing.
    ///
    /// For programs that run rivers without a server; [`Service`](crate::Service) does this by
    /// itself.
    ///
    /// # Errors
    /// What the reaction returns; a packet that cannot be written ([`Error::Field`]); a record
    /// that does not fit the memory's type. The record is unchanged then.
    pub async fn handle(
        &self,
        service: &str,
        packet: &Packet,
        record: &mut Record,
    ) -> anyhow::Result<Vec<Packet>> {
        match &self.reaction {
            None => Ok(Vec::new()),
            Some(Reaction::Plain(react)) => {
                placed(react(packet.clone()).await?, packet, service, &self.name)
            }
            Some(Reaction::Remembering(_, fold)) => record.fold(&self.name, packet, |memory| {
                let (memory, packets) = fold(memory, packet)?;
                Ok((memory, placed(packets, packet, service, &self.name)?))
            }),
        }
    }
}

/// Gives published packets their place in the conversation.
fn placed(
    packets: Vec<Packet>,
    cause: &Packet,
    service: &str,
    river: &str,
) -> anyhow::Result<Vec<Packet>> {
    let place = |(position, packet): (usize, Packet)| {
        packet.check()?;
        Ok(packet.caused_by(cause, service, river, position))
    };
    packets.into_iter().enumerate().map(place).collect()
}

/// The conditions as one expression; `@`, which every packet meets, if there are none.
impl fmt::Display for River {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&rules::conjunction(self.rules().conditions))
    }
}

impl fmt::Debug for River {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("River")
            .field("name", &self.name)
            .field("rules", &self.rules())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}
