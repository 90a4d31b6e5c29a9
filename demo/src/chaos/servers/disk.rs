//! A disk that one server has for itself, so that it can be full.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::spawn_blocking;

/// It is in memory, and so for runs of this many orders at most.
const ORDERS: usize = 10_000;
/// What fits on it, beside something for each order, in KiB: 200 orders took some 30 MiB.
const SIZE: usize = 256 << 10;
const SIZE_PER_ORDER: usize = 200;

/// Mounts a file system in memory over the folder `$1`, tells so by an empty line, and holds it until the input ends.
const HOLD: &str = r#"mount -t tmpfs -o "$0" tmpfs "$1" && echo && read -r _"#;

/// A file system in memory, which a user may mount in namespaces of his own. It ends with the process that holds it.
///
/// Linux: [`user_namespaces(7)`](https://man7.org/linux/man-pages/man7/user_namespaces.7.html). Other programs of that
/// user reach it by the folder `root` of the process that holds it:
/// [`proc_pid_root(5)`](https://man7.org/linux/man-pages/man5/proc_pid_root.5.html).
#[derive(Debug)]
pub(super) struct Disk {
    holder: Child,
    folder: PathBuf,
}

impl Disk {
    /// Mounts one over this folder that suffices for this many orders, for whoever goes by [`folder`](Self::folder).
    ///
    /// # Errors
    /// If this machine does not let its users mount, or there are too many orders.
    pub(super) fn open(over: &Path, orders: usize) -> Result<Self> {
        ensure!(orders <= ORDERS, "disks in memory are for {ORDERS} orders at most");
        fs::create_dir_all(over)?;
        let mut command = Command::new("unshare");
        let size = format!("size={}k", SIZE + SIZE_PER_ORDER * orders);
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", HOLD, &size]).arg(over);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal must not take the disk from a server that still runs.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut holder = command.spawn().context("`unshare` does not start")?;
        let mut told = String::new();
        if let Some(output) = holder.stdout.take() {
            BufReader::new(output).read_line(&mut told)?;
        }
        if told.is_empty() {
            let ended = holder.wait_with_output()?;
            bail!("{}", String::from_utf8_lossy(&ended.stderr).trim());
        }
        let over = over.strip_prefix("/").context("the folder is not absolute")?;
        let folder = Path::new("/proc").join(holder.id().to_string()).join("root").join(over);
        Ok(Self { holder, folder })
    }

    /// The folder that is on it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes to it until nothing more fits.
    pub(super) async fn fill(&self) -> Result<()> {
        let ballast = self.ballast();
        spawn_blocking(move || {
            let (mut ballast, megabyte) = (File::create(ballast)?, vec![1; 1 << 20]);
            loop {
                match ballast.write(&megabyte) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                    Err(error) => return Err(error).context("the disk cannot be filled"),
                }
            }
        })
        .await?
    }

    /// Gives it the room that it had before.
    pub(super) fn make_room(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("the disk cannot be emptied")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Waiting closes its input, and fails only if it has ended.
        let _ = self.holder.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_disk_takes_nothing_until_it_has_room_again() {
        let scratch = tempfile::tempdir().unwrap();
        let disk = match Disk::open(scratch.path(), 1) {
            Ok(disk) => disk,
            Err(error) => {
                return eprintln!("users may not mount here, so there are no disks: {error}");
            }
        };
        let file = disk.folder().join("file");
        disk.fill().await.unwrap();
        assert_eq!(fs::write(&file, "a").unwrap_err().kind(), ErrorKind::StorageFull);
        disk.make_room().unwrap();
        fs::write(&file, "a").unwrap();
        assert!(!scratch.path().join("file").exists(), "others see nothing of it");
        drop(disk);
        assert!(!file.exists());
    }
}
