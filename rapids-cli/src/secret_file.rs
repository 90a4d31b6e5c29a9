//! Files that their owner alone can read: written as a whole, and refused where others can read them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::exit::Fault;

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// The mode of a secret, and of a folder of secrets.
pub(crate) const SECRET: u32 = 0o600;
const FOLDER: u32 = 0o700;
/// The mode of a file that everybody may read: servers and services run as other users.
pub(crate) const PUBLIC: u32 = 0o644;

/// Makes a folder that its owner alone can look into, unless there is one.
///
/// # Errors
/// If it cannot be made; [`Fault::Usage`] if others can look into the one that is there.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    if !path.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER)
            .create(path)
            .with_context(|| format!("cannot make the folder `{}`", path.display()))?;
    }
    check_owned(path)
}

/// Makes sure that nobody but the owner has rights on a file or a folder.
///
/// # Errors
/// [`Fault::Usage`] with the remedy, if others have.
pub(crate) fn check_owned(path: &Path) -> Result<()> {
    let shown = path.display();
    let found = fs::metadata(path).with_context(|| format!("cannot read `{shown}`"))?;
    if found.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    let mode = if found.is_dir() { FOLDER } else { SECRET };
    let words = format!(
        "`{shown}` is open to others: make new keys if they may have read it, and `chmod {mode:o} \
         {shown}`"
    );
    Err(Fault::Usage(words).into())
}

/// Writes a file that is not there yet. Whoever is faster wins.
///
/// # Errors
/// If there is one, or it cannot be written.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let written = staged(path, text, mode).map_err(anyhow::Error::new);
    let written = written.and_then(|file| Ok(file.persist_noclobber(path)?));
    written.with_context(|| format!("cannot write `{}`", path.display())).map(drop)
}

/// Writes a file as a whole: whoever reads it finds the old one or the new one.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> Result<()> {
    let written = staged(path, text, mode).map_err(anyhow::Error::new);
    let written = written.and_then(|file| Ok(file.persist(path)?));
    written.with_context(|| format!("cannot write `{}`", path.display())).map(drop)
}

/// A file beside the path that is to have its name.
fn staged(path: &Path, text: &str, mode: u32) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}
