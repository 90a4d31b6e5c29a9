//! `rapids access certificates`: makes what TLS takes, or replaces a part of it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::certificates::{Authority, Issued, Validity};
use crate::exit::{Answer, Fault};
use crate::secret_file::{PUBLIC, SECRET, check_owned, make_folder, replace, write_new};
use crate::session::Session;

/// Make an authority, and a certificate for the server and one for whoever logs in
///
/// For whoever has no authority of their own. With these, a server takes nobody who has no certificate of
/// the authority, and clients take no other server. Who somebody is, the nkey says. Nothing is overwritten,
/// unless it is to be replaced.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids access certificates --host nats.example.org
  rapids access certificates --host nats.example.org --rotate server

Files: ca.pem, server.pem, client.pem, each with its key (.key). The server needs server.* and ca.pem;
services client.* and ca.pem (NATS_CERT, NATS_KEY, NATS_CA). Keep ca.key elsewhere: whoever has it can be
anybody. The authority is valid for ten years, the others for one.

The server reads its files when it is reloaded, services read theirs with each connect. A new authority
stands in ca.pem in front of the one before, so that both are trusted: give ca.pem to all, reload the server,
replace server and client, give those to all, and then take the second certificate out of ca.pem.")]
pub(crate) struct Certificates {
    /// The folder for them; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "tls")]
    dir: PathBuf,

    /// A name or address under which the server is reached, beside this machine's; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,

    /// Replace this one, with the authority that is there
    #[arg(long, value_name = "WHICH")]
    rotate: Option<Rotated>,
}

/// What can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rotated {
    /// The certificate of the server; say its --host again
    Server,
    /// The certificate of whoever logs in
    Client,
    /// The authority itself
    Authority,
}

impl Certificates {
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let validity = Validity {
            // Clocks differ.
            from: today.checked_sub(1.day())?,
            authority_until: today.checked_add(10.years())?,
            until: today.checked_add(1.year())?,
        };
        let until = match self.rotate {
            Some(which) => self.rotate(which, validity, session)?,
            None => self.make(validity, session)?,
        };
        session.screen.note(format_args!("valid until {until}"));
        Ok(Answer::Yes)
    }

    fn make(&self, validity: Validity, session: &Session) -> Result<jiff::civil::Date> {
        let (authority, own) = Authority::make(validity)?;
        let issued = [own, authority.server(&self.hosts())?, authority.client()?];
        make_folder(&self.dir)?;
        let files = issued.iter().flat_map(|it| self.files(it));
        if let Some((file, ..)) = files.clone().find(|(file, ..)| file.exists()) {
            let words = format!(
                "`{}` is there already, and nothing is overwritten: replace a part of it (--rotate), take \
                 another folder, or move it away",
                file.display()
            );
            return Err(Fault::Usage(words).into());
        }
        for (file, text, mode) in files {
            write_new(&file, text, mode)?;
            session.screen.line(format_args!("made {}", file.display()))?;
        }
        Ok(validity.until)
    }

    fn rotate(
        &self,
        which: Rotated,
        validity: Validity,
        session: &Session,
    ) -> Result<jiff::civil::Date> {
        let read = |name: &str| {
            let path = self.dir.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
        };
        let key = read("ca.key")?;
        check_owned(&self.dir.join("ca.key"))?;
        let authority = Authority::of_key(&key, validity).context("`ca.key` is no key")?;
        let issued = match which {
            Rotated::Server => authority.server(&self.hosts())?,
            Rotated::Client => authority.client()?,
            Rotated::Authority => {
                let (_, mut own) = Authority::make(validity)?;
                own.certificate.push_str(&read("ca.pem")?);
                own
            }
        };
        for (file, text, mode) in self.files(&issued) {
            replace(&file, text, mode)?;
            session.screen.line(format_args!("replaced {}", file.display()))?;
        }
        session.screen.note("now reload the server (`nats-server --signal reload`)");
        Ok(if which == Rotated::Authority { validity.authority_until } else { validity.until })
    }

    /// The names of the server.
    fn hosts(&self) -> Vec<String> {
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        own.into_iter().chain(self.host.iter().cloned()).collect()
    }

    /// The files of a certificate: their contents, and who may read them.
    fn files<'a>(&self, issued: &'a Issued) -> [(PathBuf, &'a str, u32); 2] {
        let path = |end: &str| self.dir.join(format!("{}.{end}", issued.name));
        [(path("key"), &issued.key, SECRET), (path("pem"), &issued.certificate, PUBLIC)]
    }
}
