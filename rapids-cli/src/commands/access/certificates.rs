//! `rapids access certificates`: makes what TLS takes.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::certificates::{Validity, issue};
use crate::exit::{Answer, Fault};
use crate::secret_file::{PUBLIC, SECRET, make_folder, write_new};
use crate::session::Session;

/// Make an authority, and a certificate for the server and one for whoever logs in
///
/// For whoever has no authority of their own. With these, a server takes nobody who has no certificate of
/// the authority, and clients take no other server. Who somebody is, the nkey says. Nothing is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Files: ca.pem, server.pem, client.pem, each with its key (.key). The server needs server.* and ca.pem;
services client.* and ca.pem (NATS_CERT, NATS_KEY, NATS_CA). Keep ca.key elsewhere: whoever has it can be
anybody. The authority is valid for ten years, the others for one.")]
pub(crate) struct Certificates {
    /// The folder for them; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "tls")]
    dir: PathBuf,

    /// A name or address under which the server is reached, beside this machine's; may be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
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
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let hosts: Vec<String> = own.into_iter().chain(self.host).collect();
        let issued = issue(&hosts, validity)?;
        make_folder(&self.dir)?;
        let path = |name: &str, end: &str| self.dir.join(format!("{name}.{end}"));
        let files = issued.iter().flat_map(|it| {
            let certificate = (path(it.name, "pem"), &it.certificate, PUBLIC);
            [(path(it.name, "key"), &it.key, SECRET), certificate]
        });
        if let Some((file, ..)) = files.clone().find(|(file, ..)| file.exists()) {
            let words = format!(
                "`{}` is there already, and nothing is overwritten: take another folder, or move it away",
                file.display()
            );
            return Err(Fault::Usage(words).into());
        }
        for (file, text, mode) in files {
            write_new(&file, text, mode)?;
            session.screen.line(format_args!("made {}", file.display()))?;
        }
        session.screen.note(format_args!("valid until {}", validity.until));
        Ok(Answer::Yes)
    }
}
