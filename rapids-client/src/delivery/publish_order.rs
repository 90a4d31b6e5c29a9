//! The order in which reactions that overlap publish: the order in which they began.

use tokio::sync::oneshot;

/// Gives out tickets.
#[derive(Debug, Default)]
pub(crate) struct PublishOrder {
    last: Option<oneshot::Receiver<()>>,
}

/// A reaction's place in the order. The next reaction may publish when it is dropped.
#[derive(Debug)]
pub(crate) struct PublishTicket {
    before: Option<oneshot::Receiver<()>>,
    _behind: oneshot::Sender<()>,
}

impl PublishOrder {
    /// The place behind all others.
    pub(crate) fn next(&mut self) -> PublishTicket {
        let (behind, last) = oneshot::channel();
        PublishTicket { before: self.last.replace(last), _behind: behind }
    }
}

impl PublishTicket {
    /// Waits until all tickets in front of it are dropped.
    pub(crate) async fn wait(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: the wait ends when the sender is dropped.
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
    fn a_ticket_waits_until_all_in_front_of_it_are_dropped() {
        let mut tickets = PublishOrder::default();
        let [mut first, mut second, mut third] = [(); 3].map(|()| tickets.next());
        assert!(first.wait().now_or_never().is_some());
        assert!(third.wait().now_or_never().is_none());
        assert!(second.wait().now_or_never().is_none());
        drop(first);
        assert!(third.wait().now_or_never().is_none());
        assert!(second.wait().now_or_never().is_some());
        drop(second);
        assert!(third.wait().now_or_never().is_some());
        drop(third);
        assert!(tickets.next().wait().now_or_never().is_some());
    }
}
