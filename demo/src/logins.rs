//! The secured form of a run: certificates, a login for each program, and the accounts of the server, made by
//! `rapids access` as `just secure` makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use rapids_client::Config;
use tempfile::TempDir;
use tokio::process::Command;

use crate::delivery::DeliveryMode;
use crate::rivers::{self, Program};
use crate::secrets::{self, Secret};

/// The command line.
const RAPIDS: &str = "rapids";

/// Who provisions, publishes from outside, and verifies.
const OPERATOR: &str = "operator";

/// The keys and the certificates of a run.
#[derive(Debug)]
pub(crate) struct Logins {
    folder: TempDir,
    /// What nats-server is to be told.
    server_config: String,
}

impl Logins {
    /// Makes them, for these programs.
    ///
    /// # Errors
    /// If a service is not declared in `access.toml`, or the command line fails.
    pub(crate) async fn make(programs: &[Program], delivery: DeliveryMode) -> Result<Self> {
        rivers::build_other("rapids-cli", RAPIDS).await?;
        let folder =
            TempDir::with_prefix("rapids-logins-").context("cannot make a folder for keys")?;
        let path = rivers::workspace().join("access.toml");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let declared = declared(&text, programs, delivery.is_exclusive())?;
        fs::write(folder.path().join("access.toml"), declared)
            .context("cannot write access.toml")?;
        for part in ["certificates", "keys", "render"] {
            run(&folder, &["access", part], &[]).await?;
        }
        let accounts = folder.path().join("access.conf");
        let accounts = fs::read_to_string(accounts).context("cannot read the rendered accounts")?;
        let server_config = format!("{}\n{accounts}", tls(folder.path()));
        Ok(Self { folder, server_config })
    }

    /// TLS and the accounts, as lines of nats-server's configuration.
    pub(crate) fn server_config(&self) -> &str {
        &self.server_config
    }

    /// Creates on the server at this address what services need; `is_hasty` if they are to wait shorter for
    /// acknowledgements.
    ///
    /// # Errors
    /// If the command line fails.
    pub(crate) async fn provision(&self, url: &str, is_hasty: bool) -> Result<()> {
        let mut environment = self.of_login(OPERATOR);
        if is_hasty {
            environment.push(DeliveryMode::short_ack_wait());
        }
        run(&self.folder, &["provision", "--secured", "--yes", "--server", url], &environment).await
    }

    /// How whoever runs the demo logs in.
    pub(crate) fn operator(&self, url: &str) -> Config {
        let (certificate, key) = (self.file("tls/client.pem"), self.file("tls/client.key"));
        Config::new(url)
            .ca_file(self.file("tls/ca.pem"))
            .client_certificate(certificate, key)
            .nkey_file(self.key_file(OPERATOR))
    }

    /// The variables by which a program logs in.
    pub(crate) fn environment(&self, program: &Program) -> Vec<(&'static str, String)> {
        // What is no service looks after all of them.
        let Some(service) = program.services.first() else { return self.of_login(OPERATOR) };
        let mut environment = self.of_login(service);
        environment.extend([
            ("RAPIDS_PROVISIONED", "1".to_owned()),
            ("RAPIDS_ID_KEY", self.text(&format!("keys/{service}.id_key"))),
        ]);
        environment
    }

    fn of_login(&self, name: &str) -> Vec<(&'static str, String)> {
        vec![
            ("NATS_CA", self.text("tls/ca.pem")),
            ("NATS_CERT", self.text("tls/client.pem")),
            ("NATS_KEY", self.text("tls/client.key")),
            ("NATS_NKEY", self.key_file(name).display().to_string()),
        ]
    }

    /// The variables of the operator, as lines for a shell.
    pub(crate) fn exports(&self) -> String {
        let set = |(name, value): (&str, String)| format!("  export {name}={value}\n");
        self.of_login(OPERATOR).into_iter().map(set).collect()
    }

    /// What nobody may come to know.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub(crate) fn secrets(&self) -> Result<Vec<Secret>> {
        let keys = secrets::of_folder(&self.file("keys"), |_| true)?;
        let tls = secrets::of_folder(&self.file("tls"), |file| file.ends_with(".key"))?;
        Ok(keys.into_iter().chain(tls).collect())
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.file(&format!("keys/{name}.nk"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }
}

/// What is declared for a run: `access.toml`, and the services that the demo adds.
fn declared(text: &str, programs: &[Program], is_exclusive: bool) -> Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for program in programs {
        let [service] = &program.services[..] else {
            bail!("`{}` runs several services, and each needs a login of its own", program.name)
        };
        let header = format!("[services.{service}]");
        if lines.contains(&header) {
            continue;
        }
        ensure!(
            program.arguments.contains(service),
            "the service `{service}` has no login: declare it in access.toml as {header}"
        );
        lines.push(header);
    }
    let delivery = r#"delivery = "exclusive""#;
    let with_delivery = |line: String| {
        let is_service = is_exclusive && line.starts_with("[services.");
        [Some(line), is_service.then(|| delivery.to_owned())].into_iter().flatten()
    };
    Ok(lines.into_iter().flat_map(with_delivery).map(|line| line + "\n").collect())
}

/// As nats-secure.conf has it, with the files of this folder.
fn tls(folder: &Path) -> String {
    let file = |name: &str| folder.join("tls").join(name).display().to_string();
    format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true, min_version: \"1.3\" }}",
        file("server.pem"),
        file("server.key"),
        file("ca.pem")
    )
}

/// Runs the command line in this folder.
async fn run(
    folder: &TempDir,
    arguments: &[&str],
    environment: &[(&'static str, String)],
) -> Result<()> {
    let mut command = Command::new(rivers::built(RAPIDS)?);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let what = || format!("`rapids {}`", arguments.join(" "));
    let done = command.output().await.with_context(|| format!("cannot run {}", what()))?;
    if !done.status.success() {
        bail!("{} fails: {}", what(), String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_is_declared_with_the_delivery_of_the_run() {
        let mut extra = Program::of_a_river("outside");
        extra.arguments = vec!["outside".to_owned()];
        let programs = [Program::of_a_river("payment"), extra];
        let text = "[services.payment]\nonce = true\n";
        assert_eq!(
            declared(text, &programs, false).unwrap(),
            "[services.payment]\nonce = true\n[services.outside]\n"
        );
        assert_eq!(
            declared(text, &programs, true).unwrap(),
            "[services.payment]\ndelivery = \"exclusive\"\nonce = true\n[services.outside]\ndelivery = \
             \"exclusive\"\n"
        );
    }

    #[test]
    fn a_river_without_a_login_is_named_with_what_to_write() {
        let error = declared("", &[Program::of_a_river("greeter")], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the service `greeter` has no login: declare it in access.toml as [services.greeter]"
        );
    }
}
