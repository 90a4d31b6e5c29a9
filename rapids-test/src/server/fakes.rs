//! Fakes of nats-server and of the tools that install it, for tests: shell scripts.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory that is the whole `PATH` of a test. Each installer in it fails until it is replaced.
#[derive(Debug)]
pub(super) struct Fakes {
    directory: TempDir,
}

impl Fakes {
    pub(super) fn new() -> Self {
        let fakes = Self { directory: tempfile::tempdir().unwrap() };
        for tool in ["python3", "curl"] {
            fakes.program(tool, &format!("echo {tool} has a bad day >&2; exit 1"));
        }
        fakes
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the script in another process. If this process had it open for writing while another
    /// test forks, running it would fail with "text file busy".
    pub(super) fn program(&self, name: &str, script: &str) -> PathBuf {
        let file = self.path().join(name);
        let mut shell = Command::new("sh")
            .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
            .arg(&file)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        writeln!(input, "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\n{script}").unwrap();
        drop(input);
        assert!(shell.wait().unwrap().success());
        file
    }

    pub(super) fn server(&self, name: &str, version: &str) -> PathBuf {
        self.program(name, &format!("echo nats-server: v{version}"))
    }

    /// Makes `python3` install a fake server of this version. Each call adds a line to the returned
    /// file.
    pub(super) fn working_pip(&self, version: &str) -> PathBuf {
        let server = self.server("to-be-installed", version);
        let calls = self.path().join("calls");
        let script = format!(
            "echo called >> {}; mkdir bin && cp {} bin/nats-server",
            quoted(&calls),
            quoted(&server)
        );
        self.program("python3", &script);
        calls
    }
}

/// Quotes a path for a script.
pub(super) fn quoted(path: &Path) -> String {
    let path = String::from_utf8(path.as_os_str().as_bytes().to_vec()).unwrap();
    format!("'{}'", path.replace('\'', r"'\''"))
}
