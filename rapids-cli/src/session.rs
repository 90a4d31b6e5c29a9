//! What every command uses: the connection to the server, the outputs, and the interrupt.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Config, DeadLetters, Error, Operation, Position, Rapids, ServiceInfo};
use rapids_views::{ConnectionOptions, ServiceStatus};

use crate::exit::Fault;
use crate::interrupt::Interrupt;
use crate::screen::Screen;

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Session {
    connection: ConnectionOptions,
    pub(crate) screen: Screen,
    pub(crate) interrupt: Interrupt,
}

impl Session {
    pub(crate) fn new(connection: ConnectionOptions, screen: Screen, interrupt: Interrupt) -> Self {
        Self { connection, screen, interrupt }
    }

    /// Where the server is and how to log in.
    ///
    /// # Errors
    /// If an option, a variable or the context has an invalid value.
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(self.connection.config()?)
    }

    /// Connects to the rapids without creating anything.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server has no stream; the errors of [`Rapids::open`].
    pub(crate) async fn rapids(&self) -> Result<Rapids> {
        let config = self.config()?;
        let opened = Box::pin(Rapids::open(&config)).await?;
        opened.ok_or_else(|| {
            Fault::NotFound(format!(
                "there is no stream `RAPIDS` at {}; the first service that starts creates it",
                config.url()
            ))
            .into()
        })
    }

    /// The instances that answer within this time. If this user may not ask, prints a warning and
    /// returns none.
    ///
    /// # Errors
    /// The other errors of [`Rapids::services`].
    pub(crate) async fn services(
        &self,
        rapids: &Rapids,
        wait: Duration,
    ) -> Result<Vec<ServiceInfo>> {
        Ok(self.services_if_known(rapids, wait).await?.unwrap_or_default())
    }

    /// As [`services`](Self::services), and `None` if this user may not ask.
    ///
    /// # Errors
    /// As for [`services`](Self::services).
    pub(crate) async fn services_if_known(
        &self,
        rapids: &Rapids,
        wait: Duration,
    ) -> Result<Option<Vec<ServiceInfo>>> {
        match rapids.services(wait).await {
            Err(error @ Error::NotPermitted { .. }) => {
                self.screen.warning(format_args!("services are not asked: {error}"));
                Ok(None)
            }
            answered => Ok(Some(answered?)),
        }
    }

    /// The positions of all services. If this user may not read them, prints a warning and returns
    /// none.
    ///
    /// # Errors
    /// The other errors of [`Rapids::positions`].
    pub(crate) async fn positions(&self, rapids: &Rapids) -> Result<Vec<Position>> {
        match rapids.positions().await {
            Err(error @ Error::NotPermitted { .. }) => {
                self.screen.warning(format_args!("positions are not read: {error}"));
                Ok(Vec::new())
            }
            read => Ok(read?),
        }
    }

    /// The status of every service that answers within this time or has a position, by name.
    ///
    /// # Errors
    /// The errors of [`positions`](Self::positions) and [`services`](Self::services).
    pub(crate) async fn service_statuses(
        &self,
        rapids: &Rapids,
        wait: Duration,
    ) -> Result<BTreeMap<String, ServiceStatus>> {
        let positions = self.positions(rapids).await?;
        Ok(ServiceStatus::of_all(positions, self.services(rapids, wait).await?))
    }

    /// Adds to the log what was done. That it is done stands whether the log takes it or not.
    pub(crate) async fn record(&self, rapids: &Rapids, operation: Operation) {
        if let Err(error) = Box::pin(rapids.operations().record(&operation)).await {
            let error = anyhow::Error::new(error);
            self.screen
                .warning(format_args!("what was done is not in the log of operations: {error:#}"));
        }
    }

    /// Connects to the dead letters without creating anything.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server has no stream for them; the errors of [`DeadLetters::open`].
    pub(crate) async fn dead_letters(&self) -> Result<DeadLetters> {
        let config = self.config()?;
        let opened = Box::pin(DeadLetters::open(&config)).await?;
        opened.ok_or_else(|| {
            Fault::NotFound(format!(
                "there are no dead letters at {}; the first service that starts creates their \
                 stream",
                config.url()
            ))
            .into()
        })
    }
}
