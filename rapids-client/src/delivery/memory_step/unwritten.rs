//! How many steps have run and are not written.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct UnwrittenSteps {
    count: Cell<usize>,
    is_none: Notify,
}

/// Counts a step until it is written, or has ended in another way.
pub(super) struct Unwritten(Rc<UnwrittenSteps>);

impl UnwrittenSteps {
    /// Counts one more.
    pub(super) fn one_more(self: &Rc<Self>) -> Unwritten {
        self.count.set(self.count.get() + 1);
        Unwritten(Rc::clone(self))
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        while self.count.get() > 0 {
            self.is_none.notified().await;
        }
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let count = self.0.count.get() - 1;
        self.0.count.set(count);
        if count == 0 {
            self.0.is_none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn who_waits_for_none_waits_for_the_last_one() {
        let steps = Rc::new(UnwrittenSteps::default());
        assert!(steps.none().now_or_never().is_some());
        let (first, second) = (steps.one_more(), steps.one_more());
        let mut none = Box::pin(steps.none());
        drop(first);
        assert!(none.as_mut().now_or_never().is_none());
        drop(second);
        assert!(none.now_or_never().is_some());
    }
}
