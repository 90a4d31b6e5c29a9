//! The order in which reactions that overlap hand over what they publish: that of their beginning.

use tokio::sync::oneshot;

/// Gives out tickets.
#[derive(Debug, Default)]
pub(crate) struct PublishOrder {
    last: Option<oneshot::Receiver<()>>,
}

/// A reaction's place in the order. Its successor's turn comes when it is dropped.
#[derive(Debug)]
pub(crate) struct PublishTurn {
    before: Option<oneshot::Receiver<()>>,
    _behind: oneshot::Sender<()>,
}

impl PublishOrder {
    /// The place behind all that were given out.
    pub(crate) fn next(&mut self) -> PublishTurn {
        let (behind, last) = oneshot::channel();
        PublishTurn { before: self.last.replace(last), _behind: behind }
    }
}

impl PublishTurn {
    /// Waits until all in front of it are gone.
    pub(crate) async fn turn(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: being dropped is the sign.
            let _ = before.await;
            self.before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_turn_comes_when_all_in_front_are_gone() {
        let mut tickets = PublishOrder::default();
        let [mut first, mut second, mut third] = [(); 3].map(|()| tickets.next());
        assert!(first.turn().now_or_never().is_some());
        assert!(third.turn().now_or_never().is_none());
        assert!(second.turn().now_or_never().is_none());
        drop(first);
        assert!(third.turn().now_or_never().is_none());
        assert!(second.turn().now_or_never().is_some());
        drop(second);
        assert!(third.turn().now_or_never().is_some());
        drop(third);
        assert!(tickets.next().turn().now_or_never().is_some());
    }
}
