//! Asking the user whether to go on.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};

use crate::exit::Fault;
use crate::session::Session;

/// Asks a question on the terminal; returns whether the answer is yes.
///
/// # Errors
/// [`Fault::Usage`] if there is no terminal.
pub(crate) async fn confirm(session: &Session, question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        let words = "there is no terminal to ask on: give `--yes` if it is to be done";
        return Err(Fault::Usage(words.to_owned()).into());
    }
    session.screen.ask(format_args!("{question} [y/N] "));
    let answering = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answering.await?.context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
