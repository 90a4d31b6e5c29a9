//! `--by` and `--reason`: who acts, and why, for the record.

use clap::Args;
use rapids_client::Note;

/// The author of an action.
#[derive(Debug, Args)]
pub(crate) struct Author {
    /// Who does it, for the record; USER@HOST unless given
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Author {
    /// The note for the record.
    pub(crate) fn note(&self, reason: Option<&str>) -> Note {
        let note = match &self.by {
            Some(by) => Note::new(by).origin(user_and_host()),
            None => Note::new(user_and_host()),
        };
        match reason {
            Some(reason) => note.why(reason),
            None => note,
        }
    }
}

/// Who acts, and why.
#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    author: Author,
}

impl Reason {
    /// The note for the record.
    pub(crate) fn note(&self) -> Note {
        self.author.note(self.reason.as_deref())
    }
}

fn user_and_host() -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    format!("{user}@{}", gethostname::gethostname().to_string_lossy())
}
