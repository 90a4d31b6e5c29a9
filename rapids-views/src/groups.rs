//! Groups of dead letters with the same river, kind and masked reason.

use std::collections::HashMap;

use rapids_client::{LetterGroup, StoredLetter, Tag, Timestamp};
use serde::Serialize;

/// A group of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// How many letters.
    pub count: u64,
    /// The service.
    pub service: String,
    /// The river.
    pub river: String,
    /// The kind, such as `rejected`.
    pub kind: String,
    /// The reason as [`masked_reason`](rapids_client::masked_reason) writes it.
    pub reason: String,
    /// When the oldest letter was written.
    #[serde(serialize_with = "as_text")]
    pub first: Timestamp,
    /// When the newest letter was written.
    #[serde(serialize_with = "as_text")]
    pub last: Timestamp,
    /// The id of the oldest letter.
    pub example: String,
    /// What somebody has said of it, if they did.
    pub tag: Option<String>,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Collects letters by [`LetterGroup`].
#[derive(Debug, Default)]
pub struct Groups(HashMap<LetterGroup, Group>);

impl Groups {
    /// Adds a letter to its group. The oldest one comes first.
    pub fn add(&mut self, stored: &StoredLetter) {
        let key = LetterGroup::of(&stored.letter);
        let group = self.0.entry(key).or_insert_with_key(|key| {
            let LetterGroup { service, river, kind, reason, .. } = key.clone();
            let (first, last) = (stored.written, stored.written);
            let (example, tag) = (stored.letter.id.to_string(), None);
            Group { count: 0, service, river, kind, reason, first, last, example, tag }
        });
        group.count += 1;
        group.last = group.last.max(stored.written);
    }

    /// Ends with all groups, the largest first, and their tags.
    #[must_use]
    pub fn sorted(mut self, tags: &[Tag]) -> Vec<Group> {
        for tag in tags {
            if let Some(group) = self.0.get_mut(&tag.group) {
                group.tag = Some(tag.words.clone());
            }
        }
        let mut groups: Vec<_> = self.0.into_values().collect();
        groups
            .sort_by(|one, two| two.count.cmp(&one.count).then_with(|| one.first.cmp(&two.first)));
        groups
    }
}
