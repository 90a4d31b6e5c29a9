//! The one reader of the letters: it reads those that there are, and follows what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use rapids_client::{Config, DeadLetters, Error};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::LetterIndex;
use crate::fault::with_causes;
use crate::reading::link::Link;

/// How long to wait until the next attempt.
const AGAIN: Duration = Duration::from_secs(5);

/// Follows the letters until the console ends.
pub(crate) async fn follow(link: Link, letters: Arc<LetterIndex>) {
    loop {
        // Without a server or a stream there are no letters either, and the link says so.
        if link.opened().await.is_none() {
            return;
        }
        let failed = Box::pin(read(link.config(), &letters)).await;
        letters.fail(with_causes(&failed));
        sleep(AGAIN).await;
    }
}

/// Reads until something ends it, and returns that.
async fn read(config: &Config, letters: &LetterIndex) -> Error {
    let mut watch = match Box::pin(DeadLetters::watch(config)).await {
        Ok(watch) => watch,
        Err(error) => return error,
    };
    let mut has_begun = false;
    loop {
        let told = match Box::pin(watch.next()).await {
            Ok(change) => Ok(change),
            Err(error @ (Error::Stream { .. } | Error::Record { .. })) => Err(error),
            Err(error) => return error,
        };
        // What was read before is shown until there is something better.
        if !has_begun {
            letters.begin();
            has_begun = true;
        }
        match told {
            Ok(change) => letters.take(change),
            Err(error) => letters.skip(&error),
        }
    }
}

impl LetterIndex {
    /// Forgets what was read before, and why that ended: all letters are read anew.
    fn begin(&self) {
        self.write().clear();
    }

    /// Takes note of a message that is no letter, or of a state that cannot be read.
    fn skip(&self, error: &Error) {
        debug!("{}", with_causes(error));
        if matches!(error, Error::Stream { .. }) {
            self.write().unreadable += 1;
        }
    }

    /// Takes note of why letters are not followed any more. Those that were read are kept.
    fn fail(&self, fault: String) {
        let mut kept = self.write();
        if kept.fault.as_ref() != Some(&fault) {
            warn!(
                "dead letters are not followed: {fault}; tries again every {} s",
                AGAIN.as_secs()
            );
            kept.fault = Some(fault);
        }
    }
}
