//! Reads the ports of a running nats-server from its ports file.
//!
//! Whether the ports accept connections is left to the caller.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) client: u16,
    pub(super) monitoring: Option<String>,
}

#[derive(Deserialize)]
struct PortsFile {
    nats: Vec<String>,
    #[serde(default)]
    monitoring: Vec<String>,
}

impl Ports {
    /// Empties the directory: a killed server leaves its file behind, with its old ports.
    pub(super) fn clear(directory: &Path) -> io::Result<()> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir(directory),
        }
    }

    /// Reads the ports file in the directory; `None` while it is missing or half written.
    ///
    /// The file is found by its extension, because its name contains that of the program.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let mut files = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|ext| ext == "ports"))?;
        Self::parse(&fs::read(file).ok()?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let file: PortsFile = serde_json::from_slice(text).ok()?;
        let (_, port) = file.nats.first()?.rsplit_once(':')?;
        Some(Self { client: port.parse().ok()?, monitoring: file.monitoring.into_iter().next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_a_server_with_monitoring_gives_both_ports() {
        let text = br#"{"nats":["nats://127.0.0.1:41222"],"monitoring":["http://127.0.0.1:8222"]}"#;
        let expected =
            Ports { client: 41222, monitoring: Some("http://127.0.0.1:8222".to_owned()) };
        assert_eq!(Ports::parse(text), Some(expected));
    }

    #[test]
    fn half_written_file_gives_nothing_yet() {
        let text = br#"{"nats":["nats://127.0.0.1:41222"]}"#;
        assert!(Ports::parse(text).is_some());
        for end in 0..text.len() {
            assert_eq!(Ports::parse(&text[..end]), None, "first {end} bytes");
        }
    }

    #[test]
    fn old_file_is_removed_by_clearing() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("ports");
        Ports::clear(&directory).unwrap();
        fs::write(directory.join("natsd_7.ports"), r#"{"nats":["nats://127.0.0.1:1"]}"#).unwrap();
        assert_eq!(Ports::read(&directory).unwrap().client, 1);
        Ports::clear(&directory).unwrap();
        assert_eq!(Ports::read(&directory), None);
    }
}
