//! What every command has at hand: the way to the server, both outputs, and the interruption.

use anyhow::Result;
use rapids_client::{Config, DeadLetters, Rapids};

use crate::connecting::ConnectionOptions;
use crate::ending::Fault;
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
    /// If an option, a variable or the context has a value that it cannot have.
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(self.connection.config()?)
    }

    /// Connects to the rapids, and creates nothing.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server has no stream; those of [`Rapids::open`].
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

    /// Connects to the dead letters, and creates nothing.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if the server has none; those of [`DeadLetters::open`].
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
