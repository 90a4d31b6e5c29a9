//! How one service of the process stands, for those who probe it and scrape it over HTTP.
//!
//! The library's thread keeps it and answers, so that there is an answer while a reaction blocks its
//! thread.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::executor::JobQueue;
use crate::announcement::stats::ServiceStats;
use crate::connection::Connection;
use crate::metrics::ServiceMetrics;
use crate::service::Service;

/// Which rights a login lacks, if it lacks some: written by who checks them, and shown by all that tell how the
/// service stands.
pub(super) type Lacks = Rc<RefCell<Option<String>>>;

pub(crate) struct Health {
    service: Service,
    must_stop: watch::Receiver<bool>,
    /// The queue of its reactions, and those before it in which some may still block.
    jobs: RefCell<Vec<Arc<JobQueue>>>,
    opened: RefCell<Option<Opened>>,
    lacks: Lacks,
    /// Where it is served, if it is.
    url: OnceCell<String>,
}

/// A service whose stream and position are there and were checked.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) instance: String,
    pub(crate) started: Timestamp,
    pub(crate) metrics: Arc<ServiceMetrics>,
}

impl Health {
    pub(crate) fn new(service: &Service, must_stop: watch::Receiver<bool>) -> Self {
        Self {
            service: service.clone(),
            must_stop,
            jobs: RefCell::default(),
            opened: RefCell::default(),
            lacks: Rc::default(),
            url: OnceCell::new(),
        }
    }

    /// The service runs its reactions through this queue from now on.
    pub(crate) fn set_jobs(&self, jobs: &Arc<JobQueue>) {
        let mut queues = self.jobs.borrow_mut();
        queues.retain(|queue| !queue.polled().is_empty());
        queues.push(jobs.clone());
    }

    /// Learns that the service has opened what it needs, until the value is dropped.
    pub(crate) fn opened(&self, opened: Opened) -> OpenedUntilDropped<'_> {
        self.opened.replace(Some(opened));
        OpenedUntilDropped(self)
    }

    pub(super) fn lacks(&self) -> &Lacks {
        &self.lacks
    }

    /// Learns where it is served.
    pub(crate) fn set_url(&self, url: &str) {
        self.url.get_or_init(|| url.to_owned());
    }

    pub(crate) fn url(&self) -> Option<String> {
        self.url.get().cloned()
    }

    /// The reactions that have blocked their threads for longer than they may take.
    pub(crate) fn blocked(&self) -> Vec<String> {
        let polled: Vec<_> = self.jobs.borrow().iter().flat_map(|jobs| jobs.polled()).collect();
        let described = polled.into_iter().filter_map(|(turn, time)| {
            let river = self.service.rivers().get(turn.river)?;
            let limit = river.limits().timeout;
            (time > limit).then(|| {
                let (service, river, place) = (self.service.name(), river.name(), turn.place);
                let (seconds, limit) = (time.as_secs(), limit.as_secs_f64());
                format!(
                    "{service}: river {river} has blocked its thread on packet {place} for \
                     {seconds} s, its time-out is {limit} s"
                )
            })
        });
        described.collect()
    }

    /// Why the service takes no packets at present, or cannot do all that it may have to, if so. One that
    /// stands by is ready to.
    pub(crate) fn unready(&self) -> Option<String> {
        let why = match &*self.opened.borrow() {
            _ if *self.must_stop.borrow() => "it is stopping",
            None => "its stream and its position are not checked yet",
            Some(opened) if !opened.connection.is_connected() => "it is not connected",
            Some(_) => {
                return Some(format!("{}: {}", self.service.name(), self.lacks.borrow().as_ref()?));
            }
        };
        Some(format!("{}: {why}", self.service.name()))
    }

    /// What it has counted; `None` before it has opened what it needs.
    pub(crate) fn stats(&self) -> Option<ServiceStats> {
        let opened = self.opened.borrow();
        let Opened { instance, started, metrics, .. } = opened.as_ref()?;
        let rivers = metrics.rivers().iter();
        Some(ServiceStats {
            name: self.service.name().to_owned(),
            id: instance.clone(),
            started: *started,
            rivers: rivers.map(|river| (river.name().to_owned(), river.figures())).collect(),
            all: metrics.figures(),
        })
    }
}

/// While it lives, the service has what it needs. It may end by a panic.
pub(crate) struct OpenedUntilDropped<'a>(&'a Health);

impl Drop for OpenedUntilDropped<'_> {
    fn drop(&mut self) {
        self.0.opened.take();
    }
}
