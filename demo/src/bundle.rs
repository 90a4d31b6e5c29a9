//! All rivers in one process, which runs the demo's own program.
//!
//! Running the process is left to `fleet`.

use std::env;

use anyhow::{Context, Result};
use rapids_client::{bundle, telemetry};

use crate::rivers::{Program, services};

/// The name of the process.
const NAME: &str = "bundle";

/// Runs all services in this process, with the settings of the environment.
///
/// # Errors
/// The errors of the services.
pub(crate) async fn run() -> Result<()> {
    telemetry::init();
    tokio::select! {
        ended = bundle(bundled_rivers::services()?).run() => Ok(ended?),
        failed = bundled_rivers::beside() => failed,
    }
}

/// How to start the bundle in place of these programs.
///
/// # Errors
/// If the demo cannot tell where its own program is.
pub(crate) fn program(rivers: &[Program]) -> Result<Program> {
    let path = env::current_exe().context("cannot tell where the demo itself was built")?;
    let (services, arguments) = (services(rivers), vec!["bundled".to_owned()]);
    Ok(Program { name: NAME.to_owned(), services, path, arguments })
}

#[cfg(test)]
mod tests {
    #[test]
    fn bundle_has_every_river() {
        let bundled = bundled_rivers::services().unwrap();
        let mut bundled: Vec<_> = bundled.iter().map(|service| service.name()).collect();
        bundled.sort_unstable();
        assert_eq!(bundled, crate::rivers::tests::all());
    }
}
