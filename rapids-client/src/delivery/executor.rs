//! The caller's side: does jobs on the caller's runtime, one after the other in each of as many
//! tasks as may run at once.
//!
//! A reaction that blocks its thread cannot be interrupted: its slot is taken until it returns. Jobs
//! begin in the order in which they come; which come, and when, is the engine's decision.

pub(crate) mod queue;

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use crate::delivery::executor::queue::{Attended, JobQueue};
use crate::jetstream::validity::LeaseValidity;
use crate::memory::Record;
use crate::packet::Packet;
use crate::river::River;

/// After so long, the engine is told of what was done, and others of the same runtime have their
/// turn.
const SLICE: Duration = Duration::from_micros(200);

/// One packet for one river.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) river: Arc<River>,
    pub(crate) packet: Packet,
    pub(crate) record: Record,
    /// Whether it may begin.
    pub(crate) permit: LeaseValidity,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// What came of a job.
pub(crate) type Answer = anyhow::Result<Reacted>;

/// What a reaction wants.
#[derive(Debug)]
pub(crate) struct Reacted {
    /// To be published.
    pub(crate) packets: Vec<Packet>,
    /// To be kept before.
    pub(crate) record: Record,
    pub(crate) took: Duration,
}

/// That a reaction took too long.
#[derive(Debug, thiserror::Error)]
#[error("no end within {0:?}")]
pub(crate) struct TimedOut(Duration);

/// Does jobs until the desk is closed, at most so many at once, and then those that have begun. They
/// end with this future, if it is dropped.
pub(crate) fn serve(
    service: String,
    at_once: usize,
    desk: Arc<JobQueue>,
) -> impl Future<Output = ()> {
    // Also if the future is dropped before it runs.
    let attended = Attended(desk);
    async move {
        let service: Arc<str> = service.into();
        let mut workers = JoinSet::new();
        loop {
            tokio::select! {
                // As many as were ever needed at once: most services that may do more seldom do.
                () = attended.0.short(), if workers.len() < at_once => {
                    if attended.0.is_closed() {
                        break;
                    }
                    workers.spawn(work(Arc::clone(&service), Arc::clone(&attended.0)));
                }
                // One ends when the engine has, or by a panic beside its reactions.
                Some(_) = workers.join_next() => if attended.0.is_closed() {
                    break;
                },
            }
        }
        drop(attended);
        workers.join_all().await;
    }
}

/// Does one job after the other. A task of its own, so that a reaction that blocks its thread keeps
/// no other from running, nor the service from being told to stop.
async fn work(service: Arc<str>, desk: Arc<JobQueue>) {
    let mut spent = Duration::ZERO;
    while let Some(job) = desk.take().await {
        spent += run(&service, job, &desk).await;
        if spent > SLICE {
            spent = Duration::ZERO;
            desk.tell();
            yield_now().await;
        }
    }
}

/// Does a job, and tells how long that took.
async fn run(
    service: &str,
    Job { river, packet, mut record, permit, mut reply }: Job,
    desk: &JobQueue,
) -> Duration {
    let begun = Instant::now();
    let span = info_span!(
        "reaction",
        service,
        river = river.name(),
        packet = packet.id(),
        correlation = packet.correlation_id(),
    );
    let limit = river.limits().timeout;
    let (packets, is_late) = {
        let reaction = river.handle(service, &packet, &mut record);
        let reaction = ended_within(limit, reaction).instrument(span);
        let mut reaction = pin!(async {
            tokio::select! {
                biased;
                () = permit.held() => reaction.await,
                () = reply.closed() => Err(anyhow::anyhow!("nobody wants to know any more")),
            }
        });
        match poll_fn(|context| Poll::Ready(reaction.as_mut().poll(context))).await {
            Poll::Ready(packets) => (packets, false),
            Poll::Pending => {
                desk.take_time();
                (reaction.await, true)
            }
        }
    };
    let took = begun.elapsed();
    let answer = packets.map(|packets| Reacted { packets, record, took });
    if is_late {
        desk.answer_late(reply, answer);
    } else {
        desk.answer(reply, answer);
    }
    took
}

/// Runs a reaction. One that blocks its thread comes to its end however long that takes, and then
/// its result counts. A panic is its error, and takes nothing along.
async fn ended_within<T>(
    limit: Duration,
    reaction: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut reaction = pin!(Some(AssertUnwindSafe(reaction).catch_unwind()));
    let running = async {
        match reaction.as_mut().as_pin_mut() {
            Some(reaction) => reaction.await,
            None => std::future::pending().await,
        }
    };
    if let Ok(ended) = timeout(limit, running).await {
        return ended.unwrap_or_else(|payload| Err(panicked(&*payload)));
    }
    let ending = catch_unwind(AssertUnwindSafe(|| reaction.set(None)));
    Err(ending.map_or_else(|payload| panicked(&*payload), |()| TimedOut(limit).into()))
}

