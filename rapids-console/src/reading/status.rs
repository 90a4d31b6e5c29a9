//! What is known of services, positions and the stream: asked for every other second while somebody looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rapids_client::{Error, Rapids, ServiceInfo, ServiceStats, StreamContents};
use rapids_views::ServiceStatus;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::link::Link;
use super::looking::Looking;
use crate::fault::with_causes;

/// How often all is asked for while somebody looks, and while nobody does.
const OFTEN: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(15);
/// For so long after a page was shown, somebody looks.
const LOOKED: Duration = Duration::from_secs(60);
/// How long services have to answer.
const WAIT: Duration = Duration::from_millis(400);
/// For so long the rules of a service are known that does not answer in time any more.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What was known at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    /// When it was asked for; `None` until it was.
    pub(crate) taken: Option<Timestamp>,
    /// By name.
    pub(crate) services: Arc<BTreeMap<String, ServiceStatus>>,
    pub(crate) contents: Option<StreamContents>,
    /// How many packets per second the instances of a service handled since the last look, by name.
    pub(crate) handled: BTreeMap<String, f64>,
    /// How many packets came to the stream per second since the last look.
    pub(crate) published: f64,
    /// What could not be asked, and why.
    pub(crate) missing: Vec<String>,
    /// Why the server did not answer, and since when. Everything else is of before.
    pub(crate) away: Option<(Timestamp, String)>,
    announced: Arc<BTreeMap<String, Announced>>,
    stats: Arc<Vec<ServiceStats>>,
    asked: Option<Instant>,
}

/// The instances of a service as they answered last. A busy one may miss a look.
#[derive(Debug, Clone)]
struct Announced {
    at: Instant,
    instances: Vec<ServiceInfo>,
}

impl Status {
    /// What the instances of all services announced last.
    pub(crate) fn announced(&self) -> Vec<ServiceInfo> {
        self.announced.values().flat_map(|it| it.instances.clone()).collect()
    }

    /// What the instances of one service announced last; nothing if it is not up.
    pub(crate) fn announced_by(&self, service: &str) -> Vec<ServiceInfo> {
        self.announced.get(service).map(|it| it.instances.clone()).unwrap_or_default()
    }
}

/// The latest status. Whoever asks for it makes it be asked for more often.
#[derive(Debug, Clone)]
pub(crate) struct StatusWatch {
    status: watch::Receiver<Arc<Status>>,
    looking: Looking,
}

impl StatusWatch {
    /// Begins to ask.
    pub(crate) fn open(link: Link) -> Self {
        let (sender, status) = watch::channel(Arc::new(Status::default()));
        let looking = Looking::begin();
        tokio::spawn(keep_asking(link, sender, looking.clone()));
        Self { status, looking }
    }

    /// What was known last.
    pub(crate) fn latest(&self) -> Arc<Status> {
        self.looking.note();
        self.status.borrow().clone()
    }

    /// Waits for what is known next; `None` when the console ends.
    pub(crate) async fn next(&mut self) -> Option<Arc<Status>> {
        self.status.changed().await.ok()?;
        self.looking.note();
        Some(self.status.borrow_and_update().clone())
    }
}

async fn keep_asking(link: Link, sender: watch::Sender<Arc<Status>>, looking: Looking) {
    let Some(rapids) = link.opened().await else { return };
    loop {
        let before = sender.borrow().clone();
        sender.send_replace(Arc::new(Box::pin(ask(&rapids, &before)).await));
        let began = Instant::now();
        loop {
            let pause = if looking.was_within(LOOKED) { OFTEN } else { SELDOM };
            if began.elapsed() >= pause {
                break;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(500)) => {}
                () = sender.closed() => return,
            }
        }
    }
}

async fn ask(rapids: &Rapids, before: &Status) -> Status {
    let contents = match rapids.contents().await {
        Ok(contents) => contents,
        Err(error) => {
            let since = before.away.as_ref().map_or_else(Timestamp::now, |(since, _)| *since);
            return Status { away: Some((since, with_causes(&error))), ..before.clone() };
        }
    };
    let (instances, stats, positions) =
        tokio::join!(rapids.services(WAIT), rapids.stats(WAIT), rapids.positions());
    let mut missing = Vec::new();
    let instances = known(instances, "services are not asked", &mut missing);
    let stats = known(stats, "figures are not asked for", &mut missing);
    let positions = known(positions, "positions are not read", &mut missing);
    let now = Instant::now();
    let elapsed = before.asked.map(|asked| (now - asked).as_secs_f64());
    let published = match (elapsed, &contents, &before.contents) {
        (Some(elapsed), Some(now), Some(then)) => {
            now.last_sequence.saturating_sub(then.last_sequence) as f64 / elapsed
        }
        _ => 0.0,
    };
    let services = ServiceStatus::of_all(positions, instances);
    Status {
        taken: Some(Timestamp::now()),
        announced: Arc::new(announced(&before.announced, &services, now)),
        services: Arc::new(services),
        contents,
        handled: elapsed.map(|it| handled(&before.stats, &stats, it)).unwrap_or_default(),
        published,
        missing,
        away: None,
        stats: Arc::new(stats),
        asked: Some(now),
    }
}

/// What each service announced last, unless that is long ago.
fn announced(
    before: &BTreeMap<String, Announced>,
    services: &BTreeMap<String, ServiceStatus>,
    now: Instant,
) -> BTreeMap<String, Announced> {
    let recent = before.iter().filter(|(_, it)| now - it.at < REMEMBERED);
    let mut announced: BTreeMap<_, _> =
        recent.map(|(name, it)| (name.clone(), it.clone())).collect();
    for (name, status) in services.iter().filter(|(_, status)| !status.instances.is_empty()) {
        announced.insert(name.clone(), Announced { at: now, instances: status.instances.clone() });
    }
    announced
}

/// What was answered; nothing, with a word about it, where it was not.
fn known<T>(
    answer: rapids_client::Result<Vec<T>>,
    otherwise: &str,
    missing: &mut Vec<String>,
) -> Vec<T> {
    answer.unwrap_or_else(|error: Error| {
        missing.push(format!("{otherwise}: {}", with_causes(&error)));
        Vec::new()
    })
}

/// How much each service handled per second between two answers of the same instances.
fn handled(before: &[ServiceStats], now: &[ServiceStats], elapsed: f64) -> BTreeMap<String, f64> {
    let count =
        |stats: &ServiceStats| stats.rivers.values().map(|river| river.handled).sum::<u64>();
    let mut rates: BTreeMap<String, f64> = BTreeMap::new();
    for stats in now {
        let same = |it: &&ServiceStats| it.id == stats.id && it.started == stats.started;
        let earlier = before.iter().find(same).map_or_else(|| count(stats), count);
        let more = count(stats).saturating_sub(earlier) as f64;
        *rates.entry(stats.name.clone()).or_default() += more / elapsed.max(0.001);
    }
    rates
}
