//! How a client proves who it is: a login, and the files of TLS.
//!
//! Which login is used is decided in `layer`, and when it is read in `login_source`. The connection
//! passes it on to the server.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;
use crate::error::{Error, Result};

/// One way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The server lets anyone in, or knows the client by its certificate.
    None,
    User {
        user: String,
        password: Secret,
    },
    Token(Secret),
    /// A JWT and its key in one file, as `nsc` writes it.
    Credentials(KeyFile),
    /// The seed of an nkey.
    Nkey(KeyFile),
}

/// Names the login, as in "the server turns away ...".
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("a client without login"),
            Self::User { user, .. } => write!(f, "user `{user}` with this password"),
            Self::Token(_) => f.write_str("this token"),
            Self::Credentials(file) => write!(f, "the credentials in `{file}`"),
            Self::Nkey(file) => write!(f, "the nkey in `{file}`"),
        }
    }
}

/// What TLS needs; without any of it TLS is used when the server or a `tls://` address asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    /// The certificates to trust; those of the system when absent.
    pub(crate) ca: Option<KeyFile>,
    /// The client's own certificate and key.
    pub(crate) identity: Option<(KeyFile, KeyFile)>,
    /// Whether TLS begins before the server's greeting, for servers with `handshake_first`.
    pub(crate) first: bool,
}

/// A file with a key or a certificate, and the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFile {
    pub(crate) origin: String,
    pub(crate) path: PathBuf,
}

impl KeyFile {
    pub(super) fn new(origin: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { origin: origin.into(), path: path.into() }
    }

    /// Reads the file, which holds `what`.
    pub(crate) fn read(&self, what: &str) -> Result<Secret> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) => {
                Err(self.error(&format!("the path of {what} that can be read ({error})")))
            }
        }
    }

    /// The error that names this file and its setting.
    pub(crate) fn error(&self, expected: &str) -> Error {
        Error::Config {
            name: self.origin.clone(),
            value: self.to_string(),
            expected: expected.to_owned(),
        }
    }
}

impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_file_names_its_setting_and_path() {
        let error = KeyFile::new("NATS_CREDS", "/nowhere/x.creds").read("a credentials file");
        assert_eq!(
            error.unwrap_err().to_string(),
            "NATS_CREDS is `/nowhere/x.creds`, expected the path of a credentials file that can \
             be read (No such file or directory (os error 2))"
        );
    }

    #[test]
    fn login_is_printed_without_its_secret() {
        let login = Login::User { user: "bob".into(), password: Secret::new("s3cret") };
        assert_eq!(login.to_string(), "user `bob` with this password");
        assert!(!format!("{login:?}").contains("s3cret"));
        assert_eq!(Login::Token(Secret::new("s3cret")).to_string(), "this token");
    }
}
