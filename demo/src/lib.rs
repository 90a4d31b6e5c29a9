//! All rivers in one library, so that a bundle and tests of several services compile them once, without the
//! tests in their files.
//!
//! `build.rs` lists them. Running them is left to who uses it.

#[expect(dead_code, reason = "each river is a program of its own, whose `main` is not called here")]
mod rivers {
    include!(concat!(env!("OUT_DIR"), "/rivers.rs"));
}

/// The service of each file in `rivers/src/bin`.
///
/// # Errors
/// If a setting in the environment is wrong.
pub fn services() -> rapids_client::Result<Vec<rapids_client::Service>> {
    rivers::services()
}

/// Runs what some of them have to run beside their service.
///
/// # Errors
/// The first one that fails.
pub async fn beside() -> anyhow::Result<()> {
    rivers::beside().await
}
