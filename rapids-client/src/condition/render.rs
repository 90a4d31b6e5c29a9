//! Writes paths, queries and conditions in one normal form, which parses again as the same.
//!
//! Outside of inner filters `@` and `$` are the same packet, and both are written `@`.

use std::fmt::{self, Display, Formatter, Write};

use super::notation::{steps, string_literal};
use super::pattern::Extent;
use super::tree::{Literal, Logic, Operator, Origin, Pattern, Query, Segment, Selector, Value};

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
