//! Parses and compiles a text, and puts every fault at its place.
//!
//! The parser takes whole JSONPath queries, so the text goes to it as `$[?` + text + `]`. Its
//! errors are translated here: rules of its grammar into words, its positions into columns of the
//! user's text, and faults without a position into the clause that has them. It rounds numbers and
//! refuses large ones, so it is given zeros instead.

use std::collections::BTreeSet;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{Segment, Selector};
use jsonpath_rust::parser::{Rule, parse_json_path};
use pest::error::InputLocation;

use super::compile::compile;
use super::error::{ExpressionError, FaultLocation};
use super::tree::{Literal, Logic, Value};
use super::{cost, hint, lexis};

const BEFORE: &str = "$[?";
const AFTER: &str = "]";
/// What the grammar asks for after a complete value or condition.
const OPERATOR: &str = "an operator";

/// A fault, with its byte offset where that is known.
struct Fault {
    at: Option<usize>,
    reason: String,
}

impl From<lexis::Fault> for Fault {
    fn from(fault: lexis::Fault) -> Self {
        Fault { at: Some(fault.at), reason: fault.reason }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault { at: None, reason }
    }
}

/// Parses and compiles an expression.
pub(super) fn expression(text: &str) -> Result<Logic, ExpressionError> {
    logic(text).map_err(|fault| {
        let place = match fault.at {
            Some(at) => FaultLocation::Column(text[..at].chars().count() + 1),
            None => clause_at_fault(text),
        };
        ExpressionError::new(text, place, fault.reason)
    })
}

/// Reads a text that is one string literal and nothing else: `'all'`.
pub(crate) fn text_literal(text: &str) -> Result<Box<str>, ExpressionError> {
    if let Err(fault) = lexis::read(text) {
        let place = FaultLocation::Column(text[..fault.at].chars().count() + 1);
        return Err(ExpressionError::new(text, place, fault.reason));
    }
    match logic(&format!("{text} == @")) {
        Ok(Logic::Compare { left: Value::Literal(Literal::String(literal)), right, .. }) if matches!(&right, Value::Query(query) if query.path.steps().is_empty()) => {
            Ok(literal)
        }
        _ => {
            Err(ExpressionError::new(text, FaultLocation::Whole, "it is no text alone".to_owned()))
        }
    }
}

fn logic(text: &str) -> Result<Logic, Fault> {
    let lexis = lexis::read(text)?;
    let mut seen = format!("{BEFORE}{text}{AFTER}");
    for number in &lexis.numbers {
        // The zero is padded to the length of the number, so that all positions stay.
        let place = BEFORE.len() + number.start..BEFORE.len() + number.end;
        seen.replace_range(place, &format!("{:<width$}", "0", width = number.len()));
    }
    let query = parse_json_path(&seen).map_err(|error| translate(text, error))?;
    match query.segments.as_slice() {
        [Segment::Selector(Selector::Filter(filter))] => {
            let numbers: Vec<&str> =
                lexis.numbers.iter().map(|number| &text[number.clone()]).collect();
            let logic = compile(filter, &numbers)?;
            cost::check(&logic)?;
            Ok(logic)
        }
        _ => Err("it closes a bracket that it did not open".to_owned().into()),
    }
}

/// Finds the first clause that has a fault by itself, too.
fn clause_at_fault(text: &str) -> FaultLocation {
    let clauses = lexis::read(text).map(|lexis| lexis.clauses).unwrap_or_default();
    match clauses.as_slice() {
        [] | [_] => FaultLocation::Whole,
        clauses => clauses
            .iter()
            .find(|clause| logic(clause).is_err())
            .map_or(FaultLocation::Whole, |clause| FaultLocation::Clause((*clause).to_owned())),
    }
}

