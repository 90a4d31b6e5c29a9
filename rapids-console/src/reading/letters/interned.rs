//! Texts that many letters have in common, each kept once, for as long as somebody has it.

use std::sync::Arc;

use rustc_hash::FxHashSet;

/// The texts.
#[derive(Debug, Default)]
pub(super) struct Interned(FxHashSet<Arc<str>>);

impl Interned {
    /// The text as it is kept.
    pub(super) fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(text) {
            return kept.clone();
        }
        let kept: Arc<str> = text.into();
        self.0.insert(kept.clone());
        kept
    }

    /// Gives a text back; whoever has the last one makes it be forgotten.
    pub(super) fn give_back(&mut self, text: Arc<str>) {
        const THIS_ONE_AND_THE_KEPT_ONE: usize = 2;
        if Arc::strong_count(&text) <= THIS_ONE_AND_THE_KEPT_ONE {
            self.0.remove(&text);
        }
        drop(text);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
