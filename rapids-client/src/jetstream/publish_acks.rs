//! The server's acknowledgements of what is published over one connection.
//!
//! All come on one subscription: the reply subject of a publish ends in its number, and a queue of
//! those that wait is ordered by it. A request of its own for each publish, as the client library has
//! it, costs half as much again of everything that a reaction does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::client::{PublishError as SendError, PublishErrorKind as SendErrorKind};
use async_nats::jetstream::Error as Refusal;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::connection::Connection;
use crate::jetstream::publish_fault::Fault;
use crate::names::SUBJECT;
use crate::{Error, Result};

/// How long the server may take to store a message.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked for messages whose time is over.
const EXPIRY: Duration = Duration::from_secs(1);

/// How many messages may wait for their acknowledgement. Well below what the subscription holds, since
/// what it has no room for is dropped.
const MOST: usize = 32_768;

/// How long to wait after a refusal by permission before it is looked for another one.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// What the server says about a message that it has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublishAck {
    pub(crate) sequence: u64,
    /// Whether it was stored before under its id.
    pub(crate) duplicate: bool,
}

/// Why there is no acknowledgement.
#[derive(Debug)]
pub(crate) enum Unacknowledged {
    Failed(PublishError),
    NotPermitted(Error),
}

/// Publishes to the rapids, and receives the acknowledgements.
#[derive(Debug)]
pub(crate) struct PublishAcks {
    connection: Connection,
    /// What the reply subjects begin with.
    prefix: String,
    waiting: Arc<Waiting>,
    receiving: AbortHandle,
}

/// A message that was handed to the connection: its acknowledgement to come.
#[derive(Debug)]
pub(crate) struct Handed(oneshot::Receiver<Answer>);

/// What becomes of a message.
type Answer = Result<PublishAck, Unacknowledged>;

#[derive(Debug)]
struct Waiting {
    // A lock, since any thread may publish; held for a moment.
    window: Mutex<Window>,
    /// A permit for each message that may be handed over.
    room: Semaphore,
}

/// The messages that wait for their acknowledgement, by their number.
#[derive(Debug, Default)]
struct Window {
    /// The number of the first of them.
    first: u64,
    entries: VecDeque<Option<Entry>>,
}

#[derive(Debug)]
struct Entry {
    handed_over: Instant,
    reply: oneshot::Sender<Answer>,
}

impl PublishAcks {
    /// Subscribes to the acknowledgements, and receives them on this runtime for as long as this value
    /// lives.
    ///
    /// # Errors
    /// `Server` if the connection is closed.
    pub(crate) async fn open(connection: &Connection) -> Result<Self> {
        let inbox = connection.client.new_inbox();
        let subscribing = connection.client.subscribe(format!("{inbox}.*")).await;
        let subscriber = subscribing.map_err(|error| Error::Server {
            action: "subscribe to acknowledgements".to_owned(),
            source: error.into(),
        })?;
        let waiting = Arc::new(Waiting { window: Mutex::default(), room: Semaphore::new(MOST) });
        let receiving = tokio::spawn(receive(connection.clone(), subscriber, Arc::clone(&waiting)));
        Ok(Self {
            connection: connection.clone(),
            prefix: format!("{inbox}."),
            waiting,
            receiving: receiving.abort_handle(),
        })
    }

    /// Hands a message to the connection, once there is room for it.
    pub(crate) async fn publish(&self, message: impl Fn() -> (HeaderMap, Bytes)) -> Handed {
        // There nearly always is, and a future for what seldom happens would make every caller's large.
        let handing_over = self.hand_over(message());
        match handing_over.now_or_never() {
            Some(handed) => handed,
            None => {
                let waiting = timeout(TIMEOUT, self.hand_over(message()));
                let timed_out = || PublishError::new(PublishErrorKind::TimedOut);
                Box::pin(waiting).await.unwrap_or_else(|_| Handed::failed(timed_out()))
            }
        }
    }

    async fn hand_over(&self, (headers, body): (HeaderMap, Bytes)) -> Handed {
        let Ok(permit) = self.waiting.room.acquire().await else {
            return Handed::failed(PublishError::new(PublishErrorKind::BrokenPipe));
        };
        permit.forget();
        let (reply, answer) = oneshot::channel();
        let number = self.waiting.window().push(Entry { handed_over: Instant::now(), reply });
        let mut place = Place { waiting: &self.waiting, number, is_handed_over: false };
        let client = &self.connection.client;
        let inbox = format!("{}{number}", self.prefix);
        match client.publish_with_reply_and_headers(SUBJECT, inbox, headers, body).await {
            Ok(()) => {
                place.is_handed_over = true;
                Handed(answer)
            }
            Err(error) => Handed::failed(not_handed_over(error)),
        }
    }
}

