//! The version of a nats-server program, and the oldest one that is accepted.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The oldest version that is accepted: the first with atomic batch publish.
pub(super) const OLDEST: Version = Version { major: 2, minor: 12, patch: 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// Reads what `nats-server --version` prints, as in `nats-server: v2.15.1`. A pre-release
    /// counts as its release.
    fn parse(text: &str) -> Option<Self> {
        let version = text.trim().strip_prefix("nats-server: v")?;
        let release = version.split(['-', '+']).next()?;
        let mut numbers = release.split('.').map(|number| number.parse().ok());
        let [major, minor, patch] = [numbers.next()??, numbers.next()??, numbers.next()??];
        numbers.next().is_none().then_some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Checks the version of the program. The error has one line.
pub(super) fn check(binary: &Path) -> anyhow::Result<()> {
    let shown = binary.display();
    let output = Command::new(binary)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{shown}` does not start"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = Version::parse(&text)
        .with_context(|| format!("`{shown} --version` does not print a version"))?;
    ensure!(
        version >= OLDEST,
        "`{shown}` is {version}, older than {OLDEST} (Debian's package is too old)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32, patch: u32) -> Option<Version> {
        Some(Version { major, minor, patch })
    }

    #[test]
    fn version_is_read_from_what_the_server_prints() {
        assert_eq!(Version::parse("nats-server: v2.15.1\n"), version(2, 15, 1));
        assert_eq!(Version::parse("nats-server: v2.12.0-RC.2"), version(2, 12, 0));
        assert_eq!(Version::parse("nats-server: v2.14.0+b2fd3ef"), version(2, 14, 0));
    }

    #[test]
    fn anything_else_is_no_version() {
        for text in ["", "2.15.1", "nats-server: v2", "nats-server: v2.x.1", "nats: v2.15.1"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_rather_than_by_text() {
        assert!(version(2, 9, 10) < Some(OLDEST));
        assert!(version(2, 12, 1) > Some(OLDEST));
        assert!(version(3, 0, 0) > Some(OLDEST));
    }
}
