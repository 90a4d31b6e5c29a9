//! Compiles the parser's syntax tree.
//!
//! Checks that calls of functions are well typed (RFC 9535, section 2.4.3), which the parser does
//! only in part, compiles constant patterns, and puts numbers back as the user wrote them. An error
//! is only the reason; [`parse`](super::parse) finds its place.

use jsonpath_rust::parser::model as syntax;
use syntax::{
    Comparable, Comparison, Filter, FilterAtom, FnArg, SingularQuery, Test, TestFunction,
};

use super::fixed;
use super::path::Path;
use super::pattern::{self, Extent, MAX_CONSTANT};
use super::tree::{Literal, Logic, Operator, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::Step;

/// Compiles a filter. `numbers` are its literals in order; the parser saw zeros instead.
pub(super) fn compile(filter: &Filter, numbers: &[&str]) -> Result<Logic, String> {
    Compiler { numbers: numbers.iter(), depth: 0 }.logic(filter)
}

pub(super) fn not_comparable(function: &str) -> String {
    format!("`{function}` is true or false by itself and cannot be compared")
}

pub(super) fn needs_query(function: &str) -> String {
    format!("`{function}` takes a query, such as `@.items[*]`")
}

/// Walks the syntax tree in the order of the text, which is the order of the numbers.
struct Compiler<'t> {
    numbers: std::slice::Iter<'t, &'t str>,
    /// How many filters are around.
    depth: usize,
}

