//! `rapids access render`: writes the accounts that nats-server includes.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

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
        let keys = KeyFolder::open(&self.keys)?;
        let text = accounts::accounts(&access, |name| keys.public_key(name))?;
        let shown = self.out.display();
        if fs::read(&self.out).is_ok_and(|found| found == text.as_bytes()) {
            session.screen.note(format_args!("{shown} is as it has to be"));
            return Ok(Answer::Yes);
        }
        replace(&self.out, &text, PUBLIC)?;
        session.screen.line(format_args!("wrote {shown}"))?;
        session.screen.note("now reload the server: `nats-server --signal reload`");
        Ok(Answer::Yes)
    }
}
