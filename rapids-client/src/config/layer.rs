//! One source of connection settings, and how several sources make up one configuration.
//!
//! The environment is a layer, a `nats` context is another; the first one that has a setting
//! wins. What each key means on disk or in the environment is left to those that fill a layer.

use std::fmt;
use std::path::PathBuf;

use super::login::{KeyFile, Login, Tls};
use super::login_source::StatedLogin;
use super::secret::{MASK, Secret};
use super::server_url::ServerUrl;
use super::variable::Variables;
use crate::error::{Error, Result};

/// The keys of a layer, named as in a `nats` context.
pub(super) const KEYS: [&str; 11] = [
    "url",
    "user",
    "password",
    "token",
    "creds",
    "nkey",
    "cert",
    "key",
    "ca",
    "inbox_prefix",
    "jetstream_domain",
];

/// A value, and the variable or file and key that it comes from.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) origin: String,
    pub(super) value: String,
}

/// The settings of one source. None of them is printed, because some are secrets.
#[derive(Clone, Default)]
pub(super) struct Layer {
    pub(super) settings: Vec<Setting>,
    pub(super) tls_first: bool,
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

impl Layer {
    /// The layer of the `NATS_*` variables.
    pub(super) fn from_variables(variables: &Variables<'_>) -> Self {
        let settings = KEYS.iter().filter_map(|key| {
            let origin = format!("NATS_{}", key.to_uppercase());
            let value = variables.text(&origin)?;
            Some(Setting { key, origin, value })
        });
        let mut layer = Self { settings: settings.collect(), tls_first: false };
        // As in the nats CLI, NATS_USER without NATS_PASSWORD is a token.
        if layer.get("password").is_none()
            && let Some(user) = layer.settings.iter_mut().find(|setting| setting.key == "user")
        {
            user.key = "token";
        }
        layer
    }

    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

/// Layers in the order of their precedence, and the folder that `~` stands for.
pub(super) struct Layers {
    pub(super) layers: Vec<Layer>,
    pub(super) home: Option<String>,
}

impl Layers {
    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.layers.iter().find_map(|layer| layer.get(key))
    }

    /// The servers, if a layer names some.
    pub(super) fn url(&self) -> Option<ServerUrl> {
        self.get("url").map(|url| ServerUrl::new(&url.origin, &url.value))
    }

    /// The login of the first layer that has one. Within a layer a user takes precedence over a
    /// credentials file, that over an nkey, and that over a token, as in the nats CLI.
    pub(super) fn login(&self) -> Result<StatedLogin> {
        for layer in &self.layers {
            let keys = ["user", "creds", "nkey", "token"];
            let Some(setting) = keys.iter().find_map(|key| layer.get(key)) else {
                continue;
            };
            let login = match setting.key {
                "user" => {
                    let password = self.get("password").map_or("", |setting| &setting.value);
                    let user = setting.value.clone();
                    Login::User { user, password: Secret::new(password) }
                }
                "creds" => Login::Credentials(self.file(setting)?),
                "nkey" => Login::Nkey(self.file(setting)?),
                _ => Login::Token(Secret::new(&setting.value)),
            };
            return Ok(StatedLogin::new(login, &setting.origin));
        }
        match self.get("password") {
            None => Ok(StatedLogin::new(Login::None, "")),
            Some(password) => Err(Error::Config {
                name: password.origin.clone(),
                value: MASK.to_owned(),
                expected: "a user beside it, such as `NATS_USER=payment`".to_owned(),
            }),
        }
    }

    pub(super) fn tls(&self) -> Result<Tls> {
        let ca = self.get("ca").map(|ca| self.file(ca)).transpose()?;
        let identity = match (self.get("cert"), self.get("key")) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((self.file(cert)?, self.file(key)?)),
            (Some(one), None) => return Err(alone(one, "NATS_KEY")),
            (None, Some(one)) => return Err(alone(one, "NATS_CERT")),
        };
        let first = self.layers.iter().any(|layer| layer.tls_first);
        Ok(Tls { ca, identity, first })
    }

    fn file(&self, setting: &Setting) -> Result<KeyFile> {
        let path = match (setting.value.strip_prefix('~'), &self.home) {
            (None, _) => PathBuf::from(&setting.value),
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                PathBuf::from(format!("{home}{rest}"))
            }
            _ => {
                return Err(Error::Config {
                    name: setting.origin.clone(),
                    value: setting.value.clone(),
                    expected: "a path, or `~/` with HOME set, such as `/etc/nats/user.creds`"
                        .to_owned(),
                });
            }
        };
        Ok(KeyFile::new(&setting.origin, path))
    }
}

fn alone(setting: &Setting, other: &str) -> Error {
    Error::Config {
        name: setting.origin.clone(),
        value: setting.value.clone(),
        expected: format!("the other half beside it, such as `{other}=/etc/nats/client.pem`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(variables: &[(&str, &str)]) -> Layers {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let layer = Layer::from_variables(&Variables::new(&lookup));
        Layers { layers: vec![layer], home: Some("/home/bob".to_owned()) }
    }

    #[test]
    fn user_without_password_is_a_token() {
        let login = layers(&[("NATS_USER", "t0k3n")]).login().unwrap().login;
        assert_eq!(login, Login::Token(Secret::new("t0k3n")));
    }

    #[test]
    fn password_without_user_is_an_error_that_hides_it() {
        let error = layers(&[("NATS_PASSWORD", "s3cret")]).login().unwrap_err().to_string();
        assert_eq!(
            error,
            "NATS_PASSWORD is `***`, expected a user beside it, such as `NATS_USER=payment`"
        );
    }

    #[test]
    fn user_goes_before_credentials_nkey_and_token() {
        let all = [
            ("NATS_USER", "bob"),
            ("NATS_PASSWORD", "s3cret"),
            ("NATS_CREDS", "~/bob.creds"),
            ("NATS_NKEY", "/bob.nk"),
            ("NATS_TOKEN", "t0k3n"),
        ];
        let login = |from: usize| layers(&all[from..]).login().unwrap().login;
        assert_eq!(login(0), Login::User { user: "bob".into(), password: Secret::new("s3cret") });
        assert_eq!(login(2), Login::Credentials(KeyFile::new("NATS_CREDS", "/home/bob/bob.creds")));
        assert_eq!(login(3), Login::Nkey(KeyFile::new("NATS_NKEY", "/bob.nk")));
        assert_eq!(login(4), Login::Token(Secret::new("t0k3n")));
    }

    #[test]
    fn certificate_and_key_come_together() {
        let pair = layers(&[("NATS_CERT", "/c.pem"), ("NATS_KEY", "/k.pem")]).tls().unwrap();
        assert!(pair.identity.is_some());
        let error = layers(&[("NATS_CERT", "/c.pem")]).tls().unwrap_err().to_string();
        assert!(error.starts_with("NATS_CERT is `/c.pem`, expected"), "{error}");
        assert!(error.contains("NATS_KEY"), "{error}");
    }

    #[test]
    fn password_of_an_upper_layer_completes_the_user_of_a_lower_one() {
        let mut both = layers(&[("NATS_PASSWORD", "s3cret")]);
        let value = "bob".to_owned();
        let user = Setting { key: "user", origin: "file".to_owned(), value };
        both.layers.push(Layer { settings: vec![user], tls_first: false });
        let expected = Login::User { user: "bob".into(), password: Secret::new("s3cret") };
        assert_eq!(both.login().unwrap().login, expected);
    }
}
