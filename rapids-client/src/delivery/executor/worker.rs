//! Workers: tasks on the caller's runtime that run one job after the other. There are as many as jobs
//! may run at once.
//!
//! A reaction that blocks its thread cannot be interrupted: its slot is taken until it returns. Jobs
//! begin in the order in which the engine puts them into the queue.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use super::queue::{CloseOnDrop, EndedJob, JobQueue};
use super::traced::Traced;
use super::{Job, JobOutput, NotBegun, Panicked, TimedOut, Work};
use crate::effects::Effects;
use crate::packet::Packet;
use crate::river::River;

/// After so long a worker wakes the engine, and lets other tasks of its runtime run.
const SLICE: Duration = Duration::from_micros(200);

/// Runs jobs, at most so many at once, until the queue is closed and those that have begun are done. If
/// this future is dropped, the jobs end with it.
pub(crate) fn serve(
    service: String,
    at_once: usize,
    queue: Arc<JobQueue>,
) -> impl Future<Output = ()> {
    // Outside of the future, which may be dropped before it runs.
    let queue = CloseOnDrop(queue);
    async move {
        let service: Arc<str> = service.into();
        let mut workers = JoinSet::new();
        loop {
            tokio::select! {
                // Only as many as are needed: most services never need all.
                () = queue.0.worker_needed(), if workers.len() < at_once => {
                    if queue.0.is_closed() {
                        break;
                    }
                    workers.spawn(work(Arc::clone(&service), Arc::clone(&queue.0)));
                }
                // A worker ends when the engine has ended, or by a panic outside of its reactions.
                Some(_) = workers.join_next() => if queue.0.is_closed() {
                    break;
                },
            }
        }
        drop(queue);
        workers.join_all().await;
    }
}

/// Runs one job after the other. A task of its own, so that a reaction that blocks its thread delays
/// neither the other workers nor the end of the service.
async fn work(service: Arc<str>, queue: Arc<JobQueue>) {
    let mut ended = None;
    let mut slice = Instant::now();
    let mut now = slice;
    loop {
        let Some(job) = queue.next(ended.take(), now) else {
            if !queue.wait().await {
                return;
            }
            now = Instant::now();
            slice = now;
            continue;
        };
        (ended, now) = run(&service, (job, now), &queue).await;
        if now - slice > SLICE {
            queue.answer(ended.take());
            yield_now().await;
            slice = now;
        }
    }
}

/// Runs a job that begins at this time. Returns it if it has ended without a pause, and the time.
async fn run(
    service: &str,
    (job, begun): (Job, Instant),
    queue: &JobQueue,
) -> (Option<EndedJob>, Instant) {
    let Job { turn, river, packet, work, validity, mut reply } = job;
    let span = info_span!(
        "reaction",
        service,
        river = river.name(),
        packet = packet.id(),
        correlation = packet.correlation_id(),
    );
    let ((begun, answer), is_slow) = {
        let mut reaction = pin!(
            async {
                let begun = tokio::select! {
                    biased;
                    has_waited = validity.decided() => match has_waited {
                        Some(false) => begun,
                        Some(true) => Instant::now(),
                        None => return (begun, Err(NotBegun.into())),
                    },
                    () = reply.closed() => return (begun, Err(NotBegun.into())),
                };
                (begun, react(service, (&river, &packet), work).await)
            }
            .instrument(span)
        );
        match poll_fn(|context| Poll::Ready(reaction.as_mut().poll(context))).await {
            Poll::Ready(ended) => (ended, false),
            Poll::Pending => {
                queue.set_slow(turn);
                let ending = poll_fn(|context| {
                    queue.begin_poll(turn);
                    let polled = reaction.as_mut().poll(context);
                    queue.end_poll(turn);
                    polled
                });
                (ending.await, true)
            }
        }
    };
    let now = Instant::now();
    let ended = EndedJob { turn, reply, answer: (now - begun, answer) };
    if is_slow {
        queue.answer_slow(ended);
        return (None, now);
    }
    (Some(ended), now)
}

/// Calls the user's code, within its time and in the span of the program's tracer.
async fn react(
    service: &str,
    (river, packet): (&River, &Packet),
    work: Work,
) -> anyhow::Result<JobOutput> {
    let traced = Traced::of(service, (river, packet), &work);
    let calling = call(service, (river, packet), (work, &traced));
    // Within the span that is logged, so that this is the present one: tasks that the reaction begins may
    // go on in it.
    let ended = run_within(river.limits().timeout, calling).instrument(traced.span()).await;
    if let Err(error) = &ended {
        traced.failed(error);
    }
    ended
}

/// Calls the user's code.
async fn call(
    service: &str,
    (river, packet): (&River, &Packet),
    (work, traced): (Work, &Traced),
) -> anyhow::Result<JobOutput> {
    let (effects, value, encodes) = match work {
        Work::React { memory, encodes } => {
            let (effects, value) = river.run(service, packet, memory, Timestamp::now).await?;
            (traced.effects(effects), value, encodes)
        }
        Work::Encode(value) => (Effects::default(), Some(value), true),
        Work::Tell(telling) => {
            let told = river.told(service, packet, &telling)?.into_iter().collect();
            (Effects { packets: told, ..Effects::default() }, None, false)
        }
    };
    let wanted = value.as_ref().filter(|_| encodes);
    let encoded = wanted.map(|value| value.encoded()).transpose()?;
    Ok(JobOutput { effects, value, encoded })
}

