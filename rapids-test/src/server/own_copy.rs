//! Our own copy of nats-server, in cargo's target directory.
//!
//! It is installed once, even if several processes ask at the same time, or an installation was
//! interrupted: the work is done under a file lock, in a directory beside the copy, and a rename
//! completes it. Getting the program is left to [`installers`](super::installers).

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::installers::{INSTALLERS, Installer, VERSION, WorkDirectory};
use super::version::check;

/// The prefix of the directories of unfinished installations.
const UNFINISHED: &str = "installing-";

#[derive(Debug)]
pub(super) struct OwnCopy {
    home: PathBuf,
    binary: PathBuf,
}

impl OwnCopy {
    pub(super) fn in_target(target: &Path) -> Self {
        let home = target.join("nats-server");
        let binary = home.join(VERSION).join(format!("nats-server{}", env::consts::EXE_SUFFIX));
        Self { home, binary }
    }

    /// Returns the copy, or `None` and a line for each failed attempt.
    pub(super) fn find_or_install(
        &self,
        path: &OsStr,
        announcements: &mut dyn Write,
        tries: &mut Vec<String>,
    ) -> Option<PathBuf> {
        if self.usable() {
            return Some(self.binary.clone());
        }
        let installed = self.locked(|| {
            // Another process may have installed it while this one waited for the lock.
            if !self.usable() {
                self.announce(announcements);
                self.install(path, tries)?;
            }
            Ok(self.usable())
        });
        match installed {
            Ok(true) => return Some(self.binary.clone()),
            Ok(false) => {}
            Err(error) => tries.push(format!("{error:#}")),
        }
        None
    }

    /// Whether the copy runs: the target directory may come from another kind of machine.
    fn usable(&self) -> bool {
        self.binary.is_file() && check(&self.binary).is_ok()
    }

    fn locked<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let file = self.home.join("lock");
        let lock = fs::create_dir_all(&self.home)
            .and_then(|()| File::create(&file))
            .and_then(|lock| lock.lock().map(|()| lock))
            .with_context(|| format!("cannot lock `{}`", file.display()))?;
        let result = work();
        // Closing the file releases the lock, also when the process dies.
        drop(lock);
        result
    }

    /// Prints why the next seconds pass. Goes on if stderr is closed.
    fn announce(&self, announcements: &mut dyn Write) {
        let home = self.home.display();
        writeln!(announcements, "installing nats-server {VERSION} into {home} (once)").ok();
    }

    fn install(&self, path: &OsStr, tries: &mut Vec<String>) -> anyhow::Result<()> {
        self.sweep().with_context(|| format!("cannot clear `{}`", self.home.display()))?;
        for installer in INSTALLERS {
            match self.install_by(installer, path) {
                Ok(()) => return Ok(()),
                Err(error) => tries.push(format!("{}: {error:#}", installer.name)),
            }
        }
        Ok(())
    }

    fn install_by(&self, installer: Installer, path: &OsStr) -> anyhow::Result<()> {
        // On the same file system as the copy, so that the rename is atomic.
        let directory = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.home)?;
        let binary = (installer.install)(&WorkDirectory { directory: directory.path(), path })?;
        check(&binary)?;
        fs::create_dir_all(self.home.join(VERSION))?;
        fs::rename(&binary, &self.binary)?;
        Ok(())
    }

    /// Removes what interrupted installations left. The lock guarantees that none is running.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.home)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::fakes::Fakes;
    use super::*;

    fn find_or_install(copy: &OwnCopy, fakes: &Fakes) -> (Option<PathBuf>, String) {
        let mut announcements = Vec::new();
        let found =
            copy.find_or_install(fakes.path().as_os_str(), &mut announcements, &mut Vec::new());
        (found, String::from_utf8(announcements).unwrap())
    }

    fn entries(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn copy_is_installed_once_and_announced_in_one_line() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        let calls = fakes.working_pip(VERSION);
        let copy = OwnCopy::in_target(target.path());

        let (found, announced) = find_or_install(&copy, &fakes);
        assert_eq!(found.as_ref(), Some(&copy.binary));
        let home = copy.home.display();
        assert_eq!(announced, format!("installing nats-server 2.15.1 into {home} (once)\n"));

        let again = find_or_install(&copy, &fakes);
        assert_eq!(again, (found, String::new()));
        assert_eq!(fs::read_to_string(calls).unwrap(), "called\n");
        assert_eq!(entries(&copy.home), [VERSION, "lock"]);
    }

    #[test]
    fn callers_at_the_same_time_get_one_copy() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        let calls = fakes.working_pip(VERSION);
        let copy = OwnCopy::in_target(target.path());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(find_or_install(&copy, &fakes).0.as_ref(), Some(&copy.binary));
                });
            }
        });
        assert_eq!(fs::read_to_string(calls).unwrap(), "called\n");
    }

    #[test]
    fn interrupted_installation_is_removed_and_repeated() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        fakes.working_pip(VERSION);
        let copy = OwnCopy::in_target(target.path());
        let left = copy.home.join("installing-abc/bin");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("nats-server"), "half").unwrap();
        fs::create_dir(copy.home.join(VERSION)).unwrap();

        assert!(!copy.usable());
        assert_eq!(find_or_install(&copy, &fakes).0.as_ref(), Some(&copy.binary));
        assert_eq!(entries(&copy.home), [VERSION, "lock"]);
    }

    #[test]
    fn installer_that_fails_halfway_leaves_nothing_that_looks_installed() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        fakes.program("python3", "mkdir bin && echo half > bin/nats-server");
        fakes.program("curl", "echo half > SHA256SUMS; exit 1");
        let copy = OwnCopy::in_target(target.path());
        assert_eq!(find_or_install(&copy, &fakes).0, None);
        assert_eq!(entries(&copy.home), ["lock"]);
    }

    #[test]
    fn copy_that_does_not_run_here_is_replaced() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        fakes.working_pip(VERSION);
        let copy = OwnCopy::in_target(target.path());
        fs::create_dir_all(copy.binary.parent().unwrap()).unwrap();
        fs::write(&copy.binary, "made for another machine").unwrap();
        assert_eq!(find_or_install(&copy, &fakes).0.as_ref(), Some(&copy.binary));
        assert!(copy.usable());
    }

    #[test]
    fn target_directory_that_cannot_be_written_is_one_of_the_failed_attempts() {
        let (target, fakes) = (tempfile::tempdir().unwrap(), Fakes::new());
        let file = target.path().join("file");
        fs::write(&file, "").unwrap();
        let mut tries = Vec::new();
        let copy = OwnCopy::in_target(&file);
        let found = copy.find_or_install(fakes.path().as_os_str(), &mut io::sink(), &mut tries);
        assert_eq!(found, None);
        assert!(tries.join("\n").starts_with("cannot lock `"), "{tries:?}");
    }
}
