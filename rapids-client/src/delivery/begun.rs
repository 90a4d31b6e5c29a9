//! The turns that have begun and not ended.
//!
//! With their engine they end, too, except those with a reaction of `.once()`: its claim is renewed, and
//! what came of it noted, or it would run again. Where the service goes on, that is [`Unfinished`].

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::Context;
use super::executor::Executor;
use super::turn::TurnEnd;
use super::turn_id::TurnId;

#[derive(Default)]
pub(super) struct BegunTurns(FuturesUnordered<BegunTurn>);

struct BegunTurn {
    id: TurnId,
    is_once: bool,
    running: LocalBoxFuture<'static, TurnEnd>,
}

impl Future for BegunTurn {
    type Output = (TurnId, TurnEnd);

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let id = self.id;
        self.running.as_mut().poll(context).map(|end| (id, end))
    }
}

impl BegunTurns {
    /// Adds one, which may have a reaction of `.once()`.
    pub(super) fn push(
        &self,
        (id, is_once): (TurnId, bool),
        running: impl Future<Output = TurnEnd> + 'static,
    ) {
        self.0.push(BegunTurn { id, is_once, running: Box::pin(running) });
    }

    /// The turn that ends next. Hands the jobs of those that begin to the workers, all at once.
    pub(super) async fn next_end(&mut self, executor: &Executor) -> (TurnId, TurnEnd) {
        poll_fn(|context| {
            let end = self.0.poll_next_unpin(context);
            executor.hand_over();
            match end {
                Poll::Ready(Some(end)) => Poll::Ready(end),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Drops them, since their engine has ended, except those of which a claim is in hand: they go on until
    /// what came of their reactions is noted, or that they never began.
    pub(super) async fn finish_claimed(self, context: Rc<Context>) {
        let Some(claims) = &context.claims else { return };
        let mut turns: FuturesUnordered<_> = self.0.into_iter().filter(|it| it.is_once).collect();
        let (executor, queue) = (&context.executor, &context.executor.queue);
        while claims.are_in_hand() {
            queue.deliver_answers();
            let noted = poll_fn(|context| {
                // Whoever has the packets now acts on how they end.
                while let Poll::Ready(Some(_)) = turns.poll_next_unpin(context) {}
                executor.hand_over();
                if claims.are_in_hand() { Poll::Pending } else { Poll::Ready(()) }
            });
            tokio::select! {
                () = noted => {}
                () = queue.answered() => {}
            }
        }
    }
}

/// What goes on of engines that have ended, beside the next one of their service.
#[derive(Default)]
pub(super) struct Unfinished {
    left: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// The service was asked to stop, and its grace period is over.
    is_over: Cell<bool>,
}

impl Unfinished {
    pub(super) fn push(&self, going_on: impl Future<Output = ()> + 'static) {
        if !self.is_over.get() {
            self.left.borrow().push(Box::pin(going_on));
        }
    }

    /// Goes on with it. Drops what is left when the service was asked to stop and its grace period is over.
    pub(super) async fn go_on(&self, mut stop: watch::Receiver<bool>, grace: Duration) -> ! {
        let stopping = async {
            // Also when the caller was dropped.
            let _ = stop.wait_for(|stop| *stop).await;
            sleep(grace).await;
        };
        let going_on = poll_fn(|context| {
            let _ = self.poll(context);
            Poll::<()>::Pending
        });
        tokio::select! {
            () = stopping => {
                self.is_over.set(true);
                self.left.borrow_mut().clear();
            }
            () = going_on => {}
        }
        pending().await
    }

    /// Waits until nothing is left. To be polled behind [`go_on`](Self::go_on), which may drop it.
    pub(super) async fn ended(&self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&self, context: &mut TaskContext<'_>) -> Poll<()> {
        let mut left = self.left.borrow_mut();
        while let Some(()) = std::task::ready!(left.poll_next_unpin(context)) {}
        Poll::Ready(())
    }
}
