//! Who has announced itself on the server.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use rapids_client::Rapids;
use tokio::time::Instant;

/// Services start within a second as a rule; a loaded machine may need far longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long each round listens.
const ROUND: Duration = Duration::from_millis(150);

/// The instances that are there.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn present(rapids: &Rapids) -> Result<HashSet<String>> {
    let services = rapids.services(ROUND).await?;
    Ok(services.into_iter().map(|service| service.id).collect())
}

/// Waits until a new instance of each of these services is there, besides those of `before`.
///
/// # Errors
/// If one is still missing after a minute.
pub(crate) async fn wait_for(
    rapids: &Rapids,
    names: &[String],
    before: &HashSet<String>,
) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let services = rapids.services(ROUND).await?;
        let is_there = |name: &String| {
            services.iter().any(|service| service.name == *name && !before.contains(&service.id))
        };
        let absent: Vec<_> = names.iter().filter(|name| !is_there(name)).cloned().collect();
        if absent.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not announced after {} s: {}", DEADLINE.as_secs(), absent.join(", "));
        }
    }
}
