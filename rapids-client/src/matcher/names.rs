//! A map from names, few or many.

use rustc_hash::FxHashMap;

/// So many names are compared one by one.
const FEW: usize = 4;

/// A map from names that is fast for keys which are not in it.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// A bit for each length that a name has, the last for all long ones. It rules out most keys
    /// of a body.
    lengths: u64,
    named: Vec<(Box<[u8]>, T)>,
    /// The position of each in `named`, once there are more than a few.
    positions: FxHashMap<Box<[u8]>, usize>,
}

impl<T> Names<T> {
    pub(super) fn insert(&mut self, name: Box<[u8]>, value: T) {
        self.lengths |= length_bit(&name);
        self.named.push((name, value));
        if self.named.len() > FEW {
            let added = self.positions.len()..self.named.len();
            self.positions.extend(added.map(|at| (self.named[at].0.clone(), at)));
        }
    }

    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<&T> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        if self.named.len() > FEW {
            return self.positions.get(name).map(|at| &self.named[*at].1);
        }
        self.named.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.lengths == 0
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { lengths: 0, named: Vec::new(), positions: FxHashMap::default() }
    }
}

#[inline]
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_few_or_many() {
        let mut names = Names::default();
        assert!(names.is_empty() && names.get(b"").is_none());
        for count in 0..40 {
            names.insert("x".repeat(count * 2).into_bytes().into(), count);
            for known in 0..40 {
                let (name, odd) = ("x".repeat(known * 2), "x".repeat(known * 2 + 1));
                let expected = (known <= count).then_some(known);
                assert_eq!(names.get(name.as_bytes()).copied(), expected);
                assert_eq!(names.get(odd.as_bytes()), None);
            }
        }
    }
}
