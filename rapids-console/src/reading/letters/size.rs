//! Measures what letters take in memory.

use std::mem::size_of;

use rapids_client::LetterChange;

use super::LetterIndex;
use super::cause::Cause;
use super::entry::Entry;
use super::testing::letter;

/// A thousand are measured: in a build for tests, masking reasons takes its time.
const LETTERS: u64 = 1_000;

/// How much room a list or a map may have beside what it holds: it doubles when it is full.
const ROOM: usize = 2;

/// What the allocator takes beside the bytes that are asked for.
const EACH: usize = 16;

fn in_map<T>() -> usize {
    ROOM * (size_of::<T>() + 1)
}

#[test]
fn a_hundred_thousand_letters_take_less_than_64_megabytes() {
    let index = LetterIndex::default();
    for sequence in 1..=LETTERS {
        let mut stored = letter(sequence, &format!("payment.charge.{sequence}"));
        let letter = &mut stored.letter;
        letter.packet_id = format!("0193a5c2-7d3e-7a41-9c55-{sequence:012}");
        letter.correlation_id = format!("0193a5c2-7d3e-7a41-9c55-{:012}", sequence / 2);
        // A group for each ten.
        let cause = "x".repeat((sequence / 10) as usize);
        letter.reason = format!("{cause} {sequence} {}", "no answer ".repeat(20));
        index.take(LetterChange::Letter(Box::new(stored)));
    }
    let kept = index.read();
    let texts: usize = kept.entries.iter().map(|entry| entry.text_size() + EACH).sum();
    let entries = kept.entries.len() * ROOM * size_of::<Entry>();
    let lists = (kept.by_packet.len() + kept.by_conversation.len()) * in_map::<(u64, u64)>();
    let of_cause = |cause: &Cause| cause.reason.len() + EACH + in_map::<(u64, u32)>();
    let causes: usize = kept.causes.all().map(|(_, cause)| of_cause(cause)).sum();
    let causes = causes + kept.causes.places() * ROOM * size_of::<Option<Cause>>();
    assert_eq!(kept.causes.all().count(), 101);
    let each = (texts + entries + lists + causes) / LETTERS as usize;
    assert!(each <= 640, "{each} bytes each: {texts} + {entries} + {lists} + {causes}");
}
