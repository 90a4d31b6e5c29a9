//! An explanation as lines for people and as JSON for programs.

use anyhow::Result;
use rapids_client::{ClauseReport, Explanation, Rules, Verdict};
use serde::Serialize;

use crate::fitting::printable;
use crate::palette::{Palette, paint};

/// What is explained.
#[derive(Debug)]
pub(super) enum Subject {
    Expression(Rules),
    River { service: String, rules: Rules },
}

impl Subject {
    pub(super) fn rules(&self) -> &Rules {
        match self {
            Self::Expression(rules) | Self::River { rules, .. } => rules,
        }
    }

    /// `payment/charge`; none for an expression.
    fn river(&self) -> Option<String> {
        match self {
            Self::Expression(_) => None,
            Self::River { service, rules } => Some(format!("{service}/{}", rules.name)),
        }
    }
}

/// The verdict, and a line for each clause and each problem beside them.
pub(super) fn lines(subject: &Subject, explanation: &Explanation, palette: Palette) -> Vec<String> {
    let packet = &explanation.packet_id;
    let words = match (subject.river(), &explanation.verdict) {
        (Some(river), Verdict::Matches) => format!("river `{river}` takes packet `{packet}`"),
        (Some(river), Verdict::NotForMe) => format!("river `{river}` passes by packet `{packet}`"),
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
    };
    let style = if explanation.verdict == Verdict::Matches { palette.good } else { palette.bad };
    let mut lines = vec![paint(style, &printable(&words))];
    let width = explanation.clauses.iter().map(|clause| clause.expression.chars().count()).max();
    let is_river = subject.river().is_some();
    for clause in &explanation.clauses {
        lines.push(clause_line(clause, is_river, width.unwrap_or(0), palette));
    }
    for problem in beside_clauses(explanation) {
        lines.push(format!("  {} {}", paint(palette.bad, "✗"), printable(&problem)));
    }
    lines
}

fn clause_line(clause: &ClauseReport, is_river: bool, width: usize, palette: Palette) -> String {
    let (mark, style) = match (clause.held, clause.too_costly) {
        (true, _) => ("✓", palette.good),
        (false, false) => ("✗", palette.bad),
        (false, true) => ("?", palette.warning),
    };
    let role = match (is_river, clause.required) {
        (false, _) => "",
        (true, true) => "requires ",
        (true, false) => "takes    ",
    };
    let found = clause.found.iter().map(|(query, value)| match value {
        Some(value) => format!("{query} = {value}"),
        None => format!("{query} is missing"),
    });
    let found = paint(palette.faint, &printable(&found.collect::<Vec<_>>().join(", ")));
    let expression = printable(&clause.expression);
    format!("  {} {role}{expression:width$}  {found}", paint(style, mark)).trim_end().to_owned()
}

/// What is wrong although no clause says so, such as a key that stands there twice.
fn beside_clauses(explanation: &Explanation) -> Vec<String> {
    let problems = match &explanation.verdict {
        Verdict::Invalid(problems) => problems,
        Verdict::TooCostly(problem) => return vec![problem.clone()],
        _ => return Vec::new(),
    };
    let clauses: Vec<_> = explanation.clauses.iter().map(ToString::to_string).collect();
    problems.iter().filter(|problem| !clauses.contains(problem)).cloned().collect()
}

/// The explanation as one JSON object.
///
/// # Errors
/// None that can be: all of it has JSON.
pub(super) fn json(subject: &Subject, explanation: &Explanation) -> Result<String> {
    let (verdict, problems) = match &explanation.verdict {
        Verdict::Matches => ("matches", Vec::new()),
        Verdict::NotForMe => ("not_for_me", Vec::new()),
        Verdict::Looped => ("looped", Vec::new()),
        Verdict::Invalid(problems) => ("invalid", problems.clone()),
        Verdict::TooCostly(problem) => ("too_costly", vec![problem.clone()]),
    };
    let expression = match subject {
        Subject::Expression(rules) => Some(rules.conditions.join(" && ")),
        Subject::River { .. } => None,
    };
    let clauses = explanation.clauses.iter().map(|clause| ToldClause {
        expression: &clause.expression,
        required: clause.required,
        held: clause.held,
        too_costly: clause.too_costly,
        found: clause
            .found
            .iter()
            .map(|(query, value)| ToldFinding { query, value: value.as_deref() })
            .collect(),
    });
    Ok(serde_json::to_string(&Told {
        river: subject.river(),
        expression,
        packet: &explanation.packet_id,
        matches: explanation.verdict == Verdict::Matches,
        verdict,
        problems,
        clauses: clauses.collect(),
    })?)
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    river: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    packet: &'a str,
    matches: bool,
    verdict: &'static str,
    problems: Vec<String>,
    clauses: Vec<ToldClause<'a>>,
}

#[derive(Serialize)]
struct ToldClause<'a> {
    expression: &'a str,
    required: bool,
    held: bool,
    too_costly: bool,
    found: Vec<ToldFinding<'a>>,
}

#[derive(Serialize)]
struct ToldFinding<'a> {
    query: &'a str,
    value: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clauses::apart;
    use rapids_client::{Packet, River};

    fn charge() -> Subject {
        let river =
            River::new("charge").event("order_placed").require_that("@.total > 0 && @.customer");
        Subject::River { service: "payment".to_owned(), rules: river.rules() }
    }

    fn explained(subject: &Subject, body: &str) -> Explanation {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        River::from_rules(apart(subject.rules())).explain(&packet)
    }

    #[test]
    fn a_river_is_explained_clause_by_clause() {
        let body = r#"{"event":"order_placed","total":1.10,"rapids":{"id":"p-1"}}"#;
        let explanation = explained(&charge(), body);
        assert_eq!(
            lines(&charge(), &explanation, Palette::plain()),
            [
                "river `payment/charge` refuses packet `p-1` as malformed",
                "  ✓ takes    @.event == 'order_placed'  @.event = \"order_placed\"",
                "  ✓ requires @.total > 0                @.total = 1.10",
                "  ✗ requires @.customer                 @.customer is missing",
            ]
        );
    }

    #[test]
    fn what_no_clause_tells_is_told_beside_them() {
        let expression = River::new("where").when("@.total > 0").rules();
        let subject = Subject::Expression(expression);
        let body = r#"{"total":1,"total":2,"rapids":{"id":"p-1"}}"#;
        assert_eq!(
            lines(&subject, &explained(&subject, body), Palette::plain()),
            [
                "packet `p-1` does not match",
                "  ✓ @.total > 0  @.total = 1",
                "  ✗ the body repeats the key `@.total`",
            ]
        );
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let body = r#"{"event":"order_placed","total":1.10,"rapids":{"id":"p-1"}}"#;
        let told = json(&charge(), &explained(&charge(), body)).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["river"], "payment/charge");
        assert_eq!((&told["matches"], &told["verdict"]), (&false.into(), &"invalid".into()));
        assert_eq!(told["problems"][0], "requires `@.customer`, but @.customer is missing");
        assert_eq!(told["clauses"][1]["found"][0]["value"], "1.10");
        assert_eq!(told["clauses"][2]["found"][0]["value"], serde_json::Value::Null);
    }
}
