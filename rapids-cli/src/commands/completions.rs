//! `rapids completions`: what a shell needs to complete commands and options.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::ending::Ending;
use crate::session::Session;

/// Print what a shell needs to complete commands and options
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids completions bash > ~/.local/share/bash-completion/completions/rapids
  rapids completions zsh > ~/.zfunc/_rapids
  rapids completions fish > ~/.config/fish/completions/rapids.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, session: &Session) -> Result<Ending> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "rapids", &mut script);
        session.screen.bytes(&script)?;
        Ok(Ending::Yes)
    }
}
