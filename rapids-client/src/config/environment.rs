//! Reads a configuration from the environment and from the contexts of the `nats` CLI.
//!
//! Decides about their precedence; reading each is left to `layer`, `context` and `variable`.

use super::id_keys::{ID_KEY, IdKeys};
use super::inbox::Inbox;
use super::layer::{Layer, Layers};
use super::login_source::LoginSource;
use super::read_from::{READ_FROM, read_from};
use super::secret::Secret;
use super::variable::{Variables, parse_duration};
use super::{
    ACK_WAIT, Config, DEFAULT_URL, Delivery, GRACE, MAX_HELD, Provision, READ_LIMIT, context,
};
use crate::error::Result;

impl Config {
    /// Takes everything from the variables that `lookup` knows, as [`from_env`](Self::from_env)
    /// does from the environment. For programs whose options take precedence over it.
    ///
    /// ```
    /// use rapids_client::Config;
    ///
    /// let option = Some("nats://server:4222".to_owned());
    /// let config = Config::from_variables(&|name| match name {
    ///     "NATS_URL" => option.clone(),
    ///     name => std::env::var(name).ok(),
    /// })?;
    /// assert_eq!(config.url(), "nats://server:4222");
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn from_variables(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables::new(lookup);
        let mut config = Self::new(DEFAULT_URL);
        config.read_connection(&variables)?;
        config.read_rapids(&variables)?;
        Ok(config)
    }

    fn read_connection(&mut self, variables: &Variables<'_>) -> Result<()> {
        let environment = Layer::from_variables(variables);
        let context = match variables.text("NATS_CONTEXT") {
            Some(name) => Some(context::named("NATS_CONTEXT", &name, variables)?),
            // A program that is told where to connect must not pick up a login meant for
            // another server.
            None if environment.is_empty() => context::selected(variables)?,
            None => None,
        };
        let home = variables.text("HOME");
        let mut layers = Layers { layers: vec![environment.clone()], home: home.clone() };
        if let Some(context) = &context {
            layers.layers.push(context.read()?);
        }
        if let Some(url) = layers.url() {
            self.server_url = url;
        }
        self.login = match context {
            Some(context) => LoginSource::Context { variables: environment, context, home },
            None => LoginSource::Stated(layers.login()?),
        };
        self.login()?;
        self.tls = layers.tls()?;
        self.inbox = layers.get("inbox_prefix").map(|it| Inbox::new(&it.origin, &it.value));
        self.inbox()?;
        self.jetstream_domain = layers.get("jetstream_domain").map(|setting| setting.value.clone());
        Ok(())
    }

