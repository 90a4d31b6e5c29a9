//! Writes paths, queries and conditions in one normal form, which parses again as the same.
//!
//! Outside of inner filters `@` and `$` are the same packet, and both are written `@`.

use std::fmt::{self, Display, Formatter, Write};

use super::path::Step;
use super::pattern::Extent;
use super::tree::{Literal, Logic, Operator, Origin, Pattern, Query, Segment, Selector, Value};

/// Writes the query of a key of the packet: `@.total`, or `@['a.b']` where it has to be.
pub(crate) fn key_query(key: &str) -> String {
    super::path::Path::key(key).to_string()
}

/// Writes a text as a string literal of RFC 9535, in single quotes.
pub(crate) fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' => literal.push_str("\\'"),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            control if control < ' ' => {
                literal.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => literal.push(plain),
        }
    }
    literal.push('\'');
    literal
}

/// Writes steps as they follow `@`.
pub(super) fn steps(steps: &[Step], out: &mut Formatter<'_>) -> fmt::Result {
    steps.iter().try_for_each(|step| match step {
        Step::Name(key) => name(key, out),
        Step::Index(index) => write!(out, "[{index}]"),
    })
}

/// Writes the step to a member: `.total` or `['a.b']`.
pub(super) fn name(key: &str, out: &mut impl Write) -> fmt::Result {
    let mut characters = key.chars();
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let short = characters.next().is_some_and(begins)
        && characters.all(|c| begins(c) || c.is_ascii_digit());
    if short { write!(out, ".{key}") } else { write!(out, "[{}]", string_literal(key)) }
}

impl Display for Query {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        query(self, false, out)
    }
}

fn query(query: &Query, inner: bool, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_str(if inner && query.origin == Origin::Packet { "$" } else { "@" })?;
    steps(query.path.steps(), out)?;
    query.segments.iter().try_for_each(|segment| match segment {
        Segment::Child(selectors) => bracketed(selectors, out),
        Segment::Descendants(selectors) => match selectors.as_slice() {
            [Selector::Wildcard] => out.write_str("..*"),
            selectors => {
                out.write_str("..")?;
                bracketed(selectors, out)
            }
        },
    })
}

fn bracketed(selectors: &[Selector], out: &mut Formatter<'_>) -> fmt::Result {
    for (position, selector) in selectors.iter().enumerate() {
        out.write_str(if position == 0 { "[" } else { ", " })?;
        match selector {
            Selector::Name(name) => out.write_str(&string_literal(name))?,
            Selector::Index(index) => write!(out, "{index}")?,
            Selector::Wildcard => out.write_char('*')?,
            Selector::Slice { start, end, step } => {
                let bound = |bound: &Option<i64>| bound.map_or(String::new(), |b| b.to_string());
                write!(out, "{}:{}", bound(start), bound(end))?;
                if *step != 1 {
                    write!(out, ":{step}")?;
                }
            }
            Selector::Filter(condition) => {
                out.write_char('?')?;
                logic(condition, out)?;
            }
        }
    }
    out.write_char(']')
}

/// Writes the condition of an inner filter.
fn logic(condition: &Logic, out: &mut Formatter<'_>) -> fmt::Result {
    match condition {
        Logic::Fixed(condition) => logic(condition, out),
        Logic::Or(parts) => joined(parts, " || ", out),
        Logic::And(parts) => joined(parts, " && ", out),
        Logic::Not(part) => {
            out.write_char('!')?;
            let simple = matches!(**part, Logic::Exists(_) | Logic::Matches { .. });
            if simple { logic(part, out) } else { grouped(part, out) }
        }
        Logic::Exists(found) => query(found, true, out),
        Logic::Compare { left, operator, right } => {
            value(left, out)?;
            write!(out, " {operator} ")?;
            value(right, out)
        }
        Logic::Matches { value: text, pattern, extent } => {
            out.write_str(match extent {
                Extent::Whole => "match(",
                Extent::Part => "search(",
            })?;
            value(text, out)?;
            out.write_str(", ")?;
            match pattern {
                Pattern::Constant { text, .. } => out.write_str(&string_literal(text))?,
                Pattern::Found(found) => value(found, out)?,
            }
            out.write_char(')')
        }
    }
}

fn joined(parts: &[Logic], operator: &str, out: &mut Formatter<'_>) -> fmt::Result {
    parts.iter().enumerate().try_for_each(|(position, part)| {
        out.write_str(if position == 0 { "" } else { operator })?;
        if matches!(part.unmarked(), Logic::Or(_) | Logic::And(_)) {
            grouped(part, out)
        } else {
            logic(part, out)
        }
    })
}

fn grouped(part: &Logic, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_char('(')?;
    logic(part, out)?;
    out.write_char(')')
}

fn value(operand: &Value, out: &mut Formatter<'_>) -> fmt::Result {
    let (function, argument) = match operand.unmarked() {
        Value::Fixed(argument) => return value(argument, out),
        Value::Literal(literal) => return write!(out, "{literal}"),
        Value::Query(found) => return query(found, true, out),
        Value::Length(argument) => {
            out.write_str("length(")?;
            value(argument, out)?;
            return out.write_char(')');
        }
        Value::Count(nodes) => ("count(", nodes),
        Value::Only(nodes) => ("value(", nodes),
    };
    out.write_str(function)?;
    query(argument, true, out)?;
    out.write_char(')')
}

impl Display for Literal {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => out.write_str("null"),
            Literal::Bool(value) => write!(out, "{value}"),
            Literal::Number(digits) => out.write_str(digits),
            Literal::String(text) => out.write_str(&string_literal(text)),
        }
    }
}

impl Display for Operator {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;
    use super::super::path::{Path, Step};
    use super::*;

    #[test]
    fn keys_are_short_where_the_rfc_allows_it() {
        for (key, query) in [
            ("total", "@.total"),
            ("_a1", "@._a1"),
            ("größe", "@.größe"),
            ("", "@['']"),
            ("1a", "@['1a']"),
            ("a.b", "@['a.b']"),
            ("order-id", "@['order-id']"),
            ("it's", r"@['it\'s']"),
            ("a\\b\n\u{1}\"", r#"@['a\\b\n\u0001"']"#),
        ] {
            assert_eq!(key_query(key), query);
            let path = Path::parse(query).unwrap();
            assert_eq!(path.steps(), [Step::Name(key.to_owned())]);
        }
    }

    #[test]
    fn normal_form_parses_as_itself() {
        for (text, normal) in [
            ("$['a'][0] ['b c']", "@.a[0]['b c']"),
            ("@..a", "@..['a']"),
            ("@..*", "@..*"),
            ("@.a[ 1:2:1 , ::-1, * , 'x']", "@.a[1:2, ::-1, *, 'x']"),
            (
                "@.a[?(@.b || !(@.c==1.50))&&!@.d&&$.e!=null]",
                "@.a[?(@.b || !(@.c == 1.50)) && !@.d && $.e != null]",
            ),
            (
                r#"@.a[?match(@.b,"it's")||search('x',@.c)||!search(@,'y')]"#,
                r"@.a[?match(@.b, 'it\'s') || search('x', @.c) || !search(@, 'y')]",
            ),
            (
                "@.a[?length(@.b)>=count(@.*)&&value($..x)<true]",
                "@.a[?length(@.b) >= count(@[*]) && value($..['x']) < true]",
            ),
        ] {
            let queries = |text: &str| Expression::parse(text).unwrap().queries();
            assert_eq!(queries(text)[0], normal);
            assert_eq!(queries(normal), queries(text));
        }
    }
}
