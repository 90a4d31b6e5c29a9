//! The rules of a river, as they are declared.
//!
//! Each shorthand is written as an expression. A rule that no packet can meet, or that is hardly
//! what its author meant, is a fault of the declaration.

use super::River;
use super::clause::{Clause, Role};
use crate::condition::{Expression, ExpressionError, Field, key_query, string_literal};
use crate::keys::{COMMAND, EVENT, NEED};
use crate::packet::Names;
use crate::packet::names::NOTHING;

impl River {
    /// Condition: the packet states this fact, or one of these. May be called once, since a packet
    /// states one fact.
    #[must_use]
    pub fn event(self, names: impl Names) -> Self {
        self.states(EVENT, names.into_names())
    }

    /// Condition: the packet gives this directive, or one of these. May be called once, like
    /// [`event`](Self::event).
    #[must_use]
    pub fn command(self, names: impl Names) -> Self {
        self.states(COMMAND, names.into_names())
    }

    fn states(mut self, kind: &'static str, names: Vec<String>) -> Self {
        if let Some((_, earlier)) = self.stated.iter().find(|(stated, _)| *stated == kind)
            && *earlier != names
        {
            let mut all = earlier.clone();
            all.extend(names.into_iter().filter(|name| !earlier.contains(name)));
            return self.fault(format!(
                "`.{kind}` is called twice, but a packet has one; to take either, write \
                 `.{kind}({all:?})`"
            ));
        }
        let query = key_query(kind);
        let tests = each(&names, |name| format!("{query} == {name}"));
        self.stated.push((kind, names));
        self.any(kind, &tests)
    }

    /// Condition: the packet asks for this, or for one of these, as its need or in its list of
    /// needs. Called several times, the packet must ask for all of them.
    #[must_use]
    pub fn need(mut self, names: impl Names) -> Self {
        let (names, query) = (names.into_names(), key_query(NEED));
        self.needs.extend_from_slice(&names);
        let mut tests = each(&names, |name| format!("{query} == {name}"));
        let elements = each(&names, |name| format!("{query}[?@ == {name}]"));
        // A filter would look into objects, too, but only a list has a first element.
        match elements.as_slice() {
            [] => {}
            [only] => tests.push(format!("{query}[0] && {only}")),
            several => tests.push(format!("{query}[0] && ({})", several.join(" || "))),
        }
        self.any(NEED, &tests)
    }

    /// Adds the condition that one of these holds.
    fn any(self, said: &str, tests: &[String]) -> Self {
        if tests.is_empty() {
            return self.fault(format!("`.{said}` {NOTHING}"));
        }
        self.clause(Role::Condition, &tests.join(" || "))
    }

    /// Condition: an RFC 9535 filter expression holds, such as `@.total > 100 && !@.coupon`.
    #[must_use]
    pub fn when(self, expression: &str) -> Self {
        self.clause(Role::Condition, expression)
    }

    /// Checks an expression as [`when`](Self::when) takes it, for programs that let somebody type one.
    ///
    /// ```
    /// use rapids_client::River;
    ///
    /// let fault = River::check_expression("@.total >> 1").unwrap_err();
    /// assert_eq!(fault.column(), Some(10));
    /// ```
    ///
    /// # Errors
    /// [`ExpressionError`] with the place of the fault.
    pub fn check_expression(expression: &str) -> Result<(), ExpressionError> {
        Expression::parse(expression).map(drop)
    }

    /// Condition: the fields are missing or `null`. Each is a key of the top level, or a path
    /// such as `@.solutions.car` (anything that begins with `@` or `$`). A key that looks like a
    /// path, such as `a.b` or `@type`, is written as one: `@['a.b']`, `@['@type']`.
    #[must_use]
    pub fn forbid(self, fields: impl Names) -> Self {
        self.fields(Role::Condition, &fields.into_names())
    }

    /// Requirement: the fields are present and not `null`; keys or paths, as for
    /// [`forbid`](Self::forbid).
    #[must_use]
    pub fn require(self, fields: impl Names) -> Self {
        self.fields(Role::Requirement, &fields.into_names())
    }

    fn fields(self, role: Role, fields: &[String]) -> Self {
        if fields.is_empty() {
            let said = if role == Role::Condition { "forbid" } else { "require" };
            return self.fault(format!("`.{said}` {NOTHING}"));
        }
        fields.iter().fold(self, |river, field| match Field::parse(field) {
            Ok(Field::Path(path)) if path.steps().is_empty() => {
                river.fault(format!("`{field}` is the whole packet, no field of it"))
            }
            Ok(field) => river.field(role, &field.to_string()),
            Err(reason) => river.fault(format!("`{field}` {reason}")),
        })
    }