    fn read_rapids(&mut self, variables: &Variables<'_>) -> Result<()> {
        self.provision = Provision::from_variables(variables)?;
        self.ack_wait = variables.parse(
            "RAPIDS_ACK_WAIT",
            "a duration from 1s to 10m, such as `10s`",
            |text| parse_duration(text).filter(|wait| ACK_WAIT.contains(wait)),
        )?;
        let grace =
            variables.parse("RAPIDS_GRACE", "a duration from 0s to 1h, such as `10s`", |text| {
                parse_duration(text).filter(|grace| GRACE.contains(grace))
            })?;
        let read_limit = variables.parse(
            "RAPIDS_READ_LIMIT",
            "a whole number from 1 to 1000, such as `9`",
            |text| text.parse().ok().filter(|limit| READ_LIMIT.contains(limit)),
        )?;
        let max_held = variables.parse(
            "RAPIDS_MAX_HELD",
            "a whole number from 1 to 40000, such as `10000`",
            |text| text.parse().ok().filter(|held| MAX_HELD.contains(held)),
        )?;
        let delivery =
            variables.parse("RAPIDS_DELIVERY", "`shared` or `exclusive`", |text| match text {
                "shared" => Some(Delivery::Shared),
                "exclusive" => Some(Delivery::Exclusive),
                _ => None,
            })?;
        if let Some(name) = variables.text(READ_FROM) {
            self.read_from = read_from(READ_FROM, &name)?;
        }
        let show_values = variables.flag("RAPIDS_SHOW_VALUES")?;
        if let Some(stated) = variables.text(ID_KEY).map(Secret::new) {
            self.id_keys = IdKeys::read(ID_KEY, &stated, variables.text("HOME").as_deref())?;
        }
        self.http = variables.parse(
            "RAPIDS_HTTP",
            "an IP address and a port, such as `127.0.0.1:9465`",
            |text| text.parse().ok(),
        )?;
        self.show_values = show_values.unwrap_or(self.show_values);
        self.delivery = delivery.unwrap_or(self.delivery);
        self.grace = grace.unwrap_or(self.grace);
        self.read_limit = read_limit.unwrap_or(self.read_limit);
        self.max_held = max_held.unwrap_or(self.max_held);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Login;
    use super::*;
    use std::time::Duration;

    fn config(variables: &[(&str, &str)]) -> Result<Config> {
        Config::from_variables(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn empty_environment_gives_the_documented_defaults() {
        let config = config(&[("NATS_URL", ""), ("RAPIDS_GRACE", "")]).unwrap();
        assert_eq!(config.url(), "nats://127.0.0.1:4222");
        assert_eq!(config.login().unwrap().login, Login::None);
        assert_eq!(config.ack_wait, None);
        assert_eq!(config.grace, Duration::from_secs(10));
        assert_eq!(config.read_limit, 9);
    }

    #[test]
    fn variables_of_the_rapids_are_read() {
        let config = config(&[
            ("RAPIDS_ACK_WAIT", "1m"),
            ("RAPIDS_GRACE", "0s"),
            ("RAPIDS_READ_LIMIT", "1000"),
            ("RAPIDS_MAX_HELD", "40000"),
            ("RAPIDS_DELIVERY", "exclusive"),
            ("RAPIDS_SHOW_VALUES", "0"),
            ("RAPIDS_HTTP", "[::1]:0"),
        ])
        .unwrap();
        assert_eq!(config.http.unwrap().to_string(), "[::1]:0");
        assert_eq!(config.ack_wait, Some(Duration::from_secs(60)));
        assert_eq!(config.grace, Duration::ZERO);
        assert_eq!(config.read_limit, 1000);
        assert_eq!(config.max_held, 40_000);
        assert!(!config.show_values);
        assert_eq!(config.delivery, Delivery::Exclusive);
    }

    #[test]
    fn value_out_of_range_is_refused_with_the_range() {
        for (name, value) in [
            ("RAPIDS_ACK_WAIT", "0"),
            ("RAPIDS_ACK_WAIT", "11m"),
            ("RAPIDS_GRACE", "2h"),
            ("RAPIDS_READ_LIMIT", "0"),
            ("RAPIDS_READ_LIMIT", "1001"),
            ("RAPIDS_READ_LIMIT", "nine"),
            ("RAPIDS_MAX_HELD", "0"),
        ] {
            let error = config(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is `{value}`, expected a")), "{error}");
            assert!(error.contains("such as `"), "{error}");
        }
    }

    #[test]
    fn context_gives_what_the_environment_leaves_open() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("nats/context");
        std::fs::create_dir_all(&folder).unwrap();
        let text = r#"{"url":"shop:1","user":"bob","password":"pw","jetstream_domain":"hub"}"#;
        std::fs::write(folder.join("shop.json"), text).unwrap();
        std::fs::write(home.path().join("nats/context.txt"), "shop").unwrap();
        let home = home.path().to_str().unwrap();

        let selected = config(&[("XDG_CONFIG_HOME", home)]).unwrap();
        assert_eq!(selected.url(), "nats://shop:1");
        assert_eq!(selected.jetstream_domain.as_deref(), Some("hub"));

        let told = config(&[("XDG_CONFIG_HOME", home), ("NATS_URL", "other:2")]).unwrap();
        assert_eq!(told.url(), "nats://other:2");
        assert_eq!(told.login().unwrap().login, Login::None);

        let named =
            config(&[("XDG_CONFIG_HOME", home), ("NATS_CONTEXT", "shop"), ("NATS_TOKEN", "t0k3n")])
                .unwrap();
        assert_eq!(named.url(), "nats://shop:1");
        assert_eq!(named.login().unwrap().login, Login::Token(Secret::new("t0k3n")));
    }

    #[test]
    fn prefix_of_the_inbox_is_a_variable_and_must_be_a_subject() {
        let prefix = |prefix: &str| config(&[("NATS_INBOX_PREFIX", prefix)]);
        assert_eq!(prefix("_INBOX_shop.a").unwrap().inbox().unwrap(), "_INBOX_shop.a");
        for wrong in ["a b", "a.", ".a", "a..b", "a.*", "a.>", "a\n"] {
            let error = prefix(wrong).unwrap_err().to_string();
            assert!(error.starts_with("NATS_INBOX_PREFIX is `"), "{error}");
            assert!(error.contains("such as `_INBOX_payment`"), "{error}");
        }
    }

    #[test]
    fn context_that_is_not_there_is_told_by_the_variable_that_names_it() {
        let error = config(&[("HOME", "/nowhere"), ("NATS_CONTEXT", "nosuch")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "NATS_CONTEXT is `nosuch`, expected the name of a context, as listed by `nats context \
             ls` (/nowhere/.config/nats/context/nosuch.json: No such file or directory (os error 2))"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = config(&[
            ("NATS_URL", "nats://bob:s3cret@host"),
            ("NATS_USER", "bob"),
            ("NATS_PASSWORD", "s3cret"),
            ("RAPIDS_ID_KEY", &"5e".repeat(32)),
        ])
        .unwrap();
        assert!(config.id_keys.newest().is_some());
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("5e5e"), "{shown}");
    }
}
