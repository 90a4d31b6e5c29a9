//! Ctrl-C and SIGTERM: the first ends the command in order, the second ends the process at once.

use std::future::{Future, pending};

use rapids_client::shutdown_signal;
use tokio::sync::watch;

use crate::exit::{Answer, Fault, exit_code};

/// Whether Ctrl-C or SIGTERM was received.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. The second signal ends the process at once.
    pub(crate) fn listen() -> Self {
        let (interrupt, interrupted) = watch::channel(false);
        tokio::spawn(async move {
            shutdown_signal().await;
            // Fails only if the command is about to end.
            let _ = interrupt.send(true);
            shutdown_signal().await;
            let answer: anyhow::Result<Answer> = Err(Fault::Interrupted.into());
            std::process::exit(exit_code(&answer).into());
        });
        Self(interrupted)
    }

    /// Waits for the first signal.
    pub(crate) async fn received(&self) {
        let mut interrupted = self.0.clone();
        if interrupted.wait_for(|interrupted| *interrupted).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Runs the work until it is done, or drops it at an interrupt. Use it for work that leaves
    /// nothing half done.
    ///
    /// # Errors
    /// [`Fault::Interrupted`], and the errors of the work.
    pub(crate) async fn unless<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            done = work => done,
            () = self.received() => Err(Fault::Interrupted.into()),
        }
    }
}
