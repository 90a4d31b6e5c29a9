//! A river: which packets it takes, what it asks of them, and how it reacts.
//!
//! Declares and judges; never touches the server. Running a river on the rapids is left to
//! [`Service`](crate::Service).

mod clause;
mod conjunction;
mod explanation;
mod gather;
mod limits;
mod outcome;
mod outputs;
mod publishes;
mod reaction;
mod remembering;
mod retry;
mod rules;
mod shorthands;
mod telling;
mod verdict;

use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;

pub use explanation::{ClauseReport, Explanation};
pub use gather::{Gathered, GatheringRiver, Until};
pub(crate) use limits::Limits;
pub(crate) use outcome::{Failure, failure};
pub use outcome::{Outcome, is_final, reject, retry_after};
pub use outputs::Outputs;
pub use publishes::Publishes;
pub(crate) use reaction::{MemoryUse, Reaction, Read};
pub use remembering::{AfterEnd, RememberingRiver};
pub use retry::RetryPolicy;
pub use rules::Rules;
pub use telling::GivenUp;
pub(crate) use telling::{Telling, recovered_position};
pub use verdict::Verdict;

use jiff::Timestamp;

use crate::condition::{Evaluation, Expression};
use crate::effects::Effects;
use crate::memory::{Memory, MemoryKey, Record, Value};
use crate::packet::Packet;
use crate::{Error, Result};
use clause::{Clause, Role};
use telling::Tellers;

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
    /// The names of its event and its command.
    stated: Vec<(&'static str, Vec<String>)>,
    /// The names of its needs.
    needs: Vec<String>,
    reports_invalid: bool,
    /// What it declares to publish; `None` if it declares nothing.
    publishes: Option<Box<Publishes>>,
    reaction: Option<Reaction>,
    tellers: Tellers,
    limits: Limits,
    once: bool,
    /// What belongs to it if it gathers answers.
    due: Option<gather::Due>,
    faults: Vec<String>,
}