/// Runs a reaction, for at most this time between two awaits: one that blocks its thread cannot be
/// interrupted, and if it then ends, its result counts. A panic becomes its error.
async fn run_within<T>(
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
    Panicked(message.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::executor::Answer;
    use crate::delivery::turn_id::TurnId;
    use crate::jetstream::sequence::{StreamName, StreamPlace};
    use crate::jetstream::validity::LeaseValidity;
    use crate::memory::Memory;
    use std::future::{Ready, pending};
    use std::sync::mpsc;
    use tokio::sync::Barrier;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    /// Longer than anything takes on a busy machine.
    const DEADLINE: Duration = Duration::from_secs(30);

    struct Side {
        queue: Arc<JobQueue>,
        serving: JoinHandle<()>,
    }

    impl Side {
        fn start(at_once: usize) -> Self {
            let queue = Arc::new(JobQueue::new(at_once));
            let serving = serve("service".to_owned(), at_once, Arc::clone(&queue));
            Self { queue, serving: tokio::spawn(serving) }
        }

        fn put(&self, river: &Arc<River>) -> oneshot::Receiver<Answer> {
            self.put_while(river, LeaseValidity::endless())
        }

        fn put_while(
            &self,
            river: &Arc<River>,
            validity: LeaseValidity,
        ) -> oneshot::Receiver<Answer> {
            let (reply, answer) = oneshot::channel();
            let (river, packet) = (Arc::clone(river), Packet::event("x"));
            let place = StreamPlace { stream: StreamName::Rapids, sequence: fastrand::u64(..) };
            let turn = TurnId { place, river: 0 };
            self.queue.put(&mut vec![Job {
                turn,
                river,
                packet,
                work: Work::React { memory: Memory::default(), encodes: false },
                validity,
                reply,
            }]);
            answer
        }

        /// The answer of a job; `None` if it was dropped.
        async fn answer(&self, mut answer: oneshot::Receiver<Answer>) -> Option<Answer> {
            let answered = async {
                loop {
                    tokio::select! {
                        answer = &mut answer => break answer.ok(),
                        () = self.queue.answered() => self.queue.deliver_answers(),
                    }
                }
            };
            timeout(DEADLINE, answered).await.unwrap()
        }

        async fn error(&self, answer: oneshot::Receiver<Answer>) -> anyhow::Error {
            self.answer(answer).await.unwrap().1.unwrap_err()
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
        assert!(side.answer(third).await.unwrap().1.is_ok());
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

    #[tokio::test]
    async fn a_job_that_waits_for_a_lease_which_is_lost_never_begins() {
        let side = Side::start(1);
        let (until, validity) = LeaseValidity::until(Instant::now());
        let forbidden = river(|_| -> Ready<anyhow::Result<()>> { panic!("it runs") });
        let answer = side.put_while(&forbidden, validity);
        yield_now().await;
        drop(until);
        assert!(side.error(answer).await.is::<NotBegun>());
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
        assert!(side.answer(quick).await.unwrap().1.is_ok());
        drop(go);
        assert!(side.answer(slow).await.unwrap().1.is_ok());
    }

    #[tokio::test]
    async fn as_many_jobs_run_at_once_as_there_may_be_workers() {
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
            assert!(side.answer(answer).await.unwrap().1.is_ok());
        }
    }

    #[tokio::test]
    async fn a_closed_queue_drops_what_has_not_begun_and_waits_for_what_has() {
        let side = Side::start(1);
        let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (has_begun, may_end) = (Arc::clone(&begun), Arc::clone(&go));
        let waiting = river(move |_| {
            let (begun, go) = (Arc::clone(&has_begun), Arc::clone(&may_end));
            async move {
                begun.wait().await;
                go.wait().await;
                Ok(())
            }
        });
        let (first, second) = (side.put(&waiting), side.put(&waiting));
        begun.wait().await;
        side.queue.close();
        assert!(side.answer(second).await.is_none());
        go.wait().await;
        assert!(side.answer(first).await.unwrap().1.is_ok());
        timeout(DEADLINE, side.serving).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_serves_once_the_engine_is_gone() {
        for jobs in [0, 1] {
            let side = Side::start(2);
            for answer in (0..jobs).map(|_| side.put(&river(|_| async { Ok(()) }))) {
                assert!(side.answer(answer).await.unwrap().1.is_ok());
            }
            drop(CloseOnDrop(Arc::clone(&side.queue)));
            timeout(DEADLINE, side.serving).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn what_runs_ends_with_the_serving_future() {
        let side = Side::start(1);
        let endless = river(|_| pending());
        let (first, second) = (side.put(&endless), side.put(&endless));
        side.serving.abort();
        assert!(side.answer(first).await.is_none());
        assert!(side.answer(second).await.is_none());
    }
}