fn panicked(payload: &(dyn Any + Send)) -> anyhow::Error {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    anyhow::anyhow!("panicked: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Ready, pending};
    use std::sync::mpsc;
    use tokio::sync::Barrier;
    use tokio::task::JoinHandle;

    /// Longer than anything takes on a busy machine.
    const DEADLINE: Duration = Duration::from_secs(30);

    struct Side {
        desk: Arc<JobQueue>,
        serving: JoinHandle<()>,
    }

    impl Side {
        fn start(at_once: usize) -> Self {
            let desk = Arc::new(JobQueue::new(at_once));
            let serving = serve("service".to_owned(), at_once, Arc::clone(&desk));
            Self { desk, serving: tokio::spawn(serving) }
        }

        fn put(&self, river: &Arc<River>) -> oneshot::Receiver<Answer> {
            let (reply, answer) = oneshot::channel();
            let (river, packet) = (Arc::clone(river), Packet::event("x"));
            assert!(self.desk.put(Job {
                river,
                packet,
                record: Record::default(),
                permit: LeaseValidity::endless(),
                reply
            }));
            answer
        }

        /// What came of a job, or that it was dropped.
        async fn answer(&self, mut answer: oneshot::Receiver<Answer>) -> Option<Answer> {
            let answered = async {
                loop {
                    tokio::select! {
                        answer = &mut answer => break answer.ok(),
                        () = self.desk.answered() => self.desk.collect(),
                    }
                }
            };
            timeout(DEADLINE, answered).await.unwrap()
        }

        async fn error(&self, answer: oneshot::Receiver<Answer>) -> anyhow::Error {
            self.answer(answer).await.unwrap().unwrap_err()
        }
    }

    fn river<Fut>(reaction: impl Fn(Packet) -> Fut + Send + Sync + 'static) -> Arc<River>
    where
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Arc::new(River::new("river").event("x").timeout(DEADLINE).react(reaction))
    }

    #[tokio::test]
    async fn a_panic_is_its_reactions_error_and_the_next_one_runs() {
        let side = Side::start(1);
        let at_once = river(|_| -> Ready<anyhow::Result<()>> { panic!("at once") });
        let later = river(|_| async {
            yield_now().await;
            panic!("later")
        });
        let (first, second) = (side.put(&at_once), side.put(&later));
        let third = side.put(&river(|_| async { Ok(()) }));
        assert_eq!(side.error(first).await.to_string(), "panicked: at once");
        assert_eq!(side.error(second).await.to_string(), "panicked: later");
        assert!(side.answer(third).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_reaction_that_takes_too_long_is_dropped_and_may_panic_then() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let side = Side::start(1);
        let limit = Duration::from_millis(10);
        let endless = River::new("river").event("x").timeout(limit);
        let quietly = Arc::new(endless.clone().react(|_| pending::<anyhow::Result<()>>()));
        let loudly = Arc::new(endless.react(|_| async {
            let _panics = Panics;
            pending::<anyhow::Result<()>>().await
        }));
        let (quietly, loudly) = (side.put(&quietly), side.put(&loudly));
        assert!(side.error(quietly).await.is::<TimedOut>());
        assert_eq!(side.error(loudly).await.to_string(), "panicked: dropped");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_ended_is_answered_although_the_next_one_blocks_its_thread() {
        let side = Side::start(1);
        let (go, gone) = mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let blocking = river(move |_| {
            // Ends when the test lets go, in one way or another.
            let _ = gone.lock().unwrap().recv();
            async { Ok(()) }
        });
        let (quick, slow) = (side.put(&river(|_| async { Ok(()) })), side.put(&blocking));
        assert!(side.answer(quick).await.unwrap().is_ok());
        drop(go);
        assert!(side.answer(slow).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn as_many_run_at_once_as_may() {
        let side = Side::start(4);
        let barrier = Arc::new(Barrier::new(4));
        let together = river(move |_| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok(())
            }
        });
        for answer in [(); 8].map(|()| side.put(&together)) {
            assert!(side.answer(answer).await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn a_closed_desk_drops_what_has_not_begun_and_waits_for_what_has() {
        let side = Side::start(1);
        let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (told, let_go) = (Arc::clone(&begun), Arc::clone(&go));
        let waiting = river(move |_| {
            let (begun, go) = (Arc::clone(&told), Arc::clone(&let_go));
            async move {
                begun.wait().await;
                go.wait().await;
                Ok(())
            }
        });
        let (first, second) = (side.put(&waiting), side.put(&waiting));
        begun.wait().await;
        side.desk.close();
        assert!(side.answer(second).await.is_none());
        go.wait().await;
        assert!(side.answer(first).await.unwrap().is_ok());
        timeout(DEADLINE, side.serving).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_serves_once_the_engine_is_gone() {
        for jobs in [0, 1] {
            let side = Side::start(2);
            for answer in (0..jobs).map(|_| side.put(&river(|_| async { Ok(()) }))) {
                assert!(side.answer(answer).await.unwrap().is_ok());
            }
            drop(Attended(Arc::clone(&side.desk)));
            timeout(DEADLINE, side.serving).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn what_runs_ends_with_the_one_that_serves() {
        let side = Side::start(1);
        let endless = river(|_| pending());
        let (first, second) = (side.put(&endless), side.put(&endless));
        side.serving.abort();
        assert!(side.answer(first).await.is_none());
        assert!(side.answer(second).await.is_none());
    }
}
