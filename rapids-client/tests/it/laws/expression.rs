//! What holds of every text that is taken for an expression.
//!
//! Of the public interface only: the fuzz target `expression` holds the library to the same laws.

use std::sync::LazyLock;

use rapids_client::{Packet, River, Verdict};
use serde::de::IgnoredAny;

/// Bodies of every shape, small enough for expressions that look at everything many times.
static PACKETS: LazyLock<Vec<Packet>> = LazyLock::new(|| {
    let bodies = [
        r#"{"event":"order_placed","order_id":"o-1","total":9007199254740993,"a":{"b":[1,-2.50]},
            "items":[{"sku":"tent","n":1},{"sku":"[a-z]+","n":2e0}],"é":null,"":true}"#,
        r#"{"need":["a","b"],"a":[[[{"a":{"a":[]}}]]],"b":"\ud800","n":1e400}"#,
        r#"{"a":1,"a":{"b":1,"b":2},"rapids":{"id":"x","id":"y"}}"#,
    ];
    bodies.iter().map(|body| Packet::from_bytes(*body).expect("a packet")).collect()
});

/// Whether the text is an expression; asserts what must then hold of it.
pub(crate) fn hold(text: &str) -> bool {
    let asked = River::new("r").when(text).react(|_: Packet| async { Ok(()) });
    let required = River::new("r").require_that(text);
    let keyed = River::new("r").memory("m", text).react(|_: &mut u8, _: &Packet| anyhow::Ok(()));
    let field = River::new("r").forbid(text);
    assert!(!format!("{keyed:?}{field:?}").is_empty());
    for packet in PACKETS.iter() {
        // A key or a path, or a text that begins like a path and is none.
        let set = packet.clone().with(text, 1);
        assert!(packet.get::<IgnoredAny>(text).is_ok() || set.check().is_err());
        if set.check().is_ok() && set.get::<u8>(text).is_ok() {
            Packet::from_bytes(set.body()).expect("a written packet can be read");
        }
    }
    if let Err(error) = asked.check() {
        assert!(error.to_string().contains(" is wrong"), "{error}");
        return false;
    }
    assert_eq!(asked.to_string(), text);
    for packet in PACKETS.iter() {
        let (verdict, told) = (asked.judge(packet), asked.explain(packet));
        let [clause] = told.clauses.as_slice() else { panic!("one rule, not {told:#}") };
        assert_eq!((clause.held, &told.verdict), (verdict != Verdict::NotForMe, &verdict));
        assert!(!matches!(verdict, Verdict::Looped));
        let demand = required.judge(packet);
        assert_eq!(demand == Verdict::Matches, verdict == Verdict::Matches, "{told:#}");
        for (query, value) in &clause.found {
            // What is found is named by a query that finds the same.
            let named = River::new("r").when(query);
            if nests_too_deep(&named) {
                continue;
            }
            let again = named.explain(packet);
            let [again] = again.clauses.as_slice() else { panic!("`{query}` is no expression") };
            assert_eq!(again.found.first(), Some(&(query.clone(), value.clone())), "{text}");
            assert_eq!(again.held, value.is_some(), "{text}");
        }
        joins(text, packet, clause.held);
    }
    true
}

/// Two conditions of a river, printed as one expression, mean the same.
fn joins(text: &str, packet: &Packet, held: bool) {
    let both = River::new("r").when("@.a || @.b").when(text);
    let printed = River::new("r").when(&both.to_string());
    if nests_too_deep(&printed) {
        return;
    }
    let told = printed.explain(packet);
    let [one] = told.clauses.as_slice() else { panic!("`{both}` is no expression") };
    let has = |key| packet.get::<IgnoredAny>(key).is_ok_and(|found| found.is_some());
    assert_eq!(one.held, (has("a") || has("b")) && held, "{both}");
}

/// Whether the one fault is that brackets, which printing can add, are too many.
fn nests_too_deep(river: &River) -> bool {
    river.check().is_err_and(|error| error.to_string().contains(": brackets nest deeper than"))
}
