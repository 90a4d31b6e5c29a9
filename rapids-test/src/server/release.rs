//! Installs nats-server from its official release: downloads the archive with `curl`, checks it
//! against the published sums, and unpacks it with `tar`.

use std::env::consts::{ARCH, OS};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use super::installers::{VERSION, WorkDirectory, run};

const RELEASES: &str = "https://github.com/nats-io/nats-server/releases/download";

const SUMS: &str = "SHA256SUMS";

pub(super) fn install(work: &WorkDirectory<'_>) -> anyhow::Result<PathBuf> {
    let name = format!("nats-server-v{VERSION}-{}", platform(OS, ARCH)?);
    let archive = format!("{name}.tar.gz");
    download(work, SUMS)?;
    download(work, &archive)?;
    let sums = fs::read_to_string(work.directory.join(SUMS))?;
    verify(&archive, &fs::read(work.directory.join(&archive))?, &sums)?;
    run(work.command("tar").args(["-xzf", &archive]))?;
    Ok(work.directory.join(name).join("nats-server"))
}

fn download(work: &WorkDirectory<'_>, file: &str) -> anyhow::Result<()> {
    let mut command = work.command("curl");
    command.args(["--fail", "--silent", "--show-error", "--location", "--proto", "=https"]);
    command.args(["--connect-timeout", "15", "--max-time", "300", "--output", file]);
    run(command.arg(format!("{RELEASES}/v{VERSION}/{file}")))
}

/// The platform as the releases name it. A platform without an archive is an error.
fn platform(os: &str, arch: &str) -> anyhow::Result<String> {
    let os = match os {
        "linux" => "linux",
        "macos" => "darwin",
        _ => bail!("no archive for {os}"),
    };
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => bail!("no archive for {arch}"),
    };
    Ok(format!("{os}-{arch}"))
}

/// Compares the content with the file's line in `sums`, which has the format of `sha256sum`.
fn verify(file: &str, content: &[u8], sums: &str) -> anyhow::Result<()> {
    let published = sums
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .find(|(_, name)| name.trim_start().trim_start_matches('*') == file)
        .map(|(sum, _)| sum)
        .with_context(|| format!("`{SUMS}` does not list `{file}`"))?;
    let mut actual = String::new();
    for byte in Sha256::digest(content) {
        write!(actual, "{byte:02x}").expect("a string takes every write");
    }
    ensure!(
        published.eq_ignore_ascii_case(&actual),
        "`{file}` has the sum {actual}, but the published sum is {published}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::super::fakes::{Fakes, quoted};
    use super::super::version::check;
    use super::*;

    /// Packs a fake server as the releases are packed, and returns the name of the archive.
    fn publish(fakes: &Fakes, into: &Path) -> String {
        let name = format!("nats-server-v{VERSION}-{}", platform(OS, ARCH).unwrap());
        fs::create_dir(fakes.path().join(&name)).unwrap();
        fakes.server(&format!("{name}/nats-server"), VERSION);
        let archive = format!("{name}.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(into.join(&archive)).arg("-C").arg(fakes.path()).arg(&name);
        assert!(tar.status().unwrap().success());
        archive
    }

    /// Makes `curl` copy the files from this directory.
    fn offer(fakes: &Fakes, published: &Path) {
        let script = format!(
            r#"while [ "$1" != --output ]; do shift; done; cp {}/"${{3##*/}}" "$2""#,
            quoted(published)
        );
        fakes.program("curl", &script);
        fakes.program("tar", r#"exec tar "$@""#);
    }

    fn sum(file: &Path) -> String {
        let digest = Sha256::digest(fs::read(file).unwrap());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn archive_with_the_published_sum_is_unpacked() {
        let (fakes, published) = (Fakes::new(), tempfile::tempdir().unwrap());
        let archive = publish(&fakes, published.path());
        let sum = sum(&published.path().join(&archive));
        fs::write(published.path().join(SUMS), format!("0000  other\n{sum}  {archive}\n")).unwrap();
        offer(&fakes, published.path());

        let directory = tempfile::tempdir().unwrap();
        let work = WorkDirectory { directory: directory.path(), path: fakes.path().as_os_str() };
        check(&install(&work).unwrap()).unwrap();
    }

    #[test]
    fn archive_with_another_sum_is_refused() {
        let (fakes, published) = (Fakes::new(), tempfile::tempdir().unwrap());
        let archive = publish(&fakes, published.path());
        let sum = "0".repeat(64);
        fs::write(published.path().join(SUMS), format!("{sum}  {archive}\n")).unwrap();
        offer(&fakes, published.path());

        let directory = tempfile::tempdir().unwrap();
        let work = WorkDirectory { directory: directory.path(), path: fakes.path().as_os_str() };
        let error = install(&work).unwrap_err().to_string();
        assert!(error.ends_with(&format!("but the published sum is {sum}")), "{error}");
        assert!(!directory.path().join(archive.trim_end_matches(".tar.gz")).exists());
    }

    #[test]
    fn archive_without_a_published_sum_is_refused() {
        let error = verify("a.tar.gz", b"", "00  b.tar.gz\n").unwrap_err();
        assert_eq!(error.to_string(), "`SHA256SUMS` does not list `a.tar.gz`");
    }

    #[test]
    fn sum_of_a_file_read_as_binary_counts_too() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        verify("a", b"", &format!("{empty} *a\n")).unwrap();
    }

    #[test]
    fn platforms_have_the_names_of_the_releases() {
        assert_eq!(platform("linux", "x86_64").unwrap(), "linux-amd64");
        assert_eq!(platform("macos", "aarch64").unwrap(), "darwin-arm64");
        assert!(platform("plan9", "x86_64").is_err());
        assert!(platform("linux", "s390x").is_err());
    }
}
