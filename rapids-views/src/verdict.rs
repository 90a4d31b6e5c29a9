//! Why a packet is taken or not, in words.

use rapids_client::{Explanation, Verdict};

/// Says what a river makes of the packet, or an expression if there is no river, as a sentence such as
/// ``river `payment/charge` ignores packet `p-1` ``.
#[must_use]
pub fn sentence(river: Option<&str>, explanation: &Explanation) -> String {
    let packet = &explanation.packet_id;
    match (river, &explanation.verdict) {
        (Some(river), Verdict::Matches) => format!("river `{river}` takes packet `{packet}`"),
        (Some(river), Verdict::NotForMe) => format!("river `{river}` ignores packet `{packet}`"),
        (Some(river), Verdict::Looped) => {
            format!("river `{river}` refuses packet `{packet}` as a loop")
        }
        (Some(river), Verdict::Invalid(_)) => {
            format!("river `{river}` refuses packet `{packet}` as malformed")
        }
        (Some(river), Verdict::TooCostly(_)) => {
            format!("river `{river}` refuses packet `{packet}` as too costly")
        }
        (None, Verdict::TooCostly(_)) => {
            format!("whether packet `{packet}` matches is too costly to tell")
        }
        (None, Verdict::Matches) => format!("packet `{packet}` matches"),
        (None, _) => format!("packet `{packet}` does not match"),
    }
}

/// Says what a river would do with a packet, such as `would take it`.
#[must_use]
pub fn would(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Matches => "would take it",
        Verdict::NotForMe => "would ignore it",
        Verdict::Invalid(_) => "would refuse it as malformed",
        Verdict::TooCostly(_) => "would refuse it as too costly",
        Verdict::Looped => "would refuse it as a loop",
    }
}

/// Says why a packet is not taken; `None` if it is.
#[must_use]
pub fn reason(explanation: &Explanation) -> Option<String> {
    let of_clauses = |required: bool| {
        let clauses = explanation.clauses.iter();
        let failed = clauses.filter(move |clause| !clause.held && clause.required == required);
        failed.map(ToString::to_string).collect::<Vec<_>>()
    };
    let reasons = match &explanation.verdict {
        Verdict::Matches | Verdict::Looped => Vec::new(),
        Verdict::Invalid(problems) => problems.clone(),
        Verdict::TooCostly(problem) => vec![problem.clone()],
        // One that refuses nothing ignores also what its requirements do not hold of.
        Verdict::NotForMe => match of_clauses(false) {
            none if none.is_empty() => of_clauses(true),
            conditions => conditions,
        },
    };
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Names the problems that no clause shows, such as a repeated key.
#[must_use]
pub fn beside_clauses(explanation: &Explanation) -> Vec<String> {
    let problems = match &explanation.verdict {
        Verdict::Invalid(problems) => problems,
        Verdict::TooCostly(problem) => return vec![problem.clone()],
        _ => return Vec::new(),
    };
    let clauses: Vec<_> = explanation.clauses.iter().map(ToString::to_string).collect();
    problems.iter().filter(|problem| !clauses.contains(problem)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::{Packet, River};

    fn explained(body: &str) -> Explanation {
        let river = River::new("charge").event("order_placed").require_that("@.total > 0");
        river.explain(&Packet::from_bytes(body.to_owned()).unwrap())
    }

    #[test]
    fn a_packet_of_another_name_is_ignored_for_its_conditions_alone() {
        let explanation = explained(r#"{"event":"order_paid","rapids":{"id":"p-1"}}"#);
        let river = Some("payment/charge");
        assert_eq!(sentence(river, &explanation), "river `payment/charge` ignores packet `p-1`");
        assert_eq!(sentence(None, &explanation), "packet `p-1` does not match");
        assert_eq!(would(&explanation.verdict), "would ignore it");
        let expected =
            "takes only `@.event == 'order_placed'`, but @.event = \"order_paid\"".to_owned();
        assert_eq!(reason(&explanation), Some(expected));
    }

    #[test]
    fn a_packet_is_refused_for_what_is_required_and_for_what_no_clause_shows() {
        let body = r#"{"event":"order_placed","total":0,"total":1,"rapids":{"id":"p-1"}}"#;
        let explanation = explained(body);
        let repeated = "the body repeats the key `@.total`";
        assert_eq!(beside_clauses(&explanation), [repeated]);
        assert!(reason(&explanation).unwrap().contains(repeated));
    }

    #[test]
    fn there_is_no_reason_against_a_packet_that_is_taken() {
        let explanation = explained(r#"{"event":"order_placed","total":1,"rapids":{"id":"p-1"}}"#);
        assert_eq!(reason(&explanation), None);
        assert!(beside_clauses(&explanation).is_empty());
    }
}