    fn field(self, role: Role, query: &str) -> Self {
        let absent = format!("!{query} || {query} == null");
        let present = format!("{query} && {query} != null");
        let (rule, opposite) = match role {
            Role::Condition => (absent, present),
            Role::Requirement => (present, absent),
        };
        if self.clauses.iter().any(|clause| clause.role != role && clause.text() == opposite) {
            let fault = "is forbidden and required, so no packet could be handled";
            return self.fault(format!("`{query}` {fault}"));
        }
        self.clause(role, &rule)
    }

    /// Requirement: an RFC 9535 filter expression holds.
    #[must_use]
    pub fn require_that(self, expression: &str) -> Self {
        self.clause(Role::Requirement, expression)
    }

    /// Ignores packets that meet the conditions but not the requirements, instead of reporting them
    /// as malformed.
    #[must_use]
    pub fn ignore_invalid(mut self) -> Self {
        self.reports_invalid = false;
        self
    }

    fn clause(mut self, role: Role, expression: &str) -> Self {
        match Clause::new(role, expression) {
            Ok(clause) if self.clauses.contains(&clause) => self,
            Ok(clause) => {
                self.clauses.push(clause);
                self
            }
            Err(error) => self.fault(error.to_string()),
        }
    }

    pub(super) fn fault(mut self, fault: String) -> Self {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        self
    }
}

/// A test for each name, which is given to it as a literal.
fn each(names: &[String], test: impl Fn(&str) -> String) -> Vec<String> {
    names.iter().map(|name| test(&string_literal(name))).collect()
}

#[cfg(test)]
mod tests {
    use crate::matcher::Matcher;
    use crate::river::{River, Verdict};
    use crate::service::Service;
    use crate::{Config, Packet};

    /// What is wrong with a river, once it has a reaction.
    fn fault(river: River) -> String {
        match river.react(|_: Packet| async { Ok(()) }).check() {
            Ok(()) => "nothing".to_owned(),
            Err(error) => error.to_string().replace("river `r` is declared wrongly: ", ""),
        }
    }

    fn river() -> River {
        River::new("r")
    }

    fn packet(body: &str) -> Packet {
        Packet::from_bytes(body.to_owned()).unwrap()
    }

    #[test]
    fn a_kind_that_is_named_twice_is_refused_because_no_packet_states_two() {
        assert_eq!(
            fault(river().event("a").event("b")),
            "`.event` is called twice, but a packet has one; to take either, write \
             `.event([\"a\", \"b\"])`"
        );
        assert_eq!(
            fault(river().command(["a", "b"]).command(["b", "c"])),
            "`.command` is called twice, but a packet has one; to take either, write \
             `.command([\"a\", \"b\", \"c\"])`"
        );
        assert_eq!(fault(river().event("a").event("a")), "nothing");
    }

