//! `rapids dead-letters redirect`: sends letters of one river to another.

use anyhow::Result;
use clap::Args;
use rapids_client::{Redirect as Rule, RiverName};

use crate::announced;
use crate::author::Reason;
use crate::exit::{Answer, Fault};
use crate::line::Line;
use crate::screen::Format;
use crate::session::Session;

/// How long to wait for the answers of the successor's instances.
const WAIT: std::time::Duration = std::time::Duration::from_millis(500);

/// Have the letters of a river that was renamed or retired go to its successor
///
/// From then on, a letter of the first river that is replayed or edited is sent to the second one, until the
/// redirect is withdrawn. Without arguments, lists all redirects.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters redirect
  rapids dead-letters redirect payment/charge billing/collect --reason 'payment was split'
  rapids dead-letters redirect payment/charge --withdraw

The successor judges and handles a packet as its own: what it remembers of packets, and what it has done
`once`, is its own, too.

Output: a line per redirect; with -o json an object with `from`, `to`, `who`, `at` and maybe `why`.")]
pub(crate) struct Redirect {
    /// The river that the letters are of
    #[arg(value_name = "SERVICE/RIVER")]
    from: Option<RiverName>,

    /// The river that their packets go to
    #[arg(value_name = "SUCCESSOR")]
    to: Option<RiverName>,

    /// Withdraw the redirect of this river
    #[arg(long, requires = "from", conflicts_with = "to")]
    withdraw: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print redirects
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Redirect {
    pub(crate) fn changes(&self) -> bool {
        self.to.is_some() || self.withdraw
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let letters = session.dead_letters().await?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => {
                self.check(session, to).await?;
                let rule = letters.redirect(from, to, &self.reason.note()).await?;
                self.print(session, &[rule])
            }
            (Some(from), None) if self.withdraw => {
                if !letters.withdraw_redirect(from, &self.reason.note()).await? {
                    let words = format!("the letters of `{from}` are not redirected");
                    return Err(Fault::NotFound(words).into());
                }
                Ok(Answer::Yes)
            }
            (from, _) => {
                let mut rules = letters.redirects().await?;
                rules.retain(|rule| from.as_ref().is_none_or(|from| rule.from == *from));
                if rules.is_empty() {
                    session.screen.note("nothing is redirected");
                }
                self.print(session, &rules)
            }
        }
    }

    /// Makes sure that the successor has this river, as far as that is known.
    async fn check(&self, session: &Session, to: &RiverName) -> Result<()> {
        let up = session.services(&session.rapids().await?, WAIT).await?;
        let (name, has_instances) = (to.service(), !announced::instances(to, &up).is_empty());
        if has_instances {
            announced::rules(to, &up)?;
        } else {
            let words =
                format_args!("`{name}` does not run: whether it has the river is not known");
            session.screen.warning(words);
        }
        Ok(())
    }

    fn print(&self, session: &Session, rules: &[Rule]) -> Result<Answer> {
        for rule in rules {
            match self.output {
                Format::Json => session.screen.json(&serde_json::to_string(rule)?)?,
                Format::Line => session.screen.line(line(session, rule))?,
            }
        }
        Ok(Answer::Yes)
    }
}

fn line(session: &Session, rule: &Rule) -> Line {
    let palette = session.screen.data;
    let Rule { from, to, who, at, why, .. } = rule;
    let line = Line::new().styled(palette.name, from).text(" -> ").styled(palette.name, to);
    let why = why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    line.styled(palette.faint, format_args!("  by {who} {at:.0}{why}"))
}