fn translate(text: &str, error: JsonPathError) -> Fault {
    match error {
        JsonPathError::PestError(error) => {
            let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
            let at = at.saturating_sub(BEFORE.len()).min(text.len());
            let at = at + text[at..].len() - text[at..].trim_start().len();
            let mut expected = BTreeSet::new();
            error.renamed_rules(|rule| {
                expected.insert(wanted(*rule));
                String::new()
            });
            Fault { at: Some(at), reason: misplaced(text, at, &expected) }
        }
        JsonPathError::InvalidJsonPath(reason) => reworded(&reason).into(),
        other => other.to_string().into(),
    }
}

/// Says that what stands at this offset is out of place.
fn misplaced(text: &str, at: usize, expected: &BTreeSet<&str>) -> String {
    let rest = &text[at..];
    let symbol = |c: char| "=!<>&|".contains(c);
    let end = rest.find(|c| !symbol(c)).filter(|end| *end > 0);
    let end = end.or_else(|| rest.chars().next().map(char::len_utf8)).unwrap_or_default();
    let found = &rest[..end];
    if matches!(found, "==" | "!=" | "<" | "<=" | ">" | ">=") && expected.contains(OPERATOR) {
        let meant = hint::any_of(text, at, found).filter(|meant| logic(meant).is_ok());
        let meant = meant.map_or(String::new(), |meant| {
            format!(". Whether it holds of any of several is asked so: `{meant}`")
        });
        return format!(
            "`{found}` cannot stand here; its sides are single values: \
             literals, queries of one place or functions{meant}"
        );
    }
    let wanted: Vec<&str> = expected.iter().copied().collect();
    let wanted = wanted.join(" or ");
    match found {
        "" => format!("the end stands where {wanted} should"),
        found => format!("`{found}` stands where {wanted} should"),
    }
}

/// Says in the user's words what the grammar asks for.
fn wanted(rule: Rule) -> &'static str {
    match rule {
        Rule::atom_expr | Rule::logical_expr | Rule::logical_expr_and | Rule::filter_selector => {
            "a condition"
        }
        Rule::comparable | Rule::literal | Rule::number => "a value to compare with",
        Rule::function_argument => "an argument",
        Rule::selector
        | Rule::string
        | Rule::name_selector
        | Rule::wildcard_selector
        | Rule::slice_selector
        | Rule::index_selector
        | Rule::int => "a key in quotes, an index or `*`",
        _ => OPERATOR,
    }
}

/// Rewords what the parser says of calls that its grammar lets through.
fn reworded(reason: &str) -> String {
    for name in ["match", "search"] {
        if reason.starts_with(&format!("Function {name}(")) {
            return super::compile::not_comparable(name);
        }
    }
    if reason.starts_with("Invalid argument for the function `count`") {
        return super::compile::needs_query("count");
    }
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_long_and_very_deep_texts_are_no_danger() {
        let chain = vec!["@.a == 1"; 20_000].join(" || ");
        expression(&chain).unwrap();
        let deep = |levels: usize| format!("{}@.a{}", "(".repeat(levels), ")".repeat(levels));
        expression(&deep(127)).unwrap();
        let error = expression(&deep(128)).unwrap_err();
        assert!(error.to_string().contains(" at column 128: "), "{error:.300}");
        let filters = |levels: usize| format!("{}@.a{}", "@[?".repeat(levels), "]".repeat(levels));
        expression(&filters(127)).unwrap();
    }

    #[test]
    fn calls_within_calls_are_refused_before_they_take_forever() {
        let calls = |levels: usize| {
            let (open, close) = ("@[?match(@[?".repeat(levels), "], 'x')]".repeat(levels));
            format!("{open}@.a{close}")
        };
        let place = "@[?".len() + "match(@[?@[?".len() * 5 + 1;
        expression(&calls(5)).unwrap_err();
        let error = expression(&calls(30)).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!(" at column {place}: calls nest deeper than 5")),
            "{error}"
        );
        let unsound = format!("{}@.a =={} == 1", "length(".repeat(100), ")".repeat(100));
        let error = expression(&unsound).unwrap_err().to_string();
        assert!(error.ends_with(" at column 36: calls nest deeper than 5"), "{error}");
    }
}
