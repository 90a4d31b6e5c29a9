//! The files of a backup: written with their hashes, and checked against them.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::fault;
use super::manifest::NotedFile;
use crate::Result;

/// How much of a file is read at once.
const PART: usize = 128 * 1024;

/// A file that is being written.
pub(super) struct NewFile<'a> {
    folder: &'a Path,
    path: String,
    file: File,
    hash: Sha256,
    bytes: u64,
}

/// Makes a folder, or takes one that is there and empty. Its owner alone can look into one that is made: a backup
/// holds all that was ever said.
///
/// # Errors
/// `Backup` if it is not empty, or cannot be made.
pub(super) fn make_empty(folder: &Path) -> Result<()> {
    let cannot = |error: io::Error| fault(folder, format!("cannot be made: {error}"));
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(fault(
                folder,
                "cannot be made there: the folder is not empty; name another one",
            )),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => make(folder).map_err(cannot),
        Err(error) => Err(cannot(error)),
    }
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

impl<'a> NewFile<'a> {
    /// Makes the file, and the folder of its own that it lies in.
    pub(super) async fn create(folder: &'a Path, path: String) -> Result<Self> {
        let at = folder.join(&path);
        let made = at.parent().map_or(Ok(()), make);
        let cannot =
            |error: io::Error| fault(folder, format!("cannot be written: `{path}`: {error}"));
        made.map_err(cannot)?;
        let opened = OpenOptions::new().write(true).create_new(true).open(&at).await;
        let file = opened.map_err(cannot)?;
        Ok(Self { folder, path, file, hash: Sha256::new(), bytes: 0 })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) async fn write(&mut self, part: &[u8]) -> Result<()> {
        self.hash.update(part);
        self.bytes += u64::try_from(part.len()).unwrap_or_default();
        let written = self.file.write_all(part).await;
        written.map_err(|error| self.cannot(&error))
    }

    /// Makes sure that it is on the disk.
    pub(super) async fn finish(mut self) -> Result<NotedFile> {
        let finishing = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        finishing.await.map_err(|error| self.cannot(&error))?;
        let Self { path, hash, bytes, .. } = self;
        Ok(NotedFile { path, bytes, sha256: hex(hash) })
    }

    fn cannot(&self, error: &io::Error) -> crate::Error {
        fault(self.folder, format!("cannot be written: `{}`: {error}", self.path))
    }
}

/// Writes a file so that it is there as a whole, or not at all.
///
/// # Errors
/// `Backup` if it cannot be written.
pub(super) async fn write_whole(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let cannot = |error: io::Error| fault(folder, format!("cannot be written: `{name}`: {error}"));
    let partial = folder.join(format!("{name}.partial"));
    let writing = async {
        let mut file = File::create(&partial).await?;
        file.write_all(content).await?;
        file.flush().await?;
        file.sync_all().await?;
        tokio::fs::rename(&partial, folder.join(name)).await?;
        // Else the name may be gone after a power failure, and with it the backup.
        File::open(folder).await?.sync_all().await
    };
    writing.await.map_err(cannot)
}

/// Makes sure that a file is as it was written.
///
/// # Errors
/// `Backup`, which names the file, if it is not.
pub(super) fn check(folder: &Path, noted: &NotedFile) -> Result<()> {
    let path = &noted.path;
    let is_within = !path.split('/').any(|part| part.is_empty() || part == "..");
    let (bytes, hash) = match hash_of(&folder.join(path)) {
        Ok(found) if is_within => found,
        Ok(_) => return Err(fault(folder, format!("names the file `{path}` outside of it"))),
        Err(error) => return Err(fault(folder, format!("cannot be read: `{path}`: {error}"))),
    };
    if (bytes, &hash) == (noted.bytes, &noted.sha256) {
        return Ok(());
    }
    Err(fault(
        folder,
        format!(
            "is damaged: `{path}` has {bytes} bytes with the SHA-256 {hash}, and was written with {} \
             and {}",
            noted.bytes, noted.sha256
        ),
    ))
}

fn hash_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = fs::File::open(path)?;
    let (mut hash, mut bytes, mut part) = (Sha256::new(), 0, vec![0; PART]);
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok((bytes, hex(hash)));
        }
        hash.update(&part[..read]);
        bytes += u64::try_from(read).unwrap_or_default();
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_was_changed_or_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let mut file = NewFile::create(at, "RAPIDS/backup.json".to_owned()).await.unwrap();
        file.write(b"abc").await.unwrap();
        let noted = file.finish().await.unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((noted.bytes, noted.sha256.as_str()), (3, sha256));
        check(at, &noted).unwrap();
        fs::write(at.join(&noted.path), "abd").unwrap();
        let damaged = check(at, &noted).unwrap_err().to_string();
        assert!(damaged.contains("is damaged: `RAPIDS/backup.json` has 3 bytes"), "{damaged}");
        fs::remove_file(at.join(&noted.path)).unwrap();
        let gone = check(at, &noted).unwrap_err().to_string();
        assert!(gone.contains("cannot be read: `RAPIDS/backup.json`"), "{gone}");
        let full = make_empty(at).unwrap_err().to_string();
        assert!(full.contains("the folder is not empty"), "{full}");
        make_empty(&at.join("new/one")).unwrap();
        make_empty(&at.join("new/one")).unwrap();
    }
}
