//! `rapids man`: prints or writes the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};

use crate::arguments::Arguments;
use crate::exit::Answer;
use crate::session::Session;

/// Print the manual page, or write the pages of all commands into a directory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids man | man -l -
  rapids man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Directory for `rapids.1`, `rapids-tail.1` and so on; created if it is missing
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let command = Arguments::command();
        match self.directory {
            Some(directory) => {
                let naming = || format!("cannot write manual pages into `{}`", directory.display());
                fs::create_dir_all(&directory).with_context(naming)?;
                clap_mangen::generate_to(command, &directory).with_context(naming)?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                session.screen.bytes(&page)?;
            }
        }
        Ok(Answer::Yes)
    }
}
