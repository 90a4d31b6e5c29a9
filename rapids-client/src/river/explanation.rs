//! Why a river takes a packet or not, for people.

use std::fmt;

use super::verdict::Verdict;

/// What a river makes of one packet, clause by clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The river's name.
    pub river: String,
    /// The packet's id.
    pub packet_id: String,
    /// What follows from the clauses.
    pub verdict: Verdict,
    /// The clauses in the order of their declaration.
    pub clauses: Vec<ClauseReport>,
}

/// How one clause fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseReport {
    /// The expression as it was declared.
    pub expression: String,
    /// Whether this is a requirement; a condition if not.
    pub required: bool,
    /// Whether it held.
    pub held: bool,
    /// Whether that is unknown, because telling takes more steps than there are for a packet.
    pub too_costly: bool,
    /// Each query of the expression with the JSON found, cut to a sane length, or what it is like
    /// where values are not shown; `None` if nothing is there. Of a clause that did not hold, behind
    /// each query also what its filters found in the first five elements that they tested.
    pub found: Vec<(String, Option<String>)>,
    /// In how many further elements something was found, or missing.
    pub left_out: usize,
    /// Of a clause that did not hold, the queries that found a value of another type than it is
    /// compared with, and how they differ: `a text, not a number`.
    pub mismatches: Vec<(String, String)>,
}

impl ClauseReport {
    /// What was found, in words: `@.total = "150" (a text, not a number), @.coupon is missing`.
    pub fn findings(&self) -> String {
        let mut found: Vec<String> = self.found.iter().map(|found| self.finding(found)).collect();
        if self.left_out > 0 {
            found.push(format!("... and {} more", self.left_out));
        }
        found.join(", ")
    }

    fn finding(&self, (query, value): &(String, Option<String>)) -> String {
        let Some(value) = value else {
            return format!("{query} is missing");
        };
        match self.mismatches.iter().find(|(other, _)| other == query) {
            Some((_, mismatch)) => format!("{query} = {value} ({mismatch})"),
            None => format!("{query} = {value}"),
        }
    }
}

/// ``requires `@.total > 0`, but @.total = -5``
impl fmt::Display for ClauseReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.required { "requires" } else { "takes only" };
        write!(formatter, "{verb} `{}`", self.expression)?;
        if self.too_costly {
            return formatter.write_str(", which is too costly to tell of this packet");
        }
        if self.found.is_empty() {
            return Ok(());
        }
        let link = if self.held { "and" } else { "but" };
        write!(formatter, ", {link} {}", self.findings())
    }
}

