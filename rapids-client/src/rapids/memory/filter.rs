//! A filter expression over the values of a memory.

use crate::condition::{Evaluation, Expression, TooCostly};
use crate::json::Node;
use crate::memory::Json;
use crate::{Error, Result};

/// Which entries are wanted, by their values.
#[derive(Debug, Clone)]
pub(super) struct Filter(Expression);

impl Filter {
    /// # Errors
    /// `Definition` with the place of the fault.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Expression::parse(text).map(Self).map_err(|error| Error::Definition {
            of: "the filter".to_owned(),
            faults: vec![error.to_string()],
        })
    }

    /// Whether it is true of a value. Of repeated keys the first counts.
    pub(super) fn takes(&self, value: &Json) -> Result<bool, TooCostly> {
        self.0.holds(&Evaluation::of(Node::Raw(value.get()), 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Encoded, Types, Value};

    #[test]
    fn values_are_judged_as_packets_are_whatever_they_are() {
        let takes = |filter: &str, value: serde_json::Value| {
            let Encoded::Value(value) = Types::default().typed(value).encoded().unwrap() else {
                panic!("it has not ended");
            };
            Filter::parse(filter).unwrap().takes(&value).unwrap()
        };
        assert!(takes(
            "@.total > 9007199254740992",
            serde_json::json!({"total": 9_007_199_254_740_993_u64})
        ));
        assert!(takes("@ >= 7", 7.into()));
        assert!(!takes("@.a", 7.into()));
        assert!(takes("@[0] == 'a'", serde_json::json!(["a"])));
    }

    #[test]
    fn a_wrong_expression_is_told_with_its_place() {
        let error = Filter::parse("@.total >> 1").unwrap_err().to_string();
        let expected =
            "the filter is declared wrongly: expression `@.total >> 1` is wrong at column 10: ";
        assert!(error.starts_with(expected), "{error}");
    }
}
