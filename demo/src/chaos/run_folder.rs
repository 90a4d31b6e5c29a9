//! The folder of a run, with the logs, the server's store, and what explains faults.

use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

/// The folder, named after the seed. It is removed when this value is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    is_kept: bool,
}

impl RunFolder {
    /// Creates the folder in cargo's target directory.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(crate) fn create(seed: u64) -> Result<Self> {
        let program = env::current_exe().context("cannot tell where the demo itself was built")?;
        let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let path = target.join("chaos").join(format!("{seed}-{}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, is_kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server stores.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Keeps the folder for the user.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Writes lines into a file of this name.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, name: &str, lines: impl IntoIterator<Item = String>) -> Result<()> {
        let path = self.path.join(name);
        let writing = || {
            let mut file = BufWriter::new(File::create(&path)?);
            lines.into_iter().try_for_each(|line| writeln!(file, "{line}"))?;
            file.flush()
        };
        writing().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.is_kept {
            // A folder that cannot be removed does no harm.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_removed_unless_it_is_kept() {
        let mut folder = RunFolder::create(7).unwrap();
        let path = folder.path().to_owned();
        folder.write("lines", ["one".to_owned(), "two".to_owned()]).unwrap();
        assert_eq!(fs::read_to_string(path.join("lines")).unwrap(), "one\ntwo\n");
        folder.keep();
        drop(folder);
        assert!(path.is_dir());
        drop(RunFolder { path: path.clone(), is_kept: false });
        assert!(!path.exists());
    }
}
