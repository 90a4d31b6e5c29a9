//! What all pages share: the connection, what is followed in the background, and what is masked.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use rapids_client::{Config, DeadLetters, Operation, Rapids};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

use crate::button::Button;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::{Base, Frame};
use crate::guard::Visitor;
use crate::options::Options;
use crate::reading::in_stream::MOST_READINGS;
use crate::reading::letters::LetterIndex;
use crate::reading::link::Link;
use crate::reading::mapping::Mapping;
use crate::reading::packets::PacketIndex;
use crate::reading::status::StatusWatch;
use crate::reading::{feed, jobs, letters};
use crate::text::{Mask, shown};
use crate::times::{self, Time};

/// So many live pages are open at once.
pub(crate) const MOST_LIVE: usize = 64;

/// What all pages share. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Console(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    base: Base,
    pub(crate) mask: Mask,
    /// What the overview has to be pressed.
    pub(crate) buttons: Vec<Button>,
    pub(crate) link: Link,
    pub(crate) status: StatusWatch,
    pub(crate) packets: Arc<PacketIndex>,
    pub(crate) letters: Arc<LetterIndex>,
    pub(crate) mapping: Mapping,
    /// Places for live pages, each of which has a consumer on the server.
    pub(crate) live_places: Arc<Semaphore>,
    /// Places for readings of the stream.
    pub(crate) reading_places: Semaphore,
    stopped: watch::Receiver<bool>,
}

impl Deref for Console {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Console {
    /// Begins to connect and to read in the background. Pages that follow something end when it is `stopped`.
    pub(crate) fn start(config: Config, options: &Options, stopped: watch::Receiver<bool>) -> Self {
        let link = Link::open(config);
        let packets = Arc::new(PacketIndex::new(options.index));
        let letters = Arc::new(LetterIndex::default());
        tokio::spawn(feed::read(link.clone(), packets.clone()));
        tokio::spawn(letters::follow(link.clone(), letters.clone()));
        if !options.read_only {
            tokio::spawn(jobs::work(link.clone(), format!("console {}", options.listen)));
        }
        Self(Arc::new(Shared {
            base: options.prefix.clone(),
            mask: options.mask.clone(),
            buttons: options.buttons.clone(),
            status: StatusWatch::open(link.clone()),
            mapping: Mapping::open(link.clone(), packets.clone()),
            link,
            packets,
            letters,
            live_places: Arc::new(Semaphore::new(MOST_LIVE)),
            reading_places: Semaphore::new(MOST_READINGS),
            stopped,
        }))
    }

    /// Waits for something that a page follows; `None` once the console is told to stop.
    pub(crate) async fn until_stopped<T>(&self, following: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            next = following => Some(next),
            _ = stopped.wait_for(|stopped| *stopped) => None,
        }
    }

    /// The dead letters.
    ///
    /// # Errors
    /// Why they are not there: no server, no right, or no service has started yet.
    pub(crate) async fn dead_letters(&self) -> Result<&DeadLetters> {
        self.link.dead_letters().await?.ok_or_else(|| {
            Fault::gone("there are no dead letters: the first service that starts creates them")
        })
    }

    /// Adds to the log what somebody did. It is done, whether the log takes it or not.
    pub(crate) async fn record(&self, rapids: &Rapids, operation: Operation) {
        if let Err(error) = Box::pin(rapids.operations().record(&operation)).await {
            warn!("what was done is not in the log of operations: {}", with_causes(&error));
        }
    }

    /// The addresses of pages, for answers that lead to one.
    pub(crate) fn links(&self) -> Frame {
        Frame::new(self.base.clone(), "")
    }

    /// What is around a page; `current` is the path of the page that it belongs to.
    pub(crate) fn frame(&self, visitor: &Visitor, current: &'static str) -> Frame {
        let mut frame = Frame::new(self.base.clone(), current);
        frame.user = visitor.name.as_deref().map(shown);
        frame.can_log_out = visitor.can_log_out;
        frame.token = visitor.token.clone();
        frame.is_masked = !self.mask.is_empty();
        frame.notice = self.notice();
        frame
    }

    /// What is wrong with the server, in words.
    fn notice(&self) -> Option<String> {
        if let Err(fault) = self.link.rapids() {
            return Some(shown(fault));
        }
        let status = self.status.latest();
        let (since, why) = status.away.as_ref()?;
        let (ago, since) = (times::duration(times::since(*since)), Time::from(*since).utc);
        let why = shown(why);
        Some(format!(
            "The server has not answered for {ago}, since {since}: {why}. What is shown is of before."
        ))
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }
}