impl Drop for PublishAcks {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

/// The place of a message among those that wait. It is given up if the message is not handed over.
struct Place<'a> {
    waiting: &'a Waiting,
    number: u64,
    is_handed_over: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_handed_over {
            self.waiting.take(self.number);
        }
    }
}

impl Handed {
    /// A message that was not handed over, for this reason.
    pub(crate) fn failed(error: PublishError) -> Self {
        let (reply, answer) = oneshot::channel();
        // The other end is here.
        let _ = reply.send(Err(Unacknowledged::Failed(error)));
        Self(answer)
    }

    /// Waits for the acknowledgement of the message of this id, which may have `limit` bytes.
    pub(crate) async fn answer(&mut self, id: &str, limit: usize) -> Result<PublishAck, Fault> {
        let answer = (&mut self.0).await.unwrap_or_else(|_| Err(broken()));
        answer.map_err(|error| match error {
            Unacknowledged::Failed(error) => Fault::of(id, limit, error),
            Unacknowledged::NotPermitted(error) => Fault::Final(error),
        })
    }
}

fn broken() -> Unacknowledged {
    Unacknowledged::Failed(PublishError::new(PublishErrorKind::BrokenPipe))
}

/// The error of a message that could not be handed to the connection.
pub(crate) fn not_handed_over(error: SendError) -> PublishError {
    let kind = match error.kind() {
        SendErrorKind::MaxPayloadExceeded => PublishErrorKind::MaxPayloadExceeded,
        SendErrorKind::InvalidSubject | SendErrorKind::Send => PublishErrorKind::Other,
    };
    PublishError::with_source(kind, error)
}

impl Waiting {
    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, number: u64) -> Option<Entry> {
        let entry = self.window().take(number)?;
        self.room.add_permits(1);
        Some(entry)
    }

    fn answered(&self, message: &Message) {
        let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        // What waits no more was answered too late, or twice.
        if let Some(entry) = number.and_then(|number| self.take(number)) {
            // Nobody may wait any more.
            let _ = entry.reply.send(read(message).map_err(Unacknowledged::Failed));
        }
    }

    /// Ends the wait of all messages that were handed over up to a time.
    fn fail_until(&self, last: Instant, error: impl Fn() -> Unacknowledged) {
        let failed = self.window().take_until(last);
        self.room.add_permits(failed.len());
        for entry in failed {
            let _ = entry.reply.send(Err(error()));
        }
    }
}

impl Window {
    /// Adds a message, and returns its number.
    fn push(&mut self, entry: Entry) -> u64 {
        self.entries.push_back(Some(entry));
        self.first + self.entries.len() as u64 - 1
    }

    fn take(&mut self, number: u64) -> Option<Entry> {
        let position = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get_mut(position)?.take();
        while self.entries.front().is_some_and(Option::is_none) {
            self.entries.pop_front();
            self.first += 1;
        }
        entry
    }

    /// Takes the messages that were handed over up to a time.
    fn take_until(&mut self, last: Instant) -> Vec<Entry> {
        let mut taken = Vec::new();
        while let Some(front) = self.entries.pop_front() {
            if front.as_ref().is_some_and(|entry| entry.handed_over > last) {
                self.entries.push_front(front);
                break;
            }
            self.first += 1;
            taken.extend(front);
        }
        taken
    }
}

