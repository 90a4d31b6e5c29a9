//! What a river or an expression makes of a packet, and why: as lines and as JSON.
//!
//! The words are left to `rapids-views`.

use anyhow::Result;
use rapids_client::map::AnnouncedRiver;
use rapids_client::{ClauseReport, Explanation, Packet, River, Rules, Verdict, printable};
use rapids_views::verdict::{beside_clauses, sentence};
use serde::Serialize;

use crate::line::Line;
use crate::palette::Palette;

/// What judges a packet.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    Expression(Rules),
    River(Box<AnnouncedRiver>),
}

impl From<AnnouncedRiver> for Subject {
    fn from(river: AnnouncedRiver) -> Self {
        Self::River(Box::new(river))
    }
}

impl Subject {
    /// Judges the packet, and tells of each clause why.
    ///
    /// Runs on another thread, so that an interrupt is handled meanwhile.
    ///
    /// # Errors
    /// None, unless the other thread fails.
    pub(crate) async fn explain(&self, packet: &Packet) -> Result<Explanation> {
        let (subject, packet) = (self.clone(), packet.clone());
        Ok(tokio::task::spawn_blocking(move || subject.judged(&packet)).await?)
    }

    fn judged(&self, packet: &Packet) -> Explanation {
        match self {
            Self::Expression(rules) => River::from_rules(rules.split()).explain(packet),
            Self::River(river) => river.explain(packet),
        }
    }

    /// A name such as `payment/charge`; `None` for an expression.
    fn river(&self) -> Option<String> {
        match self {
            Self::Expression(_) => None,
            Self::River(river) => Some(river.to_string()),
        }
    }
}

/// A line for the verdict, for each clause, and for each problem that no clause shows.
pub(crate) fn lines(subject: &Subject, explanation: &Explanation, palette: Palette) -> Vec<Line> {
    let words = sentence(subject.river().as_deref(), explanation);
    let style = if explanation.verdict == Verdict::Matches { palette.good } else { palette.bad };
    let mut lines = vec![Line::new().styled(style, words)];
    let width = explanation.clauses.iter().map(|clause| expression(clause).chars().count()).max();
    let is_river = subject.river().is_some();
    for clause in &explanation.clauses {
        lines.push(clause_line(clause, is_river, width.unwrap_or(0), palette));
    }
    for problem in beside_clauses(explanation) {
        lines.push(Line::from("  ").styled(palette.bad, "✗").text(" ").text(problem));
    }
    lines
}

/// The expression of a clause as it is printed.
fn expression(clause: &ClauseReport) -> String {
    printable(&clause.expression).to_string()
}

fn clause_line(clause: &ClauseReport, is_river: bool, width: usize, palette: Palette) -> Line {
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
    let found = clause.findings();
    let expression = expression(clause);
    let line = Line::from("  ").styled(style, mark);
    let line = line.text(format_args!(" {role}{expression:width$}  "));
    if found.is_empty() { line.trimmed() } else { line.styled(palette.faint, found) }
}

/// The explanation as one JSON object.
///
/// # Errors
/// None: everything in it can be written as JSON.
pub(crate) fn json(subject: &Subject, explanation: &Explanation) -> Result<String> {
    let (verdict, problems) = match &explanation.verdict {
        Verdict::Matches => ("matches", Vec::new()),
        Verdict::NotForMe => ("not_for_me", Vec::new()),
        Verdict::Looped => ("looped", Vec::new()),
        Verdict::Invalid(problems) => ("invalid", problems.clone()),
        Verdict::TooCostly(problem) => ("too_costly", vec![problem.clone()]),
    };
    let expression = match subject {
        Subject::Expression(rules) => Some(rules.conditions.join(" && ")),
        Subject::River(_) => None,
    };
    let clauses = explanation.clauses.iter().map(|clause| ClauseJson {
        expression: &clause.expression,
        required: clause.required,
        held: clause.held,
        too_costly: clause.too_costly,
        found: clause
            .found
            .iter()
            .map(|(query, value)| FindingJson { query, value: value.as_deref() })
            .collect(),
        left_out: clause.left_out,
        mismatches: clause
            .mismatches
            .iter()
            .map(|(query, mismatch)| MismatchJson { query, mismatch })
            .collect(),
    });
    Ok(serde_json::to_string(&ExplanationJson {
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
struct ExplanationJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    river: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    packet: &'a str,
    matches: bool,
    verdict: &'static str,
    problems: Vec<String>,
    clauses: Vec<ClauseJson<'a>>,
}

#[derive(Serialize)]
struct ClauseJson<'a> {
    expression: &'a str,
    required: bool,
    held: bool,
    too_costly: bool,
    found: Vec<FindingJson<'a>>,
    #[serde(skip_serializing_if = "is_none_left_out")]
    left_out: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mismatches: Vec<MismatchJson<'a>>,
}

#[derive(Serialize)]
struct MismatchJson<'a> {
    query: &'a str,
    mismatch: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_left_out(left_out: &usize) -> bool {
    *left_out == 0
}

#[derive(Serialize)]
struct FindingJson<'a> {
    query: &'a str,
    value: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge() -> Subject {
        let river =
            River::new("charge").event("order_placed").require_that("@.total > 0 && @.customer");
        Subject::from(AnnouncedRiver::new("payment", &river.rules()))
    }

    fn explained(subject: &Subject, body: &str) -> Explanation {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        subject.judged(&packet)
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
            .map(Line::from)
        );
    }

    #[test]
    fn a_problem_that_no_clause_shows_has_a_line_of_its_own() {
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
            .map(Line::from)
        );
    }

    #[test]
    fn a_filter_is_explained_element_by_element() {
        let expression = River::new("where").when("@.items[?@.quantity > 10]").rules();
        let subject = Subject::Expression(expression);
        let items = (0..42).map(|_| r#"{"quantity":"12"}"#).collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"items":[{{"quantity":3}},{items}],"rapids":{{"id":"p-1"}}}}"#);
        let explanation = explained(&subject, &body);
        let [_, clause] = &lines(&subject, &explanation, Palette::plain())[..] else {
            panic!("one clause")
        };
        let begin = "  ✗ @.items[?@.quantity > 10]  @.items[?@.quantity > 10] is missing, \
                     @.items[0].quantity = 3, @.items[1].quantity = \"12\" (a text, not a number), ";
        let clause = clause.painted();
        assert!(clause.starts_with(begin), "{clause}");
        assert!(clause.ends_with(", ... and 38 more"), "{clause}");
        let output: serde_json::Value =
            serde_json::from_str(&json(&subject, &explanation).unwrap()).unwrap();
        let clause = &output["clauses"][0];
        assert_eq!(clause["left_out"], 38);
        assert_eq!(clause["mismatches"][0]["query"], "@.items[1].quantity");
        assert_eq!(clause["mismatches"][0]["mismatch"], "a text, not a number");
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let body = r#"{"event":"order_placed","total":1.10,"rapids":{"id":"p-1"}}"#;
        let output = json(&charge(), &explained(&charge(), body)).unwrap();
        let output: serde_json::Value = serde_json::from_str(&output).unwrap();
        assert_eq!(output["river"], "payment/charge");
        assert_eq!((&output["matches"], &output["verdict"]), (&false.into(), &"invalid".into()));
        assert_eq!(output["problems"][0], "requires `@.customer`, but @.customer is missing");
        assert_eq!(output["clauses"][1]["found"][0]["value"], "1.10");
        assert_eq!(output["clauses"][2]["found"][0]["value"], serde_json::Value::Null);
    }
}
