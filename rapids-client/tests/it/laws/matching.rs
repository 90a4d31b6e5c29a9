//! What holds of every body and all conditions: nothing that a river takes is ruled out.
//!
//! Of the public interface only: the fuzz target `matching` holds the library to the same laws.

use rapids_client::{Matcher, Packet, River, Verdict};

/// Whether the body is a packet; asserts what must then hold of the rivers of these conditions.
pub(crate) fn hold(conditions: &[&str], body: &[u8]) -> bool {
    let river = |text: &&str| River::new("r").when(text);
    let rivers: Vec<River> = conditions.iter().map(river).collect();
    let mut matcher = Matcher::new(&rivers);
    let candidates = matcher.candidates(body).to_vec();
    assert!(candidates.is_sorted_by(|left, right| left < right), "{candidates:?}");
    assert_eq!(matcher.candidates(body), candidates, "a second time");
    let Ok(packet) = Packet::from_bytes(body.to_vec()) else {
        return false;
    };
    for (position, river) in rivers.iter().enumerate() {
        let is_candidate = candidates.contains(&position);
        let takes = river.judge(&packet) != Verdict::NotForMe;
        assert!(is_candidate || !takes, "{river} is ruled out of {packet}");
        let alone = Matcher::new([river]).candidates(body).len();
        assert_eq!(usize::from(is_candidate), alone, "{river} alone and among others");
    }
    true
}
