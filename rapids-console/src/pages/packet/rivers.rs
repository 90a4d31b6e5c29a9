//! Which rivers take a packet and which do not, clause by clause, without what is masked.

use rapids_client::map::AnnouncedRiver;
use rapids_client::{ClauseReport, Explanation, Packet, ServiceInfo, Verdict};
use rapids_views::verdict::{beside_clauses, reason, would};

use crate::frame::Frame;
use crate::text::{Mask, short, shown};

/// How many rivers are asked.
const MOST: usize = 500;

/// What all rivers make of a packet.
#[derive(Debug, Default)]
pub(crate) struct Rivers {
    /// Those that take it, then those that refuse it.
    pub(crate) concerned: Vec<Judged>,
    pub(crate) ignoring: Vec<Judged>,
    pub(crate) takers: usize,
    /// How many more there are than are asked.
    pub(crate) left_out: usize,
}

/// What one river makes of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) river: String,
    pub(crate) service: String,
    pub(crate) address: String,
    pub(crate) mark: &'static str,
    pub(crate) class: &'static str,
    /// Such as `would take it`.
    pub(crate) would: &'static str,
    pub(crate) is_taken: bool,
    /// Why it is not taken.
    pub(crate) reason: Option<String>,
    pub(crate) clauses: Vec<Clause>,
    /// Problems that no clause shows.
    pub(crate) problems: Vec<String>,
}

/// One clause of a river.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) mark: &'static str,
    pub(crate) class: &'static str,
    /// What the mark says, for who does not see it.
    pub(crate) word: &'static str,
    pub(crate) role: &'static str,
    pub(crate) expression: String,
    pub(crate) found: String,
}

impl Rivers {
    /// Lets each river judge the packet. Takes time in the processor, and waits for nothing.
    pub(crate) fn of(
        instances: &[ServiceInfo],
        packet: &Packet,
        mask: &Mask,
        frame: &Frame,
    ) -> Self {
        let rivers = AnnouncedRiver::all(instances);
        let mut judged = Self { left_out: rivers.len().saturating_sub(MOST), ..Self::default() };
        for river in rivers.iter().take(MOST) {
            let explanation = masked(&river.explain(packet), mask);
            let row = Judged::of(river, &explanation, frame);
            match explanation.verdict {
                Verdict::Matches => {
                    judged.concerned.insert(judged.takers, row);
                    judged.takers += 1;
                }
                Verdict::NotForMe => judged.ignoring.push(row),
                _ => judged.concerned.push(row),
            }
        }
        judged
    }

    /// Whether no river is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.concerned.is_empty() && self.ignoring.is_empty()
    }
}

impl Judged {
    fn of(river: &AnnouncedRiver, explanation: &Explanation, frame: &Frame) -> Self {
        let (mark, class) = match explanation.verdict {
            Verdict::Matches => ("✓", "good"),
            Verdict::NotForMe => ("–", ""),
            Verdict::TooCostly(_) => ("?", "warning"),
            Verdict::Invalid(_) | Verdict::Looped => ("✗", "bad"),
        };
        Self {
            river: short(river.name()),
            service: short(river.service()),
            address: frame.on_map(river.service()),
            mark,
            class,
            would: would(&explanation.verdict),
            is_taken: explanation.verdict == Verdict::Matches,
            reason: reason(explanation).map(shown),
            clauses: explanation.clauses.iter().map(Clause::of).collect(),
            problems: beside_clauses(explanation).into_iter().map(shown).collect(),
        }
    }
}

impl Clause {
    fn of(clause: &ClauseReport) -> Self {
        let (mark, class, word) = match (clause.held, clause.too_costly) {
            (true, _) => ("✓", "good", "holds"),
            (false, false) => ("✗", "bad", "does not hold"),
            (false, true) => ("?", "warning", "too costly to tell"),
        };
        Self {
            mark,
            class,
            word,
            role: if clause.required { "requires" } else { "takes only" },
            expression: shown(&clause.expression),
            found: shown(clause.findings()),
        }
    }
}

/// The explanation without the values that the mask hides, also where problems quote them.
fn masked(explanation: &Explanation, mask: &Mask) -> Explanation {
    if mask.is_empty() {
        return explanation.clone();
    }
    let clauses: Vec<_> = explanation.clauses.iter().map(|it| masked_clause(it, mask)).collect();
    let problem = |problem: &String| {
        let place = explanation.clauses.iter().position(|clause| clause.to_string() == *problem);
        place.map_or_else(|| mask.sentence(problem), |place| clauses[place].to_string())
    };
    let verdict = match &explanation.verdict {
        Verdict::Invalid(problems) => Verdict::Invalid(problems.iter().map(problem).collect()),
        Verdict::TooCostly(why) => Verdict::TooCostly(mask.sentence(why)),
        other => other.clone(),
    };
    Explanation { verdict, clauses, ..explanation.clone() }
}

fn masked_clause(clause: &ClauseReport, mask: &Mask) -> ClauseReport {
    let mut clause = clause.clone();
    for (query, value) in &mut clause.found {
        if value.is_some() && mask.hides(query) {
            *value = Some("•••".to_owned());
        }
    }
    // What a value is like tells something of it.
    clause.mismatches.retain(|(query, _)| !mask.hides(query));
    clause
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::River;

    fn explained(mask: &str, body: &str) -> Explanation {
        let river = River::new("charge").event("order_placed").require_that("@.total > 100");
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        masked(&river.explain(&packet), &mask.parse().unwrap())
    }

    #[test]
    fn values_that_are_masked_are_neither_found_nor_a_reason() {
        let body = r#"{"event":"order_placed","total":42,"rapids":{"id":"p-1"}}"#;
        for (mask, is_shown) in [("", true), ("customer", true), ("total", false)] {
            let explanation = explained(mask, body);
            assert_eq!(explanation.clauses[1].findings().contains("42"), is_shown, "{mask}");
            assert_eq!(reason(&explanation).unwrap().contains("42"), is_shown, "{mask}");
            assert!(beside_clauses(&explanation).is_empty(), "{mask}");
            assert!(matches!(explanation.verdict, Verdict::Invalid(_)));
        }
    }

    #[test]
    fn what_a_masked_value_is_like_is_not_told() {
        let body = r#"{"event":"order_placed","total":"42","rapids":{"id":"p-1"}}"#;
        assert!(explained("", body).clauses[1].findings().contains("a text, not a number"));
        assert_eq!(explained("total", body).clauses[1].findings(), "@.total = •••");
    }
}
