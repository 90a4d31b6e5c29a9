//! The matcher and the exact evaluator agree, tried on generated bodies and conditions.
//!
//! `PROPTEST_CASES` sets how many; `just soak` tries ten times as many.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::Matcher;
use crate::{Packet, River, Verdict};

#[path = "../../tests/it/laws/damage.rs"]
mod damage;
#[path = "../../tests/it/laws/meeting.rs"]
mod meeting;

const CASES: u32 = 2_000;

fn config() -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().cases
    } else {
        CASES
    };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn rivers(conditions: &[Vec<String>]) -> Vec<River> {
    let river = |texts: &Vec<String>| {
        let river = texts.iter().fold(River::new("r"), |river, text| river.when(text));
        assert!(river.conditions().is_some(), "{river:?}");
        river
    };
    conditions.iter().map(river).collect()
}

/// The rivers whose conditions hold; `None` if the body is no packet.
fn exact(rivers: &[River], body: &[u8]) -> Option<Vec<usize>> {
    let packet = Packet::from_bytes(body.to_vec()).ok()?;
    let holds = |position: &usize| rivers[*position].judge(&packet) != Verdict::NotForMe;
    Some((0..rivers.len()).filter(holds).collect())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fast_and_exact_agree(
        conditions in vec(vec(meeting::condition(), 0..3), 1..6),
        bodies in vec(meeting::body(), 1..4),
    ) {
        let rivers = rivers(&conditions);
        let mut all = Matcher::new(&rivers);
        for body in bodies {
            let text = String::from_utf8_lossy(&body);
            let candidates = all.candidates(&body).to_vec();
            let Some(holding) = exact(&rivers, &body) else {
                continue;
            };
            prop_assert!(
                holding.iter().all(|river| candidates.contains(river)),
                "{holding:?} hold, {candidates:?} may, of {conditions:?} on {text}"
            );
            for (position, river) in rivers.iter().enumerate() {
                let is_candidate = candidates.contains(&position);
                let alone = Matcher::new([river]).candidates(&body).len();
                prop_assert_eq!(usize::from(is_candidate), alone, "{} on {}", river, &text);
                if let Some(truth) = all.truth(position, &body) {
                    let holds = holding.contains(&position);
                    prop_assert_eq!(truth, holds, "{} on {}", river, &text);
                    prop_assert_eq!(is_candidate, holds, "{} on {}", river, &text);
                }
            }
        }
    }

    #[test]
    fn plain_conditions_are_told_exactly(
        condition in meeting::plain(),
        body in meeting::object(),
    ) {
        let rivers = rivers(&[vec![condition.clone()]]);
        let mut matcher = Matcher::new(&rivers);
        let holds = exact(&rivers, body.as_bytes()).unwrap();
        let truth = matcher.truth(0, body.as_bytes());
        // Left to the exact evaluator: fall-backs, places from the end, the packet's own members, and
        // members that may be repeated.
        let is_left = ["rapids", "-1]", "@[?", "$[?"].iter().any(|part| condition.contains(part))
            || (condition.contains("[?") && body.matches('{').count() > 1);
        prop_assert!(is_left || truth == Some(!holds.is_empty()), "{} on {}: {:?}", condition, body, truth);
    }
}
