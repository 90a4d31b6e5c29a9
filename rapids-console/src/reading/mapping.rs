//! The map of the last minutes, drawn again and again while somebody looks at it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rapids_client::{DeadLetters, Rapids};
use rapids_views::{ObservedMap, WindowReader};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::link::Link;
use super::looking::Looking;
use super::packets::PacketIndex;
use crate::fault::with_causes;

/// So much of the stream is read, unless that is more than so many packets.
const WINDOW: Duration = Duration::from_secs(15 * 60);
const MOST: u64 = 200_000;
/// How often it is drawn at most; seldom, if drawing takes long.
const PAUSE: Duration = Duration::from_secs(10);
const SHARE: u32 = 10;
/// For so long after a page was shown, somebody looks.
const LOOKED: Duration = Duration::from_secs(90);
/// How long services have to answer.
const WAIT: Duration = Duration::from_millis(400);

/// The map, or why there is none yet.
pub(crate) type Drawn = Option<Result<Arc<ObservedMap>, String>>;

/// The latest map. Whoever asks for it makes it be drawn again.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    drawn: watch::Receiver<Drawn>,
    looking: Looking,
}

impl Mapping {
    /// Begins to draw.
    pub(crate) fn open(link: Link, packets: Arc<PacketIndex>) -> Self {
        let (sender, drawn) = watch::channel(None);
        let looking = Looking::begin();
        tokio::spawn(keep_drawing(link, packets, sender, looking.clone()));
        Self { drawn, looking }
    }

    /// The map that was drawn last.
    pub(crate) fn latest(&self) -> Drawn {
        self.looking.note();
        self.drawn.borrow().clone()
    }

    /// Waits for the next map; `None` when the console ends.
    pub(crate) async fn next(&mut self) -> Option<Drawn> {
        self.looking.note();
        self.drawn.changed().await.ok()?;
        Some(self.drawn.borrow_and_update().clone())
    }
}

async fn keep_drawing(
    link: Link,
    packets: Arc<PacketIndex>,
    sender: watch::Sender<Drawn>,
    looking: Looking,
) {
    let Some(rapids) = link.opened().await else { return };
    loop {
        let began = Instant::now();
        // A map without dead letters is one, too.
        let letters = link.dead_letters().await.ok().flatten();
        let drawn = Box::pin(draw(&rapids, &packets, letters)).await;
        sender.send_replace(Some(drawn.map(Arc::new)));
        let (ended, pause) = (Instant::now(), PAUSE.max(began.elapsed() * SHARE));
        while ended.elapsed() < pause || !looking.was_within(LOOKED) {
            tokio::select! {
                () = sleep(Duration::from_millis(500)) => {}
                () = sender.closed() => return,
            }
        }
    }
}

async fn draw(
    rapids: &Rapids,
    packets: &PacketIndex,
    letters: Option<&DeadLetters>,
) -> Result<ObservedMap, String> {
    let window = Timestamp::now() - WINDOW;
    let first = packets.extent().last.saturating_sub(MOST);
    let since = packets.stored(first).map_or(window, |stored| stored.max(window));
    let (services, why) = match rapids.services(WAIT).await {
        Ok(services) => (Some(services), None),
        Err(error) => (None, Some(with_causes(&error))),
    };
    let drawn = WindowReader::new(rapids, since).map(letters, services.as_deref()).await;
    let mut drawn = drawn.map_err(|error| with_causes(&error))?;
    drawn.warnings.extend(why.map(|why| format!("services are not asked: {why}")));
    debug!(packets = drawn.map.packets, "drew the map");
    Ok(drawn)
}
