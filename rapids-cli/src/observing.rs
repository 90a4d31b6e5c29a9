//! The window of the rapids that the map of it and schemas are about.
//!
//! Reading it is left to `rapids-views`; what that warns of is printed here.

use anyhow::Result;
use clap::Args;
use rapids_client::map::{RapidsMap, Shapes};
use rapids_client::{DeadLetters, PacketName, Rapids, ServiceInfo, Timestamp};
use rapids_views::{ObservedMap, WindowReader, since, without_letters};

use crate::session::Session;

/// Which packets are looked at.
#[derive(Debug, Args)]
pub(crate) struct WindowArgument {
    /// Look at the packets stored since this time (`2026-11-21 09:30`, in UTC unless it says
    /// otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", default_value = "15m",
        value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Timestamp,
}

impl WindowArgument {
    /// Reads the packets and the dead letters, and draws the map with the services that answered; `None`
    /// if they could not be asked. Prints what is to be warned of.
    ///
    /// # Errors
    /// The errors of the library.
    pub(crate) async fn map(
        &self,
        session: &Session,
        rapids: &Rapids,
        up: Option<&[ServiceInfo]>,
    ) -> Result<RapidsMap> {
        let letters = match Box::pin(DeadLetters::open(&session.config()?)).await {
            Ok(letters) => letters,
            Err(error) => {
                session.screen.warning(without_letters(error)?);
                None
            }
        };
        let reading = WindowReader::new(rapids, self.since);
        Ok(warned(Box::pin(reading.map(letters.as_ref(), up)).await?, session))
    }

    /// As [`map`](Self::map), without dead letters, and with what packets look like.
    ///
    /// # Errors
    /// As for [`map`](Self::map).
    pub(crate) async fn map_and_shapes(
        &self,
        session: &Session,
        rapids: &Rapids,
        up: Option<&[ServiceInfo]>,
    ) -> Result<(RapidsMap, Shapes)> {
        let reading = WindowReader::new(rapids, self.since);
        let (observed, shapes) = Box::pin(reading.map_and_shapes(up)).await?;
        Ok((warned(observed, session), shapes))
    }

    /// What the packets of this name look like.
    ///
    /// # Errors
    /// The errors of the library.
    pub(crate) async fn shapes(&self, rapids: &Rapids, name: &PacketName) -> Result<Shapes> {
        Ok(Box::pin(WindowReader::new(rapids, self.since).shapes(name)).await?)
    }
}

/// The map, once what is to be warned of is printed.
fn warned(observed: ObservedMap, session: &Session) -> RapidsMap {
    observed.warnings.iter().for_each(|warning| session.screen.warning(warning));
    observed.map
}