    #[test]
    fn needs_that_are_named_one_by_one_are_all_asked_for() {
        let both = river().need("a").need("b");
        assert_eq!(fault(both.clone()), "nothing");
        assert_eq!(both.judge(&packet(r#"{"need":["b","c","a"]}"#)), Verdict::Matches);
        assert_eq!(both.judge(&packet(r#"{"need":"a"}"#)), Verdict::NotForMe);
    }

    #[test]
    fn a_rule_without_a_name_is_refused() {
        let none: [&str; 0] = [];
        for (river, said) in [
            (river().event(none), ".event"),
            (river().need(none), ".need"),
            (river().command(Vec::<String>::new()), ".command"),
            (river().forbid(none), ".forbid"),
            (river().require(none), ".require"),
        ] {
            assert_eq!(fault(river), format!("`{said}` names nothing; give it a name, or several"));
        }
        let error = Packet::need(none).check().unwrap_err().to_string();
        assert_eq!(error, "field `need` names nothing; give it a name, or several");
    }

    #[test]
    fn a_field_that_is_forbidden_and_required_is_refused() {
        let said = "`@.a` is forbidden and required, so no packet could be handled";
        assert_eq!(fault(river().forbid("a").require("@.a")), said);
        assert_eq!(fault(river().require(["b", "a"]).forbid(["c", "a"])), said);
    }

    #[test]
    fn a_second_reaction_is_refused_because_the_first_would_never_run() {
        let said = "it has two reactions, so the first would never run; remove one";
        assert_eq!(fault(river().react(|_: Packet| async { Ok(()) })), said);
        let remembering = river().memory("m", "@.a").react(|_: &mut u8, _: &Packet| Ok(()));
        assert_eq!(fault(remembering), said);
    }

    #[test]
    fn a_key_that_looks_like_a_path_is_refused_with_both_forms() {
        for (text, said) in [
            (
                "items[0].sku",
                "`items[0].sku` looks like a path; write the path as `@.items[0].sku`, or a key of \
                 this name as `@['items[0].sku']`",
            ),
            (
                "foo.bar",
                "`foo.bar` looks like a path; write the path as `@.foo.bar`, or a key of this \
                 name as `@['foo.bar']`",
            ),
            (
                ".total",
                "`.total` looks like a path; write the path as `@.total`, or a key of this name \
                 as `@['.total']`",
            ),
            (
                "items[*].sku",
                "`items[*].sku` looks like a path, but names no single place; write a key of this \
                 name as `@['items[*].sku']`",
            ),
            (
                "@type",
                "`@type` is not a path: expression `@type` is wrong at column 1: the key `type` of a packet is \
                 `@.type`, the key `@type` is `@['@type']`",
            ),
            (
                "$schema",
                "`$schema` is not a path: expression `$schema` is wrong at column 1: the key `schema` of a packet is \
                 `@.schema`, the key `$schema` is `@['$schema']`",
            ),
            ("@", "`@` is the whole packet, no field of it"),
        ] {
            assert_eq!(fault(river().require(text)), said, "{text}");
            assert_eq!(fault(river().forbid(text)), said, "{text}");
        }
        for plain in ["total", "order-id", "order id", "größe", "1a", "", "it's"] {
            assert_eq!(fault(river().require(plain).forbid("other")), "nothing", "{plain}");
        }
    }

    #[test]
    fn keys_of_json_ld_and_json_schema_can_be_named_everywhere() {
        let body = r#"{"@type":"Order","$schema":"s","@id":"o-1","customer":{"@id":"c-1"}}"#;
        let river = river()
            .when("@['@type'] == 'Order' && $['$schema'] == 's' && @.customer['@id']")
            .require(["@['@id']", "$['$schema']"])
            .memory("orders", "@['@id']")
            .react(|_: &mut u8, _: &Packet| Ok(()));
        river.check().unwrap();
        let packet = packet(body);
        assert_eq!(river.judge(&packet), Verdict::Matches);
        assert_eq!(river.memory_key(&packet).unwrap().to_string(), "orders.o-1");
        assert_eq!(packet.get::<String>("@['@type']").unwrap().as_deref(), Some("Order"));
        let service = Service::new("s", Config::new("nats://127.0.0.1:4222"));
        assert!(service.ordered_by("@['@id']").order_key(&packet).is_some());
        let set = packet.with("@['@type']", "Offer").with("@.customer['@type']", "Person");
        set.check().unwrap();
        assert!(set.to_string().contains(r#""@type":"Offer""#), "{set}");
        assert!(set.to_string().contains(r#"{"@id":"c-1","@type":"Person"}"#), "{set}");
    }

    #[test]
    fn a_need_is_the_same_to_condition_matcher_and_accessor() {
        for (body, asks) in [
            (r#"{"need":"x"}"#, true),
            (r#"{"need":["y","x"]}"#, true),
            (r#"{"need":[1,"x",{"a":"y"}]}"#, true),
            (r#"{"need":["\ud800","x"]}"#, true),
            (r#"{"need":{"a":"x"}}"#, false),
            (r#"{"need":{"x":"x"}}"#, false),
            (r#"{"need":[["x"]]}"#, false),
            (r#"{"need":[{"a":"x"}]}"#, false),
            (r#"{"need":[]}"#, false),
            (r#"{"need":null}"#, false),
            (r#"{"need":7}"#, false),
        ] {
            for river in [river().need("x"), river().need(["w", "x"])] {
                let (packet, rivers) = (packet(body), [river]);
                let names = packet.need_names();
                assert_eq!(names.contains(&"x".to_owned()), asks, "{body}: {names:?}");
                assert_eq!(rivers[0].judge(&packet) == Verdict::Matches, asks, "{body}");
                let found = Matcher::new(&rivers).candidates(body.as_bytes()).len();
                // Half a surrogate pair is more than bytes tell.
                assert!(found == usize::from(asks), "{body}");
            }
        }
    }
}