/// Receives acknowledgements, and ends the wait of messages that will get none.
async fn receive(connection: Connection, mut subscriber: Subscriber, waiting: Arc<Waiting>) {
    let mut expiry = interval(EXPIRY);
    expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failed = |kind| move || Unacknowledged::Failed(PublishError::new(kind));
    let mut refused = Box::pin(connection.refused(SUBJECT, Instant::now()));
    let mut reconnected = Box::pin(connection.reconnected());
    loop {
        tokio::select! {
            biased;
            message = subscriber.next() => {
                let Some(message) = message else { return };
                waiting.answered(&message);
                while let Some(Some(message)) = subscriber.next().now_or_never() {
                    waiting.answered(&message);
                }
            }
            // It comes on the connection, and not on the subscription.
            violation = &mut refused => {
                let refusal = || Error::NotPermitted { violation: violation.clone() };
                waiting.fail_until(Instant::now(), || Unacknowledged::NotPermitted(refusal()));
                sleep(AFTER_REFUSAL).await;
                refused.set(connection.refused(SUBJECT, Instant::now()));
            }
            // What the former connection was to acknowledge is not acknowledged any more.
            () = &mut reconnected => {
                waiting.fail_until(Instant::now(), failed(PublishErrorKind::BrokenPipe));
                reconnected.set(connection.reconnected());
            }
            _ = expiry.tick() => if let Some(last) = Instant::now().checked_sub(TIMEOUT) {
                waiting.fail_until(last, failed(PublishErrorKind::TimedOut));
            },
        }
    }
}

/// Reads what the server says about a message.
fn read(message: &Message) -> Result<PublishAck, PublishError> {
    #[derive(Deserialize)]
    struct Said {
        error: Option<Refusal>,
        seq: Option<u64>,
        #[serde(default)]
        duplicate: bool,
    }
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(PublishError::new(PublishErrorKind::StreamNotFound));
    }
    let said: Said = serde_json::from_slice(&message.payload)
        .map_err(|error| PublishError::with_source(PublishErrorKind::Other, error))?;
    match (said.error, said.seq) {
        (None, Some(sequence)) => Ok(PublishAck { sequence, duplicate: said.duplicate }),
        (Some(error), _) => Err(PublishError::with_source(PublishErrorKind::Other, error)),
        (None, None) => Err(PublishError::new(PublishErrorKind::Other)),
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::ErrorCode;

    use super::*;

    fn entry() -> (Entry, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Entry { handed_over: Instant::now(), reply }, answer)
    }

    #[test]
    fn each_acknowledgement_finds_its_message_in_whatever_order_it_comes() {
        let mut window = Window::default();
        let numbers: Vec<_> = (0..4).map(|_| window.push(entry().0)).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert!(window.take(2).is_some());
        assert!(window.take(2).is_none(), "it is answered once");
        assert_eq!(window.first, 0);
        assert!(window.take(0).is_some() && window.take(1).is_some());
        assert_eq!((window.first, window.entries.len()), (3, 1));
        assert!(window.take(4).is_none() && window.take(1).is_none());
        assert_eq!(window.push(entry().0), 4);
        assert!(window.take(3).is_some() && window.take(4).is_some());
        assert!(window.entries.is_empty());
        assert_eq!(window.push(entry().0), 5);
    }

    #[test]
    fn only_messages_that_were_handed_over_until_then_are_given_up() {
        let mut window = Window::default();
        let (first, _answer) = entry();
        let until = first.handed_over;
        window.push(first);
        let second = window.push(Entry { handed_over: until + TIMEOUT, ..entry().0 });
        assert_eq!(window.take_until(until).len(), 1);
        assert!(window.take_until(until).is_empty());
        assert!(window.take(second).is_some());
    }

    #[test]
    fn what_the_server_says_is_read() {
        let said = |body: &str, status: Option<StatusCode>| {
            read(&Message {
                subject: "inbox.1".into(),
                reply: None,
                payload: Bytes::copy_from_slice(body.as_bytes()),
                headers: None,
                status,
                description: None,
                length: 0,
            })
        };
        let stored = said(r#"{"stream":"RAPIDS","seq":7,"domain":"hub"}"#, None);
        assert_eq!(stored.unwrap(), PublishAck { sequence: 7, duplicate: false });
        let again = said(r#"{"stream":"RAPIDS","seq":7,"duplicate":true}"#, None);
        assert_eq!(again.unwrap(), PublishAck { sequence: 7, duplicate: true });
        let full = r#"{"stream":"RAPIDS","seq":0,"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#;
        let error = said(full, None).unwrap_err();
        let answer = crate::connection::server_answer(&error).unwrap();
        assert_eq!(answer.error_code(), ErrorCode::STREAM_STORE_FAILED);
        assert_eq!(
            said("", Some(StatusCode::NO_RESPONDERS)).unwrap_err().kind(),
            PublishErrorKind::StreamNotFound
        );
        assert!(said("{}", None).is_err() && said("no JSON", None).is_err());
    }
}
