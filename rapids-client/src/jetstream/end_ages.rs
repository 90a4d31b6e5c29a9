//! For how long what is left of a memory that has ended is kept: as long as one of its packets may come again.

use std::time::Duration;

use futures::StreamExt;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::bucket::Keep;
use crate::jetstream::ensure::existing;
use crate::jetstream::resource::LETTERS_AGE;
use crate::memory::KeptAs;
use crate::names::{DEAD_LETTER_PREFIX, DEAD_LETTERS};

/// The ages on which that depends. Zero is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndAges {
    /// For how long the rapids keep packets.
    pub(crate) packets: Duration,
    /// For how long letters are kept, which may be replayed; `None` if the service has none.
    pub(crate) letters: Option<Duration>,
}

impl EndAges {
    /// Those of a service, where the rapids keep packets for this long.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn of(
        connection: &Connection,
        service: &str,
        packets: Duration,
    ) -> Result<Self> {
        let letters = letters_of(connection, service).await?;
        Ok(Self { packets, letters })
    }

    /// With the letter that was stored just now.
    pub(crate) fn with_letter(self) -> Self {
        Self { letters: self.letters.or(Some(LETTERS_AGE)), ..self }
    }

    /// How a record is kept. One of which something is unpublished may stay so: its letter tells.
    pub(crate) fn keep(self, kept: KeptAs) -> Keep {
        match kept {
            KeptAs::Record => Keep::Always,
            KeptAs::Ended => Keep::For(longer(self.packets, LETTERS_AGE)),
            KeptAs::Marker => {
                let letters = self.letters.map(|letters| longer(self.packets, letters));
                Keep::MarkerFor(letters.unwrap_or(self.packets))
            }
        }
    }
}

fn longer(one: Duration, other: Duration) -> Duration {
    if one.is_zero() || other.is_zero() { Duration::ZERO } else { one.max(other) }
}

async fn letters_of(connection: &Connection, service: &str) -> Result<Option<Duration>> {
    let Some(stream) = existing(connection, DEAD_LETTERS).await? else { return Ok(None) };
    let subjects = format!("{DEAD_LETTER_PREFIX}{service}.*.*");
    let request = connection.api(&format!("STREAM.INFO.{DEAD_LETTERS}"));
    let reading = Box::pin(async {
        let mut found = stream.info_with_subjects(subjects).await?;
        found.next().await.transpose().map_err(Box::<dyn std::error::Error + Send + Sync>::from)
    });
    let first = connection.attempt("look for dead letters", &request, reading).await?;
    Ok(first.map(|_| stream.cached_info().config.max_age))
}
