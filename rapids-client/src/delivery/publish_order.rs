//! The order in which reactions that overlap publish: the order in which they began.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Gives out tickets.
#[derive(Debug, Default)]
pub(crate) struct PublishOrder(Rc<RefCell<Order>>);

#[derive(Debug, Default)]
struct Order {
    /// The number of the first ticket that is not dropped.
    first: u64,
    /// The tickets from that one on.
    tickets: VecDeque<Ticket>,
}

#[derive(Debug)]
enum Ticket {
    Open,
    Waits(Waker),
    Dropped,
}

/// A reaction's place in the order. The next reaction may publish when it is dropped.
#[derive(Debug)]
pub(crate) struct PublishTicket {
    number: u64,
    order: Rc<RefCell<Order>>,
}

impl PublishOrder {
    /// The place behind all others.
    pub(crate) fn next(&self) -> PublishTicket {
        let mut order = self.0.borrow_mut();
        let number = order.first + order.tickets.len() as u64;
        order.tickets.push_back(Ticket::Open);
        PublishTicket { number, order: Rc::clone(&self.0) }
    }
}

impl PublishTicket {
    /// Waits until all tickets in front of it are dropped.
    pub(crate) async fn wait(&self) {
        poll_fn(|context| {
            let mut order = self.order.borrow_mut();
            if order.first == self.number {
                return Poll::Ready(());
            }
            *order.ticket(self.number) = Ticket::Waits(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for PublishTicket {
    fn drop(&mut self) {
        let mut order = self.order.borrow_mut();
        *order.ticket(self.number) = Ticket::Dropped;
        while let Some(Ticket::Dropped) = order.tickets.front() {
            order.tickets.pop_front();
            order.first += 1;
        }
        if let Some(Ticket::Waits(waker)) = order.tickets.front() {
            waker.wake_by_ref();
        }
    }
}

impl Order {
    /// A ticket that is not dropped.
    fn ticket(&mut self, number: u64) -> &mut Ticket {
        let position = usize::try_from(number - self.first).expect("tickets fit into memory");
        &mut self.tickets[position]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_ticket_waits_until_all_in_front_of_it_are_dropped() {
        let tickets = PublishOrder::default();
        let [first, second, third] = [(); 3].map(|()| tickets.next());
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

    #[tokio::test]
    async fn who_waits_is_woken_also_when_the_tickets_are_dropped_out_of_order() {
        let tickets = PublishOrder::default();
        let [first, second, third] = [(); 3].map(|()| tickets.next());
        let dropping = async {
            drop(second);
            tokio::task::yield_now().await;
            drop(first);
        };
        futures::future::join(third.wait(), dropping).await;
    }
}
