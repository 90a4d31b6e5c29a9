//! The instances that have announced themselves on the server.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, bail};
use rapids_client::{Rapids, ServiceInfo, ServiceStats};
use tokio::time::Instant;

/// Services usually start within a second, but may take far longer on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long each round waits for answers.
const ROUND: Duration = Duration::from_millis(150);

/// The ids of all running instances.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn instances(rapids: &Rapids) -> Result<HashSet<String>> {
    let services = announced(rapids).await?;
    Ok(services.into_iter().map(|service| service.id).collect())
}

/// What all running instances say of themselves.
///
/// # Errors
/// If the server cannot be asked.
pub(crate) async fn announced(rapids: &Rapids) -> Result<Vec<ServiceInfo>> {
    Ok(rapids.services(ROUND).await?)
}

/// What all running instances have counted, once each has answered that is there.
///
/// # Errors
/// If the server cannot be asked, or some do not answer for a minute.
pub(crate) async fn stats(rapids: &Rapids) -> Result<Vec<ServiceStats>> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let running = instances(rapids).await?;
        let stats = rapids.stats(ROUND).await?;
        let told: HashSet<_> = stats.iter().map(|instance| instance.id.clone()).collect();
        if running.is_subset(&told) {
            return Ok(stats);
        }
        if Instant::now() > deadline {
            bail!("instances do not tell what they have counted");
        }
    }
}

/// Waits until each of these services has an instance that is not in `before`.
///
/// # Errors
/// If a service has none after a minute.
pub(crate) async fn wait_for(
    rapids: &Rapids,
    names: &[String],
    before: &HashSet<String>,
) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let services = rapids.services(ROUND).await?;
        let is_running = |name: &String| {
            services.iter().any(|service| service.name == *name && !before.contains(&service.id))
        };
        let absent: Vec<_> = names.iter().filter(|name| !is_running(name)).cloned().collect();
        if absent.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not announced after {} s: {}", DEADLINE.as_secs(), absent.join(", "));
        }
    }
}