/// `{}` is one line: the verdict and the clauses that did not hold. `{:#}` lists every clause.
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Matches => "takes",
            Verdict::NotForMe => "passes by",
            Verdict::Looped => "refuses as a loop",
            Verdict::Invalid(_) => "refuses as malformed",
            Verdict::TooCostly(_) => "refuses as too costly",
        };
        write!(formatter, "river `{}` {verdict} packet `{}`", self.river, self.packet_id)?;
        if formatter.alternate() {
            let width = self.clauses.iter().map(|clause| clause.expression.chars().count()).max();
            for clause in &self.clauses {
                let mark = match (clause.held, clause.too_costly) {
                    (true, _) => '✓',
                    (false, false) => '✗',
                    (false, true) => '?',
                };
                let role = if clause.required { "requires" } else { "takes   " };
                let (expression, width) = (&clause.expression, width.unwrap_or(0));
                let findings = clause.findings();
                write!(formatter, "\n  {mark} {role} {expression:width$}  {findings}")?;
            }
            return Ok(());
        }
        let problems: Vec<String> = match &self.verdict {
            Verdict::Matches | Verdict::Looped => Vec::new(),
            Verdict::Invalid(problems) => problems.clone(),
            Verdict::TooCostly(problem) => vec![problem.clone()],
            Verdict::NotForMe => {
                self.clauses.iter().filter(|clause| !clause.held).map(ToString::to_string).collect()
            }
        };
        if problems.is_empty() { Ok(()) } else { write!(formatter, ": {}", problems.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Packet, River};

    fn told(expression: &str, body: &str) -> String {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        let explanation = River::new("r").require_that(expression).explain(&packet);
        explanation.clauses[0].to_string().split_once("`, ").unwrap().1.to_owned()
    }

    #[test]
    fn what_a_filter_found_in_each_element_is_told_where_it_does_not_hold() {
        let body = r#"{"items":[{"quantity":3},{"quantity":"12"},{"sku":"a"}],"limit":10}"#;
        assert_eq!(
            told("@.items[?@.quantity > $.limit]", body),
            "but @.items[?@.quantity > $.limit] is missing, @.items[0].quantity = 3, \
             @.items[1].quantity = \"12\", @.items[2].quantity is missing, @.limit = 10"
        );
        assert_eq!(
            told("!@.items[?@.quantity < 10]", body),
            "but @.items[?@.quantity < 10] = {\"quantity\":3}, @.items[0].quantity = 3, \
             @.items[1].quantity = \"12\" (a text, not a number), @.items[2].quantity is missing"
        );
        let held = told("@.items[?@.quantity < $.limit]", body);
        assert!(!held.contains("@.items[0]"), "{held}");
    }

    #[test]
    fn of_many_elements_the_first_are_told_and_how_many_more_there_are() {
        let items: Vec<String> = (0..42).map(|n| format!("{{\"q\":{n}}}")).collect();
        let body = format!("{{\"items\":[{}]}}", items.join(","));
        let told = told("@.items[?@.q > 50]", &body);
        assert!(told.ends_with("@.items[4].q = 4, ... and 37 more"), "{told}");
    }

    #[test]
    fn filters_within_filters_and_behind_other_steps_are_gone_into() {
        let body = r#"{"o":{"a b":{"i":[{"n":[1,2]},{"n":[]}]}}}"#;
        assert_eq!(
            told("@.o.*.i[?@.n[?@ > 2]]", body),
            "but @.o[*]['i'][?@.n[?@ > 2]] is missing, @.o['a b'].i[0].n[?@ > 2] is missing, \
             @.o['a b'].i[0].n[0] = 1, @.o['a b'].i[0].n[1] = 2, \
             @.o['a b'].i[1].n[?@ > 2] is missing"
        );
    }

    #[test]
    fn an_explanation_stays_short_and_quick_whatever_the_keys_are() {
        let long = "k".repeat(300_000);
        let lists = (0..20_000).map(|n| format!("\"{n}\":[]")).collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"{long}":{{{lists}}},"o":{{"{long}":1,"b":2}}}}"#);
        assert_eq!(told("@.*.*[?@.q > 1]", &body), "but @[*][*][?@.q > 1] is missing");
        let said = "but @.o[?@ > 2] is missing, @.o.b = 2, ... and 1 more";
        assert_eq!(told("@.o[?@ > 2]", &body), said);
    }

    #[test]
    fn a_value_of_another_type_than_it_is_compared_with_is_told() {
        for (expression, value, said) in [
            ("@.v > 100", r#""150""#, r#"@.v = "150" (a text, not a number)"#),
            ("150 == @.v", r#""150""#, r#"@.v = "150" (a text, not a number)"#),
            ("@.v == '7'", "7", "@.v = 7 (a number, not a text)"),
            ("@.v == true", r#""true""#, r#"@.v = "true" (a text, not true or false)"#),
            ("@.v == 'a' || @.v == 1", "[1]", "@.v = [1] (a list, not a text or a number)"),
            ("match(@.v, '[0-9]+')", "7", "@.v = 7 (a number, not a text)"),
            ("@.v == 'a' || @.v == 1", "2", "@.v = 2"),
            ("@.v == null", "2", "@.v = 2"),
            ("@.v == @.w", "2", "@.v = 2, @.w is missing"),
            ("@.v > 5", "null", "@.v = null"),
        ] {
            let told = told(expression, &format!("{{\"v\":{value}}}"));
            assert_eq!(told, format!("but {said}"), "{expression}");
        }
    }
}
