//! The fact that no secret of a run gets out: not into logs, not into what the server stores, and not into what
//! services tell of themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memchr::memmem;

use crate::verify::Fact;

/// A secret, and the file that holds it.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) file: String,
    /// A part of it that stands nowhere by chance.
    pub(crate) bytes: Vec<u8>,
}

/// The secrets in the files of a folder: what its longest lines say, which in a key file is the key.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn of_folder(folder: &Path, is_secret: impl Fn(&str) -> bool) -> Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for path in files(folder)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_secret(&file) {
            let text = fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            let line = text.lines().max_by_key(|line| line.len()).unwrap_or_default();
            secrets.push(Secret { file, bytes: line.as_bytes().to_vec() });
        }
    }
    Ok(secrets)
}

/// The fact: looks through all files of these folders, and through what services have told.
///
/// # Errors
/// If a folder cannot be read.
pub(crate) fn fact(secrets: &[Secret], folders: &[&Path], told: &str) -> Result<Fact> {
    let mut faults = Vec::new();
    let mut look = |place: &str, bytes: &[u8]| {
        let found = secrets.iter().filter(|secret| memmem::find(bytes, &secret.bytes).is_some());
        faults.extend(found.map(|secret| format!("that of {} stands in {place}", secret.file)));
    };
    look("what services tell", told.as_bytes());
    let (mut count, mut size) = (0, 0);
    for folder in folders {
        for path in files(folder)? {
            // The server removes files while it runs.
            let Ok(bytes) = fs::read(&path) else { continue };
            look(&path.display().to_string(), &bytes);
            (count, size) = (count + 1, size + bytes.len());
        }
    }
    let claim = format!(
        "none of {} secrets stands in the logs, in what the server stores, or in what services tell: {count} \
         files of {} KB",
        secrets.len(),
        size / 1_000
    );
    Ok(Fact { claim, faults })
}

/// The files of a folder, and of those in it.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let (keys, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(keys.path().join("a.nk"), "SUASECRETOFA\n").unwrap();
        fs::write(keys.path().join("a.pub"), "PUBLIC\n").unwrap();
        let secrets = of_folder(keys.path(), |file| file.ends_with(".nk")).unwrap();
        assert_eq!(secrets.len(), 1);
        fs::create_dir(logs.path().join("a")).unwrap();
        fs::write(logs.path().join("a/log"), "starts as PUBLIC").unwrap();
        let fact = |told| fact(&secrets, &[logs.path()], told).unwrap();
        assert_eq!(fact("PUBLIC").faults, [""; 0]);
        assert_eq!(fact("key=SUASECRETOFA.").faults, ["that of a.nk stands in what services tell"]);
        fs::write(logs.path().join("a/log"), b"\xff\0SUASECRETOFA\0").unwrap();
        let faults = fact("").faults;
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("that of a.nk stands in /"), "{faults:?}");
    }
}
