//! How one river fared with packets of one name, in the earlier and the later half of a window.

use super::AnnouncedRiver;
use crate::packet::Packet;
use crate::river::{ClauseReport, Verdict};

/// So many packets that a river takes no more are explained. What fails in most of them is told.
const EXPLAINED: u32 = 100;

/// Packets of one name, and what one river made of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Half {
    /// How many there were.
    pub(super) came: u64,
    /// Of these, met the conditions.
    pub(super) met: u64,
    /// Of these, met the requirements.
    pub(super) valid: u64,
}

#[derive(Debug, Default)]
pub(super) struct Halves {
    pub(super) earlier: Half,
    pub(super) later: Half,
    /// Which clauses fail in the later half, as long as all packets fail there that did not before.
    failing: Option<Box<Failing>>,
}

/// How often each clause fails, with what was found last.
#[derive(Debug, Default)]
struct Failing {
    explained: u32,
    clauses: Vec<(u32, ClauseReport)>,
    /// What is wrong with a packet of which each clause holds, as one that repeats a key.
    problem: Option<String>,
}

impl Halves {
    /// Takes note of a packet; `verdict` is `None` if its bytes tell that the conditions do not hold.
    pub(super) fn add(
        &mut self,
        (river, packet): (&AnnouncedRiver, &Packet),
        verdict: Option<&Verdict>,
        is_later: bool,
    ) {
        let half = if is_later { &mut self.later } else { &mut self.earlier };
        let met = !matches!(verdict, None | Some(Verdict::NotForMe));
        let valid = matches!(verdict, Some(Verdict::Matches));
        half.came += 1;
        half.met += u64::from(met);
        half.valid += u64::from(valid);
        if valid {
            self.failing = None;
        }
        if !is_later || valid {
            return;
        }
        // The first that meets the conditions again ends what was found of others.
        if met && self.later.met == 1 {
            self.failing = None;
        }
        let is_worth_it = if met {
            self.earlier.valid > 0 && self.later.valid == 0
        } else {
            self.earlier.met > 0 && self.later.met == 0
        };
        if is_worth_it {
            self.failing.get_or_insert_default().add(river, packet, verdict);
        }
    }

    /// What fails in most of the packets of the later half, in words such as ``takes only `@.a == 1`, but
    /// @.a is missing``.
    pub(super) fn reason(&self) -> Option<String> {
        let failing = self.failing.as_deref()?;
        // Of clauses that fail equally often, the first.
        let worst = failing.clauses.iter().rev().max_by_key(|(count, _)| *count);
        worst.map(|(_, clause)| clause.to_string()).or_else(|| failing.problem.clone())
    }
}

impl Failing {
    fn add(&mut self, river: &AnnouncedRiver, packet: &Packet, verdict: Option<&Verdict>) {
        if self.explained >= EXPLAINED {
            return;
        }
        self.explained += 1;
        match verdict {
            // To explain it would be as costly.
            Some(Verdict::TooCostly(problem)) => {
                self.problem = Some(problem.clone());
                return;
            }
            Some(Verdict::Invalid(problems)) => self.problem = problems.first().cloned(),
            _ => {}
        }
        for clause in river.explain(packet).clauses {
            if clause.held {
                continue;
            }
            let is_it = |(_, known): &&mut (u32, ClauseReport)| {
                known.expression == clause.expression && known.required == clause.required
            };
            match self.clauses.iter_mut().find(is_it) {
                Some(known) => *known = (known.0 + 1, clause),
                None => self.clauses.push((1, clause)),
            }
        }
    }
}
