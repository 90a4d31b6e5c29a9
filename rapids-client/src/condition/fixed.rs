//! Finds the parts that are the same for all elements of a filter: they are evaluated once per
//! packet.
//!
//! `$` is the packet wherever it stands, and an inner filter sees the elements of the query that it
//! belongs to, never those of the filters around it. So a query that begins with `$` finds the same
//! for each element, and so does a part in which every query begins with `$`.

use super::tree::{Logic, Origin, Pattern, Query, Value};

/// Marks the parts of a filter's condition that are the same for all elements.
pub(super) fn marked(logic: Logic) -> Logic {
    if is_fixed(&logic) {
        return Logic::Fixed(Box::new(logic));
    }
    match logic {
        Logic::Or(parts) => Logic::Or(parts.into_iter().map(marked).collect()),
        Logic::And(parts) => Logic::And(parts.into_iter().map(marked).collect()),
        Logic::Not(part) => Logic::Not(Box::new(marked(*part))),
        Logic::Compare { left, operator, right } => {
            Logic::Compare { left: marked_value(left), operator, right: marked_value(right) }
        }
        Logic::Matches { value, pattern, extent } => {
            let pattern = match pattern {
                Pattern::Found(found) => Pattern::Found(marked_value(found)),
                constant @ Pattern::Constant { .. } => constant,
            };
            Logic::Matches { value: marked_value(value), pattern, extent }
        }
        logic @ (Logic::Exists(_) | Logic::Fixed(_)) => logic,
    }
}

fn marked_value(value: Value) -> Value {
    match value {
        literal @ Value::Literal(_) => literal,
        value if is_fixed_value(&value) => Value::Fixed(Box::new(value)),
        value => value,
    }
}

fn is_fixed(logic: &Logic) -> bool {
    match logic {
        Logic::Or(parts) | Logic::And(parts) => parts.iter().all(is_fixed),
        Logic::Not(part) => is_fixed(part),
        Logic::Exists(query) => is_fixed_query(query),
        Logic::Compare { left, right, .. } => is_fixed_value(left) && is_fixed_value(right),
        Logic::Matches { value, pattern, .. } => {
            is_fixed_value(value)
                && match pattern {
                    Pattern::Constant { .. } => true,
                    Pattern::Found(found) => is_fixed_value(found),
                }
        }
        Logic::Fixed(_) => true,
    }
}

fn is_fixed_value(value: &Value) -> bool {
    match value {
        Value::Literal(_) | Value::Fixed(_) => true,
        Value::Length(value) => is_fixed_value(value),
        Value::Query(query) | Value::Count(query) | Value::Only(query) => is_fixed_query(query),
    }
}

fn is_fixed_query(query: &Query) -> bool {
    query.origin == Origin::Packet
}

impl Logic {
    /// The same without its mark.
    pub(super) fn unmarked(&self) -> &Self {
        match self {
            Logic::Fixed(logic) => logic,
            logic => logic,
        }
    }
}

impl Value {
    /// The same without its mark.
    pub(super) fn unmarked(&self) -> &Self {
        match self {
            Value::Fixed(value) => value,
            value => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;

    /// The condition of the first filter, with the marked parts.
    fn marks(text: &str) -> usize {
        format!("{:?}", Expression::parse(text).unwrap().logic()).matches("Fixed(").count()
    }

    #[test]
    fn parts_that_begin_at_the_packet_are_fixed_within_filters_only() {
        for (text, count) in [
            ("@.a == $.b && count($.c[*]) > 1", 0),
            ("@.a[?@.b == 1]", 0),
            ("@.a[?@.b == $.c]", 1),
            ("@.a[?length($.b) > 1 || $.c && search($.d, $.e)]", 1),
            ("@.a[?@.b && !($.c == $.d)]", 1),
            ("@.a[?match(@.b, $.c) && match($.d, @.e)]", 2),
            ("@.a[?count($.b[?@.c == $.d]) > @.e]", 2),
            ("@.a[?@.b[?@.c == $.d]]", 1),
        ] {
            assert_eq!(marks(text), count, "{text}");
        }
    }
}
