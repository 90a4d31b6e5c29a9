//! `rapids provision`: creates what services need, for services that may create nothing.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rapids_client::Provisioning;

use crate::access_file;
use crate::confirm::confirm;
use crate::exit::Answer;
use crate::session::Session;

/// Create and change the streams, buckets and consumers that services need
///
/// An operator does that for services that run with RAPIDS_PROVISIONED=1, which create and change nothing:
/// they name what is missing, and do not start. What is there and as it must be stays; positions are not
/// moved. A service that has changed its delivery goes on where it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids provision --dry-run
  rapids provision --secured --yes

Sizes, ages and replicas are those of the RAPIDS_* variables, for what is created; what exists keeps its
own, unless a variable states another age or size of the rapids.

Output: a line for each stream, bucket or consumer that is created or changed.")]
pub(crate) struct Provision {
    /// The file that declares the services
    #[arg(long, value_name = "FILE", default_value = "access.toml")]
    file: PathBuf,

    /// Have the rapids in the secured form, in which the server says who published a packet: for a server with
    /// the accounts that `rapids access render` writes
    #[arg(long)]
    secured: bool,

    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
}

impl Provision {
    pub(crate) fn changes(&self) -> bool {
        !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let access = access_file::read(&self.file)?;
        let mut provisioning = Box::pin(Provisioning::connect(&session.config()?)).await?;
        if self.secured {
            provisioning = provisioning.secured();
        }
        let steps = Box::pin(provisioning.plan(&access)).await?;
        for step in &steps {
            session.screen.line(step)?;
        }
        if steps.is_empty() {
            session.screen.note("all is there");
        }
        if self.dry_run {
            return Ok(Answer::Yes);
        }
        let question = format!("Do that ({} steps)?", steps.len());
        if !steps.is_empty() && !self.yes && !confirm(session, &question).await? {
            return Ok(Answer::No);
        }
        // Also without steps: what was begun elsewhere, such as a change of delivery, is finished.
        Box::pin(provisioning.apply(&access)).await?;
        Ok(Answer::Yes)
    }
}
