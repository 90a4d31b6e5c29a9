//! Every river in one process: the demo's own program, which holds their files too.
//!
//! `build.rs` lists them; keeping the process is left to `fleet`.

use std::env;

use anyhow::{Context, Result};
use rapids_client::{bundle, telemetry};

use crate::rivers::{Program, services};

/// What the process is called among those of services.
const NAME: &str = "bundle";

#[expect(
    dead_code,
    reason = "each file of a river is a program, and its `main` is not called here"
)]
mod rivers {
    include!(concat!(env!("OUT_DIR"), "/rivers.rs"));
}

/// Runs all services in this process, with the settings of the environment.
///
/// # Errors
/// As the services.
pub(crate) async fn run() -> Result<()> {
    telemetry::init();
    Ok(bundle(rivers::services()?).run().await?)
}

/// How to start it in place of these programs.
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
    use super::*;

    #[test]
    fn no_river_is_forgotten() {
        let bundled = rivers::services().unwrap();
        let mut bundled: Vec<_> = bundled.iter().map(|service| service.name()).collect();
        bundled.sort_unstable();
        assert_eq!(bundled, crate::rivers::tests::all());
    }
}
