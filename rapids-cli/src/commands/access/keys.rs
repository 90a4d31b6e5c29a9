//! `rapids access keys`: makes the keys with which everybody logs in.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::Declared;
use super::render::render;
use crate::access_file;
use crate::exit::{Answer, Fault};
use crate::key_folder::KeyFolder;
use crate::session::Session;

/// Make the keys of all who log in, or replace one
///
/// For each name there is a file `NAME.nk` with the seed of an nkey (NATS_NKEY), and for each service
/// `NAME.id_key`, from which it derives ids that nobody can guess (RAPIDS_ID_KEY). A file that exists stays
/// as it is. Only the owner may read the folder and the files; nothing of them is printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids access keys --dir keys
  rapids access keys --dir keys --rotate payment

Whoever has a replaced key runs on until the server is told: reload it (`nats-server --signal reload`). It then
turns the old key away, and programs log in with the new one, which they read from the file. The key for
ids stays when a login is replaced: with another one, a packet that is handled again would have other \
outputs.")]
pub(crate) struct Keys {
    #[command(flatten)]
    declared: Declared,

    /// The folder for the keys; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "keys")]
    dir: PathBuf,

    /// Replace the login key of this name
    #[arg(long, value_name = "NAME")]
    rotate: Option<String>,

    /// The rendered file, which is written anew when a key is replaced, if it is there
    #[arg(long, value_name = "FILE", default_value = "access.conf", requires = "rotate")]
    out: PathBuf,
}

impl Keys {
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let access = access_file::read(&self.declared.file)?;
        let services = access.services.keys();
        let names: Vec<&String> = services
            .clone()
            .chain(access.operators.keys())
            .chain(access.publishers.keys())
            .collect();
        if let Some(rotated) = &self.rotate
            && !names.contains(&rotated)
        {
            let file = self.declared.file.display();
            return Err(Fault::NotFound(format!("`{rotated}` is not declared in `{file}`")).into());
        }
        let keys = KeyFolder::make(&self.dir)?;
        for name in names {
            if keys.make_seed(name)? {
                session.screen.line(format_args!("made {}", keys.seed_file(name).display()))?;
            } else if self.rotate.as_ref() == Some(name) {
                keys.replace_seed(name)?;
                session.screen.line(format_args!("replaced {}", keys.seed_file(name).display()))?;
            }
        }
        for name in services {
            if keys.make_id_key(name)? {
                session.screen.line(format_args!("made {}", keys.id_key_file(name).display()))?;
            }
        }
        if self.rotate.is_some() {
            match self.out.exists() {
                true => render(&access, &keys, &self.out, session)?,
                false => session.screen.note(
                    "now render again (`rapids access render`), and reload the server \
                     (`nats-server --signal reload`)",
                ),
            }
        }
        Ok(Answer::Yes)
    }
}
