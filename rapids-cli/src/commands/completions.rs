//! `rapids completions`: prints a shell's completion script.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit::Answer;
use crate::session::Session;

/// Print the script by which a shell completes commands and options
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
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "rapids", &mut script);
        session.screen.bytes(&script)?;
        Ok(Answer::Yes)
    }
}
