//! Remembers what was logged, so that it is logged once.

use std::cell::RefCell;
use std::collections::HashSet;

/// At most so many notices are remembered. After that, nothing new is logged.
const MOST: usize = 1_000;

/// The notices that were logged.
#[derive(Debug, Default)]
pub(crate) struct Notices(RefCell<HashSet<String>>);

impl Notices {
    /// Whether a notice is to be logged, since it was not logged before.
    pub(crate) fn is_new(&self, notice: &str) -> bool {
        let mut said = self.0.borrow_mut();
        said.len() < MOST && !said.contains(notice) && said.insert(notice.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once_and_not_without_end() {
        let notices = Notices::default();
        assert!(notices.is_new("a") && !notices.is_new("a") && notices.is_new("b"));
        let said = (0..2 * MOST).filter(|n| notices.is_new(&n.to_string())).count();
        assert_eq!(said, MOST - 2);
    }
}
