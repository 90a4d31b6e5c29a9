//! The connection to the rapids, which is made when the console starts and goes on by itself after that.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use rapids_client::{Config, DeadLetters, Rapids};
use tokio::sync::{OnceCell, watch};
use tokio::time::sleep;
use tracing::info;

use crate::fault::{Fault, Result, with_causes};

/// How long to wait until the next attempt.
const AGAIN: Duration = Duration::from_secs(2);

/// The connection, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    config: Config,
    state: watch::Receiver<State>,
    /// One connection for all who read letters, made by the first of them.
    letters: Arc<OnceCell<DeadLetters>>,
}

#[derive(Debug, Clone)]
enum State {
    /// In words for who looks.
    None(String),
    Open(Box<Rapids>),
}

impl Link {
    /// Begins to connect, and tries until it succeeds.
    pub(crate) fn open(config: Config) -> Self {
        let beginning = State::None(format!("not connected to {} yet", config.url()));
        let (sender, state) = watch::channel(beginning);
        tokio::spawn(connect(config.clone(), sender));
        Self { config, state, letters: Arc::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The rapids.
    ///
    /// # Errors
    /// Why they are not there: no server, no right, or no stream yet.
    pub(crate) fn rapids(&self) -> Result<Rapids> {
        match &*self.state.borrow() {
            State::Open(rapids) => Ok(Rapids::clone(rapids)),
            State::None(why) => Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, why.clone())),
        }
    }

    /// The dead letters; `None` if there are none, because no service has started yet.
    ///
    /// # Errors
    /// Those of [`DeadLetters::open`].
    pub(crate) async fn dead_letters(&self) -> rapids_client::Result<Option<&DeadLetters>> {
        if self.letters.get().is_none()
            && let Some(letters) = Box::pin(DeadLetters::open(&self.config)).await?
        {
            // Another may have been faster, and made the same.
            let _ = self.letters.set(letters);
        }
        Ok(self.letters.get())
    }

    /// Waits until there are rapids; `None` when the console ends.
    pub(crate) async fn opened(&self) -> Option<Rapids> {
        let mut state = self.state.clone();
        let is_open = |state: &State| matches!(state, State::Open(_));
        let opened = state.wait_for(is_open).await.ok()?;
        match &*opened {
            State::Open(rapids) => Some(Rapids::clone(rapids)),
            State::None(_) => None,
        }
    }
}

async fn connect(config: Config, state: watch::Sender<State>) {
    loop {
        let why = match Box::pin(Rapids::open(&config)).await {
            Ok(Some(rapids)) => {
                info!("connected to {}", config.url());
                state.send_replace(State::Open(Box::new(rapids)));
                // Kept for as long as anybody has the link.
                return state.closed().await;
            }
            Ok(None) => format!(
                "there is no stream `RAPIDS` at {} yet; the first service that starts creates it",
                config.url()
            ),
            Err(error) => with_causes(&error),
        };
        state.send_if_modified(|state| match state {
            State::None(before) if *before == why => false,
            _ => {
                tracing::warn!("{why}; tries again every {} s", AGAIN.as_secs());
                *state = State::None(why);
                true
            }
        });
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = state.closed() => return,
        }
    }
}
