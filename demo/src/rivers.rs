//! The programs of the rivers: lists and builds them.
//!
//! Running them is left to `fleet`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

/// The variables by which `cargo run` and `cargo test` describe the demo's own package. A build
/// script that reads one would run again in the nested build, and its dependents would be rebuilt.
const OF_THE_PACKAGE: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];

const FILES: &str = "rivers/src/bin";

/// A build that takes longer than this prints cargo's output.
const SILENT: Duration = Duration::from_secs(2);

/// A program of one service or several.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The name of the process. A process of one service has the service's name, and its file too.
    pub(crate) name: String,
    /// The services that run in it.
    pub(crate) services: Vec<String>,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// Builds every river, with the demo itself: cargo then chooses the same features for the crates that both use,
/// so nothing is compiled twice.
///
/// # Errors
/// If there are none, or cargo fails; its output is printed then.
pub(crate) async fn build() -> Result<Vec<Program>> {
    let names = names(&workspace().join(FILES))?;
    let mut arguments = vec!["--package", "demo", "--package", "rivers"];
    arguments.extend(names.iter().flat_map(|name| ["--bin", name]));
    follow(&mut cargo_build(&folder()?, &arguments)).await?;
    let program = |name: String| {
        let path = built(&name)?;
        Ok(Program { services: vec![name.clone()], name, path, arguments: Vec::new() })
    };
    names.into_iter().map(program).collect()
}

/// Builds the program of another crate: by itself, so that the rivers stay as they were built.
///
/// # Errors
/// If cargo fails; its output is printed then.
pub(crate) async fn build_other(package: &str, name: &str) -> Result<()> {
    follow(&mut cargo_build(&folder()?, &["--package", package, "--bin", name])).await
}

/// Where a program is once it is built.
///
/// # Errors
/// If it cannot be told where the demo itself was built.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// Where the demo itself was built.
fn folder() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where the demo itself was built")?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}

/// The services of these programs.
pub(crate) fn services(programs: &[Program]) -> Vec<String> {
    programs.iter().flat_map(|program| program.services.clone()).collect()
}

/// The name of the process that a service runs in.
pub(crate) fn process_of<'a>(programs: &'a [Program], service: &'a str) -> &'a str {
    let of = |program: &&Program| program.services.iter().any(|name| name == service);
    programs.iter().find(of).map_or(service, |program| &program.name)
}

/// The folder of the repository.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("there are no rivers in {}", folder.display());
    }
    Ok(names)
}

/// Builds with the demo's own profile and target directory.
fn cargo_build(folder: &Path, arguments: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.arg("build").args(arguments);
    command.arg("--profile").arg(profile(folder));
    command.arg("--target-dir").arg(folder.parent().unwrap_or(folder));
    for (key, _) in env::vars_os() {
        let key = key.to_string_lossy();
        if OF_THE_PACKAGE.iter().any(|prefix| key.starts_with(prefix)) {
            command.env_remove(&*key);
        }
    }
    command.current_dir(workspace()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs cargo, and prints its output if it takes long or fails.
async fn follow(command: &mut Command) -> Result<()> {
    let mut cargo = command.spawn().context("cannot run cargo to build the programs")?;
    let output = cargo.stderr.take().context("cargo has no output")?;
    let mut lines = BufReader::new(output).lines();
    let (mut held, deadline) = (Vec::new(), Instant::now() + SILENT);
    while let Ok(line) = timeout_at(deadline, lines.next_line()).await {
        match line? {
            Some(line) => held.push(line),
            None => break,
        }
    }
    if Instant::now() >= deadline {
        show(&std::mem::take(&mut held))?;
    }
    while let Some(line) = lines.next_line().await? {
        show(&[line])?;
    }
    if !cargo.wait().await?.success() {
        show(&held)?;
        bail!("the programs do not build");
    }
    Ok(())
}

fn show(lines: &[String]) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    lines.iter().try_for_each(|line| writeln!(stderr, "{line}"))
}

/// The profile that cargo builds in this folder. The folder has the profile's name, except for
/// `dev`.
fn profile(folder: &Path) -> OsString {
    match folder.file_name() {
        Some(name) if name != "debug" => name.to_owned(),
        _ => OsString::from("dev"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl Program {
        pub(crate) fn of_a_river(name: &str) -> Self {
            let (path, arguments) = (PathBuf::from(name), Vec::new());
            Self { name: name.to_owned(), services: vec![name.to_owned()], path, arguments }
        }
    }

    /// Every river that there is.
    pub(crate) fn all() -> Vec<String> {
        names(&workspace().join(FILES)).unwrap()
    }

    #[test]
    fn every_file_is_a_river() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["payment.rs", "greeter.rs", "notes.md"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        assert_eq!(names(folder.path()).unwrap(), ["greeter", "payment"]);
    }

    #[test]
    fn folder_without_rivers_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(names(folder.path()).is_err());
        assert!(names(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn profile_is_that_of_the_folder() {
        assert_eq!(profile(Path::new("/t/debug")), "dev");
        assert_eq!(profile(Path::new("/t/release")), "release");
    }
}