impl River {
    /// Begins a river that takes every packet, until conditions narrow it.
    ///
    /// The name is unique within the service, of `[a-z0-9_-]`, at most 32 characters.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            clauses: Vec::new(),
            stated: Vec::new(),
            needs: Vec::new(),
            reports_invalid: true,
            publishes: None,
            reaction: None,
            tellers: Tellers::default(),
            limits: Limits::default(),
            once: false,
            due: None,
            faults: Vec::new(),
        }
    }

    /// Sets the reaction: an async function that takes the packet, and returns what to publish, in
    /// order: nothing, a packet, an option or a list of packets, or [`Outputs`], which can set timers, too. It holds no connection, so a test
    /// calls it as it is.
    ///
    /// The packets of one reaction are stored together, all of them or none, one behind the other;
    /// of more than 1,000, each thousand. Each packet is stored by itself where some of them are
    /// stored already, as after a crash, and where the stream or the server takes no batches. A
    /// batch takes the server some milliseconds, in which further packets are handled; a single
    /// packet is sent at once.
    ///
    /// Reactions of a service run one at a time, in stream order, unless it says otherwise
    /// ([`Service::concurrency`](crate::Service::concurrency)). What an error means is told by
    /// [`reject`] and [`retry_after`]; any other error, a panic and a
    /// [time-out](Self::timeout) are tried again as [`retry`](Self::retry) says, and end as a dead
    /// letter, of which [`on_give_up`](Self::on_give_up) tells the others.
    #[must_use]
    pub fn react<Fut>(self, reaction: impl Fn(Packet) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        self.set_reaction(Reaction::plain(reaction))
    }

    /// Runs the reaction once per packet, for one that does something outside of the bus, such as
    /// charging a card: a packet that is delivered again after the reaction has succeeded runs it
    /// no more, but publishes what it published the first time. Two instances never run it for the
    /// same packet at once. A failure is tried again as usual.
    ///
    /// One window remains: it runs again where the process dies after the effect and before the outcome
    /// is written down, or is told to stop and the reaction outlasts the grace period. Give the
    /// packet's [`id`](Packet::id) to whatever the reaction calls as the idempotency key, and that
    /// window closes too. An instance that was stopped for longer than about six seconds in the middle
    /// of a reaction counts as dead.
    ///
    /// Costs two round trips to the server per packet. What is written down is kept for as long
    /// as the stream keeps packets. A river with a [`memory`](Self::memory) needs none of this.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    ///
    /// let river = River::new("charge").event("order_placed").once();
    /// let charge = river.react(|packet: Packet| async move {
    ///     let idempotency_key = packet.id().to_owned();
    ///     // Call the payment provider with it here.
    ///     Ok(Packet::event("payment_received").with("key", idempotency_key))
    /// });
    /// assert!(charge.is_once());
    /// ```
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Whether the reaction runs [`once`](Self::once) per packet.
    pub fn is_once(&self) -> bool {
        self.once
    }

    fn with_reaction(self, reaction: Result<Reaction, String>) -> Self {
        match reaction {
            Ok(reaction) => self.set_reaction(reaction),
            Err(fault) => self.fault(fault),
        }
    }

    fn set_reaction(mut self, reaction: Reaction) -> Self {
        if self.reaction.replace(reaction).is_some() {
            let fault = "it has two reactions, so the first would never run; remove one";
            return self.fault(fault.to_owned());
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
        Err(Error::Definition { of: format!("river `{}`", self.name), faults })
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = self.faults.clone();
        if !crate::names::is_name(&self.name) {
            faults.push(crate::names::RULE.to_owned());
        }
        if self.once && self.memory_use().is_some() {
            faults.push(
                "it has a memory, which each packet moves only once anyway; remove `.once()`"
                    .to_owned(),
            );
        }
        if self.reaction.is_none() {
            faults.push("it has no reaction; add `.react(...)`".to_owned());
        }
        faults
    }

    /// What is wrong with the rules.
    pub(crate) fn rule_faults(&self) -> &[String] {
        &self.faults
    }

    /// The conditions, unless a fault of the declaration keeps the river from taking anything.
    pub(crate) fn conditions(&self) -> Option<impl Iterator<Item = &Expression>> {
        let conditions = self.clauses.iter().filter(|clause| clause.role == Role::Condition);
        self.faults.is_empty().then(|| conditions.map(Clause::expression))
    }

    pub(crate) fn memory_use(&self) -> Option<&MemoryUse> {
        self.reaction.as_ref().and_then(Reaction::memory_use)
    }

    pub(crate) fn memory_use_mut(&mut self) -> Option<&mut MemoryUse> {
        match &mut self.reaction {
            Some(Reaction::Remembering(memory, _)) => Some(memory),
            Some(Reaction::Plain(_)) | None => None,
        }
    }

    /// Decides whether the packet is for this river, and whether it is as it must be.
    ///
    /// A body that repeats a key on a path that a rule names is malformed (RFC 7493 forbids it),
    /// because readers would disagree on which value counts.
    ///
    /// Judging takes at most 300 million steps, less than a second, whatever the packet and the
    /// rules; one that would take more is [too costly](Verdict::TooCostly). A step is about one
    /// byte that is looked at. What a rule finds from `$` within a filter is found once per packet.
    pub fn judge(&self, packet: &Packet) -> Verdict {
        self.verdict(packet, &Evaluation::of(packet.node(), 1))
    }

    /// What the river makes of a packet that others judge, too.
    pub(crate) fn verdict<'a>(
        &'a self,
        packet: &'a Packet,
        evaluation: &Evaluation<'a>,
    ) -> Verdict {
        let problems = match packet.beyond_limits() {
            Some(problem) => vec![problem],
            None => match self.problems(packet, evaluation) {
                Ok(Some(problems)) => problems,
                Ok(None) => return Verdict::NotForMe,
                Err(problem) => return Verdict::TooCostly(problem),
            },
        };
        match (problems.is_empty(), self.reports_invalid) {
            (true, _) => Verdict::Matches,
            (false, true) => Verdict::Invalid(problems),
            (false, false) => Verdict::NotForMe,
        }
    }

    /// What is wrong with a packet that meets the conditions; `None` if it does not meet them. The
    /// error names the rule that is too costly.
    fn problems<'a>(
        &'a self,
        packet: &Packet,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<Vec<String>>, String> {
        let of = |role| self.clauses.iter().filter(move |clause| clause.role == role);
        if !self.faults.is_empty() {
            return Ok(None);
        }
        for condition in of(Role::Condition) {
            if !condition.holds(evaluation)? {
                return Ok(None);
            }
        }
        let mut problems = Vec::new();
        for requirement in of(Role::Requirement) {
            if !requirement.holds(evaluation)? {
                problems.push(requirement.report(evaluation, packet.shows_values()).to_string());
            }
        }
        for clause in &self.clauses {
            if let Some(path) = clause.repeated_key(evaluation)? {
                problems.push(format!("the body repeats the key `{path}`"));
                break;
            }
        }
        if problems.is_empty()
            && let Some(memory) = self.memory_use()
        {
            problems.extend(memory.key_within(packet.shows_values(), evaluation)?.err());
        }
        Ok(Some(problems))
    }

    /// Tells for each clause whether it held and what was found. `{}` prints it for a log line,
    /// `{:#}` for a terminal.
    pub fn explain(&self, packet: &Packet) -> Explanation {
        let evaluation = Evaluation::of(packet.node(), self.clauses.len());
        let report = |clause| {
            evaluation.next_river();
            Clause::report(clause, &evaluation, packet.shows_values())
        };
        Explanation {
            river: self.name.clone(),
            packet_id: packet.id().to_owned(),
            verdict: self.judge(packet),
            clauses: self.clauses.iter().map(report).collect(),
        }
    }

    /// The memory that this river opens for the packet, if it remembers and the packet has a key.
    pub fn memory_key(&self, packet: &Packet) -> Option<MemoryKey> {
        self.memory_use()?.key_of(packet).ok()
    }

    /// Runs the reaction on a packet that [matches](Verdict::Matches), and answers with what it
    /// leads to: with its place in the conversation and its derived id. A river that
    /// remembers takes the record of its [`memory_key`](Self::memory_key) and changes it; keep
    /// the record before publishing. Durations of timers begin at `now`.
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
        now: Timestamp,
    ) -> anyhow::Result<Effects> {
        let Some(memory_use) = self.memory_use() else {
            return Ok(self.run(service, packet, Memory::default(), || now).await?.0);
        };
        record.expire(memory_use.expires, now);
        if let Some(effects) = record.known(&self.name, packet)? {
            return Ok(effects);
        }
        if record.ended().is_some() && memory_use.ignores_late {
            memory_use.late_packets.fetch_add(1, Ordering::Relaxed);
            return Ok(Effects::default());
        }
        record.check_room(&self.name, packet, 1)?;
        let memory = Memory::Encoded(record.memory());
        let (effects, value) = self.run(service, packet, memory, || now).await?;
        let bodies = effects.packets.iter().map(Packet::to_raw).collect::<Result<Vec<_>, _>>()?;
        if let Some(value) = value {
            record.set_memory(value.encoded()?);
        }
        record.fold(&self.name, packet, (bodies, effects.timers.clone()));
        record.moved = Some(now);
        Ok(effects)
    }

    /// Runs the reaction on this memory, and returns what it leads to, and the value after it; no
    /// value if it has no memory. The clock is looked at when the reaction has ended.
    pub(crate) async fn run(
        &self,
        service: &str,
        packet: &Packet,
        memory: Memory,
        clock: impl FnOnce() -> Timestamp,
    ) -> anyhow::Result<(Effects, Option<Box<dyn Value>>)> {
        let (outputs, value) = match &self.reaction {
            None => (Outputs::new(), None),
            Some(Reaction::Plain(react)) => {
                let outputs = react(packet.clone()).await?;
                if outputs.ends_memory() {
                    return Err(reject("it ends its memory, and has none"));
                }
                (outputs, None)
            }
            Some(Reaction::Remembering(_, fold)) => {
                let (value, outputs) = fold(memory, packet)?;
                (outputs, Some(value))
            }
        };
        Ok((outputs.placed(packet, (service, &self.name), clock())?, value))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn charge() -> River {
        River::new("charge")
            .event(["order_placed", "it's"])
            .forbid("level")
            .require(["order_id", "@['a.b']"])
            .require_that("@.total > 0")
            .react(|_: Packet| async { Ok(()) })
    }

    fn packet(body: &str) -> Packet {
        Packet::from_bytes(body.to_owned()).unwrap()
    }

    #[test]
    fn shorthands_are_expressions() {
        let rules = charge().rules();
        assert_eq!(
            rules.conditions,
            ["@.event == 'order_placed' || @.event == 'it\\'s'", "!@.level || @.level == null"]
        );
        assert_eq!(
            rules.requirements,
            ["@.order_id && @.order_id != null", "@['a.b'] && @['a.b'] != null", "@.total > 0"]
        );
        let need = River::new("n").need("car").command("go");
        assert_eq!(
            need.to_string(),
            "(@.need == 'car' || @.need[0] && @.need[?@ == 'car']) && @.command == 'go'"
        );
        assert_eq!(
            River::new("n").need(["a", "b"]).to_string(),
            "@.need == 'a' || @.need == 'b' || @.need[0] && (@.need[?@ == 'a'] || @.need[?@ == 'b'])"
        );
        assert_eq!(River::new("all").to_string(), "@");
    }

    #[test]
    fn fields_may_be_paths() {
        let river =
            River::new("r").require("@.a.b").forbid("$['c d'][0]").react(|_| async { Ok(()) });
        assert_eq!(river.rules().requirements, ["@.a.b && @.a.b != null"]);
        assert_eq!(river.judge(&packet(r#"{"a":{"b":0},"c d":[null]}"#)), Verdict::Matches);
        assert_eq!(river.judge(&packet(r#"{"a":{"b":0},"c d":[1]}"#)), Verdict::NotForMe);
    }

    #[test]
    fn conditions_pass_by_silently_and_requirements_report() {
        let met = r#"{"event":"order_placed","order_id":"","a.b":[],"total":1}"#;
        assert_eq!(charge().judge(&packet(met)), Verdict::Matches);
        let other = r#"{"event":"order_refused"}"#;
        assert_eq!(charge().judge(&packet(other)), Verdict::NotForMe);
        let levelled = r#"{"event":"order_placed","level":"gold"}"#;
        assert_eq!(charge().judge(&packet(levelled)), Verdict::NotForMe);
        let malformed =
            r#"{"event":"order_placed","level":null,"a.b":null,"order_id":7,"total":-5}"#;
        assert_eq!(
            charge().judge(&packet(malformed)),
            Verdict::Invalid(vec![
                "requires `@['a.b'] && @['a.b'] != null`, but @['a.b'] = null".into(),
                "requires `@.total > 0`, but @.total = -5".into(),
            ])
        );
        assert_eq!(charge().ignore_invalid().judge(&packet(malformed)), Verdict::NotForMe);
    }

    #[test]
    fn a_need_is_met_alone_and_in_a_list() {
        let river = River::new("offer").need("car");
        assert_eq!(river.judge(&Packet::need("car")), Verdict::Matches);
        assert_eq!(river.judge(&Packet::need(["bike", "car"])), Verdict::Matches);
        assert_eq!(river.judge(&Packet::need(["bike"])), Verdict::NotForMe);
    }

    #[test]
    fn a_repeated_key_counts_where_a_rule_names_it() {
        let repeated = r#"{"event":"order_placed","order_id":1,"a.b":1,"total":1,"total":2}"#;
        let Verdict::Invalid(problems) = charge().judge(&packet(repeated)) else { panic!() };
        assert_eq!(problems, ["the body repeats the key `@.total`"]);
        let beside = r#"{"event":"order_placed","order_id":1,"a.b":1,"total":1,"x":1,"x":2}"#;
        assert_eq!(charge().judge(&packet(beside)), Verdict::Matches);
    }

    #[test]
    fn a_packet_without_a_rapids_object_shows_its_fall_backs_to_expressions() {
        let fresh = River::new("fresh").when("@.rapids.read_count < 3 && @.rapids.id");
        assert_eq!(fresh.judge(&packet("{}")), Verdict::Matches);
        let wrong = packet(r#"{"rapids":{"read_count":"many","id":""}}"#);
        assert_eq!(fresh.judge(&wrong), Verdict::Matches);
        let tired = packet(r#"{"rapids":{"read_count":3}}"#);
        assert_eq!(fresh.judge(&tired), Verdict::NotForMe);
    }

    #[test]
    fn an_explanation_fits_a_log_line_and_a_terminal() {
        let river = River::new("charge").event("order_placed").require_that("@.total > 0");
        let body = r#"{"event":"order_placed","total":-5,"rapids":{"id":"p-1"}}"#;
        let explanation = river.explain(&packet(body));
        assert_eq!(
            explanation.to_string(),
            "river `charge` refuses as malformed packet `p-1`: requires `@.total > 0`, but \
             @.total = -5"
        );
        assert_eq!(
            format!("{explanation:#}"),
            "river `charge` refuses as malformed packet `p-1`\n  \
             ✓ takes    @.event == 'order_placed'  @.event = \"order_placed\"\n  \
             ✗ requires @.total > 0                @.total = -5"
        );
        let passing = river.explain(&packet(r#"{"rapids":{"id":"p-2"}}"#)).to_string();
        assert_eq!(
            passing,
            "river `charge` passes by packet `p-2`: takes only `@.event == 'order_placed'`, but \
             @.event is missing; requires `@.total > 0`, but @.total is missing"
        );
    }

    #[test]
    fn every_fault_of_a_declaration_is_listed() {
        let river = River::new("Big Name").when("@.total >").when("@.a == 1 ||");
        let error = river.check().unwrap_err().to_string();
        assert!(error.starts_with("river `Big Name` is declared wrongly: "), "{error}");
        for part in ["`@.total >`", "`@.a == 1 ||`", "its name is not", "it has no reaction"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        let bad_key = River::new("r").memory("m", "@.a[*]").react(|_: &mut u8, _: &Packet| Ok(()));
        assert!(bad_key.check().unwrap_err().to_string().contains("`@.a[*]`"));
    }

    #[test]
    fn a_faulty_river_takes_nothing() {
        let river = River::new("r").when("@.total >");
        assert_eq!(river.judge(&Packet::event("x")), Verdict::NotForMe);
    }
}
