//! `rapids doctor`: whether a service's login may do all that it will ever need, and how the server stands.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use rapids_client::access::{Access, ServiceAccess};
use rapids_client::{Assessment, Doctor as Looking, Error, Finding};
use serde::Serialize;

use super::access::of_service;
use crate::access_file;
use crate::exit::{Answer, Fault};
use crate::line::Line;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// Where it is declared what a service is, unless an option says something else.
const DECLARED: &str = "access.toml";

/// Check whether the login of a service may do all that it will ever need, and how the server stands
///
/// Run it with the login of the service. It asks the server what the login may do, and tries what only trying
/// tells, by requests without effect: nothing is published, taken or acknowledged. What the service is, is read
/// from `access.toml`; without that file, the running service is asked, and if none answers, it counts as one in
/// shared delivery without memories, timers and reactions that run once. Services check the same beside their
/// start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  NATS_NKEY=keys/payment.nk rapids doctor payment
  rapids doctor payment --access deploy/access.toml -o json
  rapids doctor payment --monitoring http://127.0.0.1:8222

Output: a line for each thing that was checked, first the rights, then the server: `ok`; `less`, where the \
service works without; `missing`, with what to do about it; `?` for what this login is not told, or cannot be \
tried yet. The exit code is 1 if something is missing.

With -o json an object for each: `what`; `assessment`, which is `well`, `less`, `missing` or `unknown`; `found`; \
`remedy`, null where there is nothing to do.")]
pub(crate) struct Doctor {
    /// The service
    service: String,

    /// The file that declares what it is, default `access.toml` if that exists
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,

    /// Where the server's monitoring pages are, such as `http://127.0.0.1:8222`: only they tell its `sync_interval`
    #[arg(long, value_name = "URL")]
    monitoring: Option<String>,

    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Doctor {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let declared = self.declared()?;
        let mut looking = Box::pin(Looking::connect(&session.config()?)).await?;
        if let Some(url) = &self.monitoring {
            looking = looking.monitoring(url);
        }
        let (access, source) = match declared {
            Some(declared) => declared,
            None => announced(&looking, &self.service).await?,
        };
        let mut findings = Box::pin(looking.rights(&self.service, &access)).await;
        findings.extend(Box::pin(looking.server()).await);
        match self.output {
            Format::Json => {
                for finding in &findings {
                    session.screen.json(&serde_json::to_string(&FindingJson::of(finding))?)?;
                }
            }
            Format::Line => {
                let what = of_service(&access);
                session.screen.line(format!("{}, {source}: {what}", self.service))?;
                for line in lines(&findings, session.screen.data) {
                    session.screen.line(line)?;
                }
            }
        }
        Ok(Answer::from(!findings.iter().any(|it| it.assessment == Assessment::Missing)))
    }

    /// What the service is, as a file declares it, and the words for that.
    fn declared(&self) -> Result<Option<(ServiceAccess, String)>> {
        let service = &self.service;
        let file = match &self.access {
            Some(file) => file,
            None if Path::new(DECLARED).exists() => Path::new(DECLARED),
            None => {
                let services = [(service.clone(), ServiceAccess::default())].into();
                let faults = Access { services, ..Access::default() }.faults();
                return match faults.is_empty() {
                    true => Ok(None),
                    false => Err(Fault::Usage(faults.join("; ")).into()),
                };
            }
        };
        let mut access = access_file::read(file)?;
        let shown = file.display();
        let Some(found) = access.services.remove(service) else {
            let words =
                format!("`{shown}` has no [services.{service}]; add it, or name another file");
            return Err(Fault::NotFound(words).into());
        };
        Ok(Some((found, format!("as `{shown}` declares it"))))
    }
}

/// What the service is, as its instances say, or as a service is by itself; and the words for that.
async fn announced(looking: &Looking, service: &str) -> Result<(ServiceAccess, String)> {
    match Box::pin(looking.announced(service)).await {
        Ok(Some(found)) => Ok((found, "as it announces itself".to_owned())),
        Ok(None) | Err(Error::NotPermitted { .. }) => {
            Ok((ServiceAccess::default(), "of which nothing is declared or announced".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// A table, with the remedy below what is to be mended.
fn lines(findings: &[Finding], palette: Palette) -> Vec<Line> {
    let mut table =
        Table::new([Column::words("STATE"), Column::words("WHAT"), Column::words("FOUND")]);
    for Finding { what, assessment, found, .. } in findings {
        let (word, style) = match assessment {
            Assessment::Well => ("ok", palette.good),
            Assessment::Less => ("less", palette.warning),
            Assessment::Missing => ("missing", palette.bad),
            _ => ("?", palette.warning),
        };
        table.row([Cell::new(word).style(style), Cell::new(what), Cell::new(found)]);
    }
    let mut rows = table.lines(palette.faint).into_iter();
    let mut lines: Vec<Line> = rows.next().into_iter().collect();
    for (row, finding) in rows.zip(findings) {
        lines.push(row);
        if let Some(remedy) = &finding.remedy {
            lines.push(Line::from("  ").styled(palette.warning, format_args!("! {remedy}")));
        }
    }
    lines
}

/// A finding as JSON.
#[derive(Serialize)]
struct FindingJson<'a> {
    what: &'a str,
    assessment: &'static str,
    found: &'a str,
    remedy: Option<&'a str>,
}

impl<'a> FindingJson<'a> {
    fn of(Finding { what, assessment, found, remedy, .. }: &'a Finding) -> Self {
        let assessment = match assessment {
            Assessment::Well => "well",
            Assessment::Less => "less",
            Assessment::Missing => "missing",
            _ => "unknown",
        };
        Self { what, assessment, found, remedy: remedy.as_deref() }
    }
}