impl Compiler<'_> {
    fn logic(&mut self, filter: &Filter) -> Result<Logic, String> {
        match filter {
            Filter::Or(parts) => Ok(Logic::Or(self.logics(parts)?)),
            Filter::And(parts) => Ok(Logic::And(self.logics(parts)?)),
            Filter::Atom(FilterAtom::Filter { expr, not }) => Ok(negated(self.logic(expr)?, *not)),
            Filter::Atom(FilterAtom::Test { expr, not }) => Ok(negated(self.test(expr)?, *not)),
            Filter::Atom(FilterAtom::Comparison(comparison)) => self.comparison(comparison),
        }
    }

    fn logics(&mut self, filters: &[Filter]) -> Result<Vec<Logic>, String> {
        filters.iter().map(|filter| self.logic(filter)).collect()
    }

    fn comparison(&mut self, comparison: &Comparison) -> Result<Logic, String> {
        let operator = match comparison {
            Comparison::Eq(..) => Operator::Equal,
            Comparison::Ne(..) => Operator::NotEqual,
            Comparison::Lt(..) => Operator::Less,
            Comparison::Lte(..) => Operator::LessOrEqual,
            Comparison::Gt(..) => Operator::Greater,
            Comparison::Gte(..) => Operator::GreaterOrEqual,
        };
        let (left, right) = comparison.vals();
        let left = self.comparable(left)?;
        Ok(Logic::Compare { left, operator, right: self.comparable(right)? })
    }

    fn comparable(&mut self, comparable: &Comparable) -> Result<Value, String> {
        match comparable {
            Comparable::Literal(literal) => Ok(Value::Literal(self.literal(literal)?)),
            Comparable::Function(function) => self.value_function(function),
            Comparable::SingularQuery(query) => {
                let (origin, segments) = match query {
                    SingularQuery::Current(segments) => (self.current(), segments),
                    SingularQuery::Root(segments) => (Origin::Packet, segments),
                };
                let step = |segment: &syntax::SingularQuerySegment| match segment {
                    syntax::SingularQuerySegment::Name(name) => Step::Name(name.clone()),
                    syntax::SingularQuerySegment::Index(index) => Step::Index(*index),
                };
                let path = Path::new(segments.iter().map(step).collect());
                Ok(Value::Query(Query { origin, path, segments: Vec::new() }))
            }
        }
    }

    fn literal(&mut self, literal: &syntax::Literal) -> Result<Literal, String> {
        Ok(match literal {
            syntax::Literal::Null => Literal::Null,
            syntax::Literal::Bool(value) => Literal::Bool(*value),
            syntax::Literal::String(text) => Literal::String(text.as_str().into()),
            syntax::Literal::Int(_) | syntax::Literal::Float(_) => match self.numbers.next() {
                Some(written) => Literal::Number((*written).into()),
                None => return Err("it holds a number that cannot be read".to_owned()),
            },
        })
    }

    /// Compiles a query or a function that is a condition by itself.
    fn test(&mut self, test: &Test) -> Result<Logic, String> {
        let function = match test {
            Test::RelQuery(segments) => {
                return Ok(Logic::Exists(self.query(self.current(), segments)?));
            }
            Test::AbsQuery(query) => {
                return Ok(Logic::Exists(self.query(Origin::Packet, &query.segments)?));
            }
            Test::Function(function) => &**function,
        };
        match function {
            TestFunction::Match(text, pattern) => {
                self.matches("match", text, pattern, Extent::Whole)
            }
            TestFunction::Search(text, pattern) => {
                self.matches("search", text, pattern, Extent::Part)
            }
            TestFunction::Length(_) => Err(needs_comparison("length")),
            TestFunction::Count(_) => Err(needs_comparison("count")),
            TestFunction::Value(_) => Err(needs_comparison("value")),
            TestFunction::Custom(name, _) => Err(unknown(name)),
        }
    }

    fn value_function(&mut self, function: &TestFunction) -> Result<Value, String> {
        match function {
            TestFunction::Length(argument) => {
                Ok(Value::Length(Box::new(self.value_argument("length", argument)?)))
            }
            TestFunction::Count(argument) => {
                Ok(Value::Count(self.query_argument("count", argument)?))
            }
            TestFunction::Value(argument) => {
                Ok(Value::Only(self.query_argument("value", argument)?))
            }
            TestFunction::Match(..) => Err(not_comparable("match")),
            TestFunction::Search(..) => Err(not_comparable("search")),
            TestFunction::Custom(name, _) => Err(unknown(name)),
        }
    }

    fn value_argument(&mut self, function: &str, argument: &FnArg) -> Result<Value, String> {
        let query = match argument {
            FnArg::Literal(literal) => return Ok(Value::Literal(self.literal(literal)?)),
            FnArg::Test(test) => match &**test {
                Test::RelQuery(segments) => self.query(self.current(), segments)?,
                Test::AbsQuery(query) => self.query(Origin::Packet, &query.segments)?,
                Test::Function(inner) => return self.value_function(inner),
            },
            FnArg::Filter(_) => {
                return Err(format!("`{function}` takes a value, not a condition"));
            }
        };
        if query.is_singular() {
            Ok(Value::Query(query))
        } else {
            Err(format!("`{function}` takes one value, but `{query}` can name several"))
        }
    }

    fn query_argument(&mut self, function: &str, argument: &FnArg) -> Result<Query, String> {
        match argument {
            FnArg::Test(test) => match &**test {
                Test::RelQuery(segments) => self.query(self.current(), segments),
                Test::AbsQuery(query) => self.query(Origin::Packet, &query.segments),
                Test::Function(_) => Err(needs_query(function)),
            },
            FnArg::Literal(_) | FnArg::Filter(_) => Err(needs_query(function)),
        }
    }

    fn matches(
        &mut self,
        function: &str,
        text: &FnArg,
        pattern: &FnArg,
        extent: Extent,
    ) -> Result<Logic, String> {
        let value = self.value_argument(function, text)?;
        let pattern = match self.value_argument(function, pattern)? {
            Value::Literal(Literal::String(text)) => {
                let regex = pattern::compile(&text, extent, MAX_CONSTANT).map_err(|fault| {
                    format!("`{text}` is no regular expression: {}", fault.reason())
                })?;
                Pattern::Constant { text, regex }
            }
            found => Pattern::Found(found),
        };
        Ok(Logic::Matches { value, pattern, extent })
    }

    fn current(&self) -> Origin {
        if self.depth == 0 { Origin::Packet } else { Origin::Element }
    }

    fn query(&mut self, origin: Origin, segments: &[syntax::Segment]) -> Result<Query, String> {
        let single = |segment: &syntax::Segment| match segment {
            syntax::Segment::Selector(syntax::Selector::Name(name)) => {
                Some(Step::Name(name.clone()))
            }
            syntax::Segment::Selector(syntax::Selector::Index(index)) => Some(Step::Index(*index)),
            _ => None,
        };
        let steps: Vec<Step> = segments.iter().map_while(single).collect();
        let rest = &segments[steps.len()..];
        let segments =
            rest.iter().map(|segment| self.segment(segment)).collect::<Result<_, _>>()?;
        Ok(Query { origin, path: Path::new(steps), segments })
    }

    fn segment(&mut self, segment: &syntax::Segment) -> Result<Segment, String> {
        match segment {
            syntax::Segment::Selector(selector) => {
                Ok(Segment::Child(vec![self.selector(selector)?]))
            }
            syntax::Segment::Selectors(selectors) => Ok(Segment::Child(
                selectors
                    .iter()
                    .map(|selector| self.selector(selector))
                    .collect::<Result<_, _>>()?,
            )),
            syntax::Segment::Descendant(segment) => match self.segment(segment)? {
                Segment::Child(selectors) | Segment::Descendants(selectors) => {
                    Ok(Segment::Descendants(selectors))
                }
            },
        }
    }

    fn selector(&mut self, selector: &syntax::Selector) -> Result<Selector, String> {
        Ok(match selector {
            syntax::Selector::Name(name) => Selector::Name(name.clone()),
            syntax::Selector::Index(index) => Selector::Index(*index),
            syntax::Selector::Wildcard => Selector::Wildcard,
            syntax::Selector::Slice(start, end, step) => {
                Selector::Slice { start: *start, end: *end, step: step.unwrap_or(1) }
            }
            syntax::Selector::Filter(filter) => {
                self.depth += 1;
                let logic = self.logic(filter)?;
                self.depth -= 1;
                Selector::Filter(fixed::marked(logic))
            }
        })
    }
}

fn negated(logic: Logic, not: bool) -> Logic {
    if not { Logic::Not(Box::new(logic)) } else { logic }
}

fn needs_comparison(function: &str) -> String {
    format!("`{function}` yields a value, which must be compared")
}

fn unknown(function: &str) -> String {
    format!("`{function}` is no function of RFC 9535")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonpath_rust::parser::parse_json_path;

    fn filter(text: &str) -> Filter {
        let query = parse_json_path(&format!("$[?{text}]")).unwrap();
        match query.segments.into_iter().next() {
            Some(syntax::Segment::Selector(syntax::Selector::Filter(filter))) => filter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_come_back_in_the_order_of_the_text() {
        let text = "0 < @.a && @.b[?@.c > 0 || 0 == length(@)] && @.d[0] != 0 || match(@.e, 0)";
        let numbers = ["1.50", "2e0", "0.10", "-3.00", "9007199254740993"];
        let logic = compile(&filter(text), &numbers).unwrap();
        let written = format!("{logic:?}");
        let places: Vec<_> =
            numbers.map(|number| written.find(&format!("Number(\"{number}\")"))).into();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{written}");
    }

    #[test]
    fn functions_beyond_the_rfc_are_refused_by_name() {
        let reason = compile(&filter("nin(@.a, @.b)"), &[]).unwrap_err();
        assert_eq!(reason, "`nin` is no function of RFC 9535");
    }
}
