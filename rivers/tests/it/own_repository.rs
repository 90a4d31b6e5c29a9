//! A repository of rivers outside of this one: docs/your-own-repository.md, done as it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::bench::Bench;
use crate::process::Process;
use crate::scratch::{ROOT, SCRATCH, as_from_a_shell, target, text};

const PAGE: &str = include_str!("../../../docs/your-own-repository.md");
/// What stands for the address of this repository there, and for a checkout beside one's own.
const ADDRESS: &str = "https://git.example.com/rapids.git";
const CHECKOUT: &str = "../rapids/";

/// The profile of this workspace, so that crates of others are not built again for another one.
const PROFILE: &str = "[profile.dev]\ndebug = \"line-tables-only\"\n\
    [profile.dev.package.\"*\"]\ndebug = false\n";

/// A block of the page: in which language, after which line, and its lines.
struct Block {
    language: &'static str,
    after: &'static str,
    lines: Vec<&'static str>,
}

fn blocks() -> Vec<Block> {
    let (mut blocks, mut after) = (Vec::new(), "");
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let lines = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { language, after: std::mem::take(&mut after), lines });
        } else if !line.is_empty() {
            after = line;
        }
    }
    blocks
}

impl Block {
    /// The file that it is, if the line before it is a name.
    fn file(&self) -> Option<&'static str> {
        self.after.strip_prefix('`')?.strip_suffix("`:")
    }
}

/// The page's repository in a folder of its own: none of cargo's other settings are above it.
struct Repository {
    folder: TempDir,
    blocks: Vec<Block>,
}

impl Repository {
    fn new() -> Self {
        let (folder, blocks) = (tempfile::tempdir().unwrap(), blocks());
        let repository = Self { folder, blocks };
        for block in &repository.blocks {
            if let Some(name) = block.file() {
                repository.write(name, &format!("{}\n", block.lines.join("\n")));
            }
        }
        repository.write(".cargo/config.toml", PROFILE);
        // The versions that CI has tested, and built already.
        fs::copy(Path::new(ROOT).join("Cargo.lock"), repository.path("Cargo.lock")).unwrap();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Takes the crates from the commit that is checked out.
    fn depend_on_git(&self) {
        let manifest = fs::read_to_string(self.path("Cargo.toml")).unwrap();
        let address = format!("file://{}", bare_clone().display());
        self.write("Cargo.toml", &manifest.replace(ADDRESS, &address));
    }

    /// Takes them from the folders beside these tests, by the page's lines for that.
    fn depend_on_paths(&self) {
        let is_meant = |block: &&Block| block.language == "toml" && block.file().is_none();
        let by_path = &self.blocks.iter().find(is_meant).unwrap().lines;
        let mut manifest = fs::read_to_string(self.path("Cargo.toml")).unwrap();
        for line in by_path {
            let (name, _) = line.split_once(" = ").unwrap();
            let is_former = |line: &&str| line.starts_with(&format!("{name} = {{ git"));
            let former = manifest.lines().find(is_former).unwrap().to_owned();
            manifest = manifest.replace(&former, &line.replace(CHECKOUT, &format!("{ROOT}/")));
        }
        self.write("Cargo.toml", &manifest);
    }

    /// A command in it, with the server of these tests, and what they have built.
    fn command(&self, bench: &Bench, line: &str) -> Command {
        let mut command = bench.command("sh");
        as_from_a_shell(&mut command);
        command.args(["-c", line]).current_dir(self.folder.path());
        command.env("CARGO_TARGET_DIR", target());
        command.env("RAPIDS_LOG_FORMAT", "human");
        command
    }

    /// Runs a command to its end, and finds the lines that the page shows in what it prints.
    fn prints(&self, bench: &Bench, line: &str, expected: &[&str]) {
        let output = self.command(bench, line).output().unwrap();
        let printed = text(&output);
        assert!(output.status.success(), "{line}: {printed}");
        for part in expected {
            assert!(printed.contains(part), "`{line}` does not print `{part}`: {printed}");
        }
    }
}

/// A clone at a place that stays, since the address is a part of what is compiled.
fn bare_clone() -> PathBuf {
    let clone = Path::new(SCRATCH).join("rapids.git");
    let _ = fs::remove_dir_all(&clone);
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--bare", ROOT]).arg(&clone);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    clone
}

#[test]
#[ignore = "needs just, the nats CLI and a minute: it builds a repository of its own"]
fn a_repository_of_its_own_is_written_tested_and_run_as_the_page_says() {
    let (bench, repository) = (Bench::start(), Repository::new());
    repository.depend_on_git();
    let (mut running, mut watch) = (Vec::new(), None);
    let sessions = repository.blocks.iter().filter(|block| block.language == "console");
    for lines in sessions.map(|block| &block.lines) {
        let (line, expected) = (lines[0].strip_prefix("$ ").unwrap(), &lines[1..]);
        if line.starts_with("cargo run") {
            let mut program = Process::spawn(&mut repository.command(&bench, line));
            program.until(expected);
            running.push(program);
            watch = Some(bench.nats_sub());
        } else if line.starts_with("nats pub") {
            repository.prints(&bench, line, &[]);
            let seen = watch.as_mut().unwrap().event("greeter_done", "Hello");
            let seen = String::from_utf8(seen.body().to_vec()).unwrap();
            assert!(seen.starts_with(expected[0]), "{seen}");
        } else {
            repository.prints(&bench, line, expected);
        }
    }
    assert_eq!(running.len(), 1);
    repository.prints(&bench, "cargo fmt --check", &[]);
    repository.depend_on_paths();
    repository.prints(&bench, "cargo test", &["test result: ok. 3 passed"]);
}
