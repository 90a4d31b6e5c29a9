//! Edits a packet in the user's editor.

use std::fs;
use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::exit::Fault;

/// A packet in a temporary file, which is removed when this value is dropped.
pub(super) struct Draft {
    file: NamedTempFile,
}

impl Draft {
    /// Writes the text into a file that other users cannot read.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn new(text: &str) -> Result<Self> {
        let creating = || -> std::io::Result<NamedTempFile> {
            let mut file = tempfile::Builder::new().prefix("rapids-").suffix(".json").tempfile()?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            Ok(file)
        };
        Ok(Self { file: creating().context("cannot write the packet into a file")? })
    }

    /// Opens the editor, waits until it is closed, and reads the file.
    ///
    /// # Errors
    /// [`Fault::Usage`] if the editor cannot be started or fails.
    pub(super) async fn edit(&self) -> Result<String> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let editor = variable("VISUAL").or_else(|| variable("EDITOR")).unwrap_or("vi".to_owned());
        let path = self.file.path().to_owned();
        // Run through the shell, because these variables may contain arguments.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&path);
        let status = tokio::task::spawn_blocking(move || command.status()).await?;
        match status {
            Ok(status) if status.success() => {
                // Read by path, because editors may replace the file.
                fs::read_to_string(&path).context("cannot read the edited packet")
            }
            Ok(status) => {
                let words = format!("the editor `{editor}` failed ({status}); nothing was changed");
                Err(Fault::Usage(words).into())
            }
            Err(error) => {
                let words = format!("the editor `{editor}` cannot be started: {error}");
                Err(Fault::Usage(words).into())
            }
        }
    }
}
