//! Being interrupted: once to end in good order, twice to end at once.

use std::future::{Future, pending};

use rapids_client::told_to_stop;
use tokio::sync::watch;

use crate::ending::{Ending, Fault, code};

/// Whether somebody has pressed Ctrl-C, or sent SIGTERM.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. The second signal ends the process, whatever it does.
    pub(crate) fn listen() -> Self {
        let (interrupt, interrupted) = watch::channel(false);
        tokio::spawn(async move {
            told_to_stop().await;
            // Nobody waits for it in a command that is about to end.
            let _ = interrupt.send(true);
            told_to_stop().await;
            let ending: anyhow::Result<Ending> = Err(Fault::Interrupted.into());
            std::process::exit(code(&ending).into());
        });
        Self(interrupted)
    }

    /// Waits for it.
    pub(crate) async fn came(&self) {
        let mut interrupted = self.0.clone();
        if interrupted.wait_for(|interrupted| *interrupted).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Does something until it is done or interrupted, for what leaves nothing half done.
    ///
    /// # Errors
    /// [`Fault::Interrupted`], and those of what is done.
    pub(crate) async fn unless<T>(
        &self,
        doing: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            done = doing => done,
            () = self.came() => Err(Fault::Interrupted.into()),
        }
    }
}
