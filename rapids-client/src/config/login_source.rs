//! Where a login comes from: the program, the variables, or the file of a context.
//!
//! It is read for each attempt to connect, because logins are replaced while services run. The
//! connection reads the files that a login names, at each attempt too.

use std::fmt;

use super::context::Context;
use super::layer::{Layer, Layers};
use super::login::Login;
use super::server_url::ServerUrl;
use crate::error::Result;

/// A login, and the setting that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatedLogin {
    pub(crate) login: Login,
    /// The variable, the file and key, or `set by the program`.
    pub(crate) origin: String,
}

impl StatedLogin {
    pub(super) fn new(login: Login, origin: impl Into<String>) -> Self {
        Self { login, origin: origin.into() }
    }
}

/// Names the login and its setting, as in "the server turns away ...".
impl fmt::Display for StatedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.login {
            Login::None => write!(f, "{}", self.login),
            _ => write!(f, "{} ({})", self.login, self.origin),
        }
    }
}

/// Where to read the login.
#[derive(Clone, Debug)]
pub(super) enum LoginSource {
    /// It stays as it is.
    Stated(StatedLogin),
    /// The variables, which stay as they are, and the file of a context, over which they take
    /// precedence.
    Context { variables: Layer, context: Context, home: Option<String> },
}

impl LoginSource {
    pub(super) fn none() -> Self {
        Self::Stated(StatedLogin::new(Login::None, ""))
    }

    /// The login as it is now. One in `url` takes precedence.
    pub(super) fn read(&self, url: &ServerUrl) -> Result<StatedLogin> {
        let (below, replaced) = match self {
            Self::Stated(login) => (login.clone(), None),
            Self::Context { variables, context, home } => {
                let layers = vec![variables.clone(), context.read()?];
                let layers = Layers { layers, home: home.clone() };
                (layers.login()?, layers.url().filter(|stated| stated.has_origin_of(url)))
            }
        };
        let url = replaced.as_ref().unwrap_or(url);
        let own = url.servers()?.login;
        Ok(own.map_or(below, |login| StatedLogin::new(login, url.origin())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn the_file_of_a_context_is_read_each_time_and_a_setter_goes_before_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("nats/context");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |text: &str| std::fs::write(folder.join("shop.json"), text).unwrap();
        write(r#"{"url":"nats://bob:old@host","token":"below"}"#);
        let lookup = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(home.path().display().to_string()),
            "NATS_CONTEXT" => Some("shop".to_owned()),
            _ => None,
        };
        let config = Config::from_variables(&lookup).unwrap();
        let login = |config: &Config| config.login().unwrap().to_string();
        assert!(login(&config).starts_with("user `bob` with this password ("));
        write(r#"{"url":"nats://ada:new@elsewhere","token":"below"}"#);
        assert!(login(&config).starts_with("user `ada` with this password ("));
        assert!(login(&config).ends_with("shop.json key `url`)"));
        assert!(login(&config.clone().server("other")).starts_with("this token ("));
        write(r#"{"user":"eve","password":"new"}"#);
        assert!(login(&config.clone().server("other")).ends_with("shop.json key `user`)"));
        assert_eq!(
            login(&config.server("other").token("t0k3n")),
            "this token (set by the program)"
        );
    }
}
