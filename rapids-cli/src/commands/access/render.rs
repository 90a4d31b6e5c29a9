//! `rapids access render`: writes the accounts that nats-server includes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use rapids_client::access::Access;

use super::Declared;
use crate::exit::Answer;
use crate::key_folder::KeyFolder;
use crate::secret_file::{PUBLIC, replace};
use crate::session::Session;
use crate::{access_file, accounts};

/// Write the accounts, users, permissions and limits that nats-server includes
///
/// The file holds public keys, and no secrets. Where nothing has changed, it is not touched.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids access render --keys keys --out access.conf
  nats-server --signal reload

In the configuration of nats-server: include \"access.conf\"")]
pub(crate) struct Render {
    #[command(flatten)]
    declared: Declared,

    /// The folder with the keys, as `rapids access keys` makes it
    #[arg(long, value_name = "DIR", default_value = "keys")]
    keys: PathBuf,

    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "access.conf")]
    out: PathBuf,
}

impl Render {
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let access = access_file::read(&self.declared.file)?;
        render(&access, &KeyFolder::open(&self.keys)?, &self.out, session)?;
        Ok(Answer::Yes)
    }
}

/// Writes the accounts to this file, if it has others.
///
/// # Errors
/// If a key is missing, or the file cannot be written.
pub(super) fn render(
    access: &Access,
    keys: &KeyFolder,
    out: &Path,
    session: &Session,
) -> Result<()> {
    let text = accounts::accounts(access, |name| keys.public_key(name))?;
    let shown = out.display();
    if fs::read(out).is_ok_and(|found| found == text.as_bytes()) {
        session.screen.note(format_args!("{shown} is as it has to be"));
        return Ok(());
    }
    replace(out, &text, PUBLIC)?;
    session.screen.line(format_args!("wrote {shown}"))?;
    session.screen.note("now reload the server: `nats-server --signal reload`");
    Ok(())
}
