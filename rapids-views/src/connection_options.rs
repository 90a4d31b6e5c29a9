//! The options for the server's address and the login. Each overrides its environment variable.

use clap::Args;
use rapids_client::{Config, Error, Result};

/// The variables of a login. If an option has a login, these variables are ignored, except
/// NATS_PASSWORD for a `--user` without `--password`.
const LOGIN: [&str; 5] = ["NATS_USER", "NATS_PASSWORD", "NATS_CREDS", "NATS_NKEY", "NATS_TOKEN"];

/// The options, named as in the nats CLI.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionOptions {
    /// Server address, or several separated by commas; overrides NATS_URL
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,

    /// Context of the nats CLI, whatever the NATS_* variables say
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,

    /// User, with a password from --password or NATS_PASSWORD; a token if there is no password
    #[arg(long, global = true, value_name = "USER", hide_short_help = true)]
    user: Option<String>,

    /// Password; prefer NATS_PASSWORD, because others on this machine can read arguments
    #[arg(long, global = true, value_name = "PASSWORD", hide_short_help = true)]
    password: Option<String>,

    /// Token; prefer NATS_TOKEN, because others on this machine can read arguments
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    token: Option<String>,

    /// Credentials file; overrides NATS_CREDS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    creds: Option<String>,

    /// File with an nkey seed; overrides NATS_NKEY
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    nkey: Option<String>,

    /// Client certificate for TLS; overrides NATS_CERT
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    tlscert: Option<String>,

    /// Client key for TLS; overrides NATS_KEY
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    tlskey: Option<String>,

    /// Certificates to trust for TLS; overrides NATS_CA
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    tlsca: Option<String>,

    /// JetStream domain, if the server is a leaf node of it
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    js_domain: Option<String>,

    /// Subject prefix of answers, if not _INBOX
    #[arg(long, global = true, value_name = "PREFIX", hide_short_help = true)]
    inbox_prefix: Option<String>,
}

impl ConnectionOptions {
    /// Reads the settings from the options, the environment and the contexts.
    ///
    /// # Errors
    /// [`Error::Config`] names the option, the variable, or the file and key.
    pub fn config(&self) -> Result<Config> {
        self.over(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn over(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
        let read = Config::from_variables(&|name| self.variable(name, environment));
        let mut config = read.map_err(|error| self.named(error))?;
        if let Some(domain) = &self.js_domain {
            config = config.jetstream_domain(domain);
        }
        if let Some(prefix) = &self.inbox_prefix {
            config = config.inbox_prefix(prefix);
        }
        Ok(config)
    }

    /// Each option with its variable.
    fn options(&self) -> [(&'static str, &'static str, Option<&String>); 10] {
        [
            ("NATS_URL", "--server", self.server.as_ref()),
            ("NATS_CONTEXT", "--context", self.context.as_ref()),
            ("NATS_USER", "--user", self.user.as_ref()),
            ("NATS_PASSWORD", "--password", self.password.as_ref()),
            ("NATS_TOKEN", "--token", self.token.as_ref()),
            ("NATS_CREDS", "--creds", self.creds.as_ref()),
            ("NATS_NKEY", "--nkey", self.nkey.as_ref()),
            ("NATS_CERT", "--tlscert", self.tlscert.as_ref()),
            ("NATS_KEY", "--tlskey", self.tlskey.as_ref()),
            ("NATS_CA", "--tlsca", self.tlsca.as_ref()),
        ]
    }

    /// The value of a variable, with the options taken into account.
    fn variable(&self, name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let given = |name: &str| {
            self.options().into_iter().find(|option| option.0 == name).and_then(|option| option.2)
        };
        if let Some(value) = given(name) {
            return Some(value.clone());
        }
        let has_login = LOGIN.iter().any(|name| given(name).is_some());
        let completes = name == "NATS_PASSWORD" && self.user.is_some();
        // With a login or a context as an option, the variables are meant for another one.
        let is_hidden = (has_login && LOGIN.contains(&name) && !completes)
            || (self.context.is_some() && name.starts_with("NATS_"));
        environment(name).filter(|_| !is_hidden)
    }

    /// The error with the name of the option instead of the variable, if the option was given.
    fn named(&self, error: Error) -> Error {
        let Error::Config { name, value, expected } = error else {
            return error;
        };
        let option = self.options().into_iter().find(|option| option.0 == name);
        match option {
            Some((_, option, Some(_))) => {
                Error::Config { name: format!("`{option}`"), value, expected }
            }
            _ => Error::Config { name, value, expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// The environment of somebody who has set an address and a login.
    fn environment(name: &str) -> Option<String> {
        match name {
            "NATS_URL" => some("elsewhere:1"),
            "NATS_USER" => some("bob"),
            "NATS_PASSWORD" => some("s3cret"),
            _ => None,
        }
    }

    fn seen(options: &ConnectionOptions, name: &str) -> Option<String> {
        options.variable(name, &environment)
    }

    #[test]
    fn an_option_overrides_its_variable_and_no_other() {
        let options = ConnectionOptions { server: some("here:2"), ..Default::default() };
        assert_eq!(seen(&options, "NATS_URL"), some("here:2"));
        assert_eq!(seen(&options, "NATS_USER"), some("bob"));
        assert_eq!(options.over(&environment).unwrap().url(), "nats://here:2");
    }

    #[test]
    fn a_login_replaces_that_of_the_environment() {
        let options = ConnectionOptions { creds: some("/a.creds"), ..Default::default() };
        assert_eq!(seen(&options, "NATS_CREDS"), some("/a.creds"));
        assert_eq!(seen(&options, "NATS_USER"), None);
        assert_eq!(seen(&options, "NATS_PASSWORD"), None);
        let options = ConnectionOptions { user: some("ada"), ..Default::default() };
        assert_eq!(seen(&options, "NATS_USER"), some("ada"));
        assert_eq!(seen(&options, "NATS_PASSWORD"), some("s3cret"));
    }

    #[test]
    fn a_context_hides_the_variables_of_the_connection() {
        let options = ConnectionOptions { context: some("shop"), ..Default::default() };
        assert_eq!(seen(&options, "NATS_CONTEXT"), some("shop"));
        assert_eq!(seen(&options, "NATS_URL"), None);
        assert_eq!(seen(&options, "NATS_USER"), None);
    }

    #[test]
    fn an_error_names_the_option_or_variable_with_the_wrong_value() {
        let wrong = ConnectionOptions { server: some("nats://a b"), ..Default::default() };
        let error = wrong.over(&environment).unwrap_err().to_string();
        assert!(error.starts_with("`--server` is `nats://a b`, expected "), "{error}");
        let error = ConnectionOptions::default().over(&|name| match name {
            "NATS_URL" => some("nats://a b"),
            _ => None,
        });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("NATS_URL is "), "{error}");
    }
}
