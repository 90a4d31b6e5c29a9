//! Refuses expressions that would be too costly on nearly every packet.
//!
//! Most queries look at each part of a packet a few times at most. Two things multiply: to look
//! through the whole packet again for every part of it, and to name a place several times. Whoever
//! writes such an expression learns of it at the start. What an expression costs on one packet is
//! counted while it is evaluated: see [`budget`](super::budget).

use super::tree::{Logic, Pattern, Query, Segment, Selector, Value};

/// How many `..` may stand behind or within each other.
const MAX_SWEEPS: usize = 3;

/// How often the lists of selectors on one way down may select the same place.
const MAX_TIMES: usize = 64;

/// Refuses a condition whose cost on a packet could grow beyond all bounds.
pub(super) fn check(logic: &Logic) -> Result<(), String> {
    Cost::ONCE.logic(logic)
}

/// What stands around a part of the condition.
#[derive(Clone, Copy)]
struct Cost {
    sweeps: usize,
    times: usize,
}

impl Cost {
    const ONCE: Self = Self { sweeps: 0, times: 1 };

    fn logic(self, logic: &Logic) -> Result<(), String> {
        match logic {
            Logic::Or(parts) | Logic::And(parts) => {
                parts.iter().try_for_each(|part| self.logic(part))
            }
            Logic::Not(part) => self.logic(part),
            // This is evaluated once per packet, wherever it stands.
            Logic::Fixed(part) => check(part),
            Logic::Exists(query) => self.query(query),
            Logic::Compare { left, right, .. } => {
                self.value(left)?;
                self.value(right)
            }
            Logic::Matches { value, pattern, .. } => {
                self.value(value)?;
                match pattern {
                    Pattern::Constant { .. } => Ok(()),
                    Pattern::Found(found) => self.value(found),
                }
            }
        }
    }

    fn value(self, value: &Value) -> Result<(), String> {
        match value {
            Value::Literal(_) => Ok(()),
            Value::Length(value) => self.value(value),
            Value::Fixed(value) => Self::ONCE.value(value),
            Value::Query(query) | Value::Count(query) | Value::Only(query) => self.query(query),
        }
    }

    fn query(mut self, query: &Query) -> Result<(), String> {
        for segment in &query.segments {
            let (Segment::Child(selectors) | Segment::Descendants(selectors)) = segment;
            self.sweeps += usize::from(matches!(segment, Segment::Descendants(_)));
            self.times = self.times.saturating_mul(selectors.len());
            self.within_bounds(query)?;
            for selector in selectors {
                if let Selector::Filter(logic) = selector {
                    self.logic(logic)?;
                }
            }
        }
        self.within_bounds(query)
    }

    fn within_bounds(self, query: &Query) -> Result<(), String> {
        if self.sweeps > MAX_SWEEPS {
            return Err(format!(
                "`{query}` multiplies the work too often: of `..` at most {MAX_SWEEPS} may stand \
                 behind or within each other"
            ));
        }
        if self.times > MAX_TIMES {
            return Err(format!(
                "`{query}` can select a place {} times over; at most {MAX_TIMES} are allowed",
                self.times
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;

    #[test]
    fn what_people_write_is_cheap_enough() {
        for text in [
            "@..a..b..c",
            "@..a[?@..b]",
            "@.items[?@.price > $.limit && @.sku != $['order'].sku]",
            "@.items[?count($.items[?@.sku == 'a']) > 1]",
            "$..[?$..[?$..[?$..a]]]",
            "@.a[?count($.b[?$.c[?$.d[?$.e.*]]]) > 1]",
            "@[*][*][*][*][*][*][*].*.*.*",
            "@['a','b','c','d']['a','b','c','d']['a','b','c','d']",
            "@.a[?@[?@[?@[?@[?@.b]]]]]",
        ] {
            Expression::parse(text).unwrap();
        }
        Expression::parse(&vec!["@..a[?@..b]"; 1_000].join(" || ")).unwrap();
    }

    #[test]
    fn what_multiplies_without_end_is_refused() {
        for (text, query) in [
            ("@..a..b..c..d", "@..['a']..['b']..['c']..['d']"),
            ("@.x || @..[?@..[?@..[?@..a]]]", "@..['a']"),
            ("$..[?@..[?@..[?@..a]]]", "@..['a']"),
            ("@[*,*,*,*,*,*,*,*,*][0,0,0,0,0,0,0,0]", "@[*, *"),
            ("@['a','a','a','a','a','a','a','a','a'][?@[1,1,1,1,1,1,1,1]]", "@[1, 1"),
        ] {
            let error = Expression::parse(text).unwrap_err().to_string();
            let named = error.split(": `").nth(1).unwrap_or_default();
            assert!(named.starts_with(query), "{error}");
        }
    }
}
