//! Folders for tests that run cargo or just, and how these are called there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
pub(crate) const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// A directory that is removed when this value is dropped.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(SCRATCH).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A copy of the workspace as it is, uncommitted changes included.
    pub(crate) fn workspace() -> Self {
        let scratch = Self::new("workspace");
        let listing = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(ROOT)
            .output()
            .unwrap();
        for name in String::from_utf8(listing.stdout).unwrap().split_terminator('\0') {
            let (from, to) = (Path::new(ROOT).join(name), scratch.0.join(name));
            // A file may be listed and deleted.
            if from.exists() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn target() -> &'static Path {
    Path::new(SCRATCH).parent().unwrap()
}

/// Removes the variables in which cargo describes the package of these tests. If they differed, the
/// build scripts of some crates would run again, and their dependents would be compiled again.
pub(crate) fn as_from_a_shell(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.to_string_lossy().starts_with(of))
        {
            command.env_remove(name);
        }
    }
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}
