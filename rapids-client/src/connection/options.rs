//! Turns a configuration into the options of the NATS client.
//!
//! The files that it names are read here, so that a missing one is an error about that file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::ConnectOptions;

use crate::config::{KeyFile, Login, Tls};
use crate::error::Result;

/// The time for one answer of the server, for connecting as for every request.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// The options for one client. `opened` is set once it has connected: from then on it waits
/// between attempts, and never gives up.
pub(super) fn options(login: &Login, tls: &Tls, opened: Arc<AtomicBool>) -> Result<ConnectOptions> {
    let options = ConnectOptions::new()
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| {
            if opened.load(Ordering::Relaxed) { delay(attempt) } else { Duration::ZERO }
        });
    with_login(with_tls(options, tls)?, login)
}

/// Exponential backoff with full jitter, so that the clients of a server that comes back do not
/// all arrive at once
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
fn delay(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 2_u32.saturating_pow(doublings);
    FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY).mul_f64(fastrand::f64())
}

fn with_tls(mut options: ConnectOptions, tls: &Tls) -> Result<ConnectOptions> {
    if let Some(ca) = &tls.ca {
        readable(ca, "the certificates to trust")?;
        options = options.add_root_certificates(ca.path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &tls.identity {
        readable(certificate, "the client's certificate")?;
        readable(key, "the client's key")?;
        options = options.add_client_certificate(certificate.path.clone(), key.path.clone());
        options = options.require_tls(true);
    }
    Ok(if tls.first { options.tls_first() } else { options })
}

/// The client would report a missing file without its name.
fn readable(file: &KeyFile, what: &str) -> Result<()> {
    file.read(what).map(|_| ())
}

fn with_login(options: ConnectOptions, login: &Login) -> Result<ConnectOptions> {
    match login {
        Login::None => Ok(options),
        Login::User { user, password } => {
            Ok(options.user_and_password(user.clone(), password.expose().to_owned()))
        }
        Login::Token(token) => Ok(options.token(token.expose().to_owned())),
        Login::Credentials(file) => {
            let text = file.read("a credentials file")?;
            options.credentials(text.expose()).map_err(|error| {
                file.error(&format!("a credentials file as `nsc` writes it ({error})"))
            })
        }
        Login::Nkey(file) => {
            let text = file.read("an nkey seed")?;
            let seed = text.expose().lines().map(str::trim).find(|line| line.starts_with("SU"));
            match seed {
                Some(seed) => Ok(options.nkey(seed.to_owned())),
                None => Err(file.error("a file with the seed of a user, a line like `SUA...`")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn open(config: &Config) -> Result<ConnectOptions> {
        options(&config.login, &config.tls, Arc::default())
    }

    #[test]
    fn delay_grows_to_four_seconds_and_is_spread() {
        for (attempt, most) in [(0, 100), (1, 100), (2, 200), (6, 3200), (7, 4000), (999, 4000)] {
            let delays: Vec<Duration> = (0..200).map(|_| delay(attempt)).collect();
            let most = Duration::from_millis(most);
            assert!(delays.iter().all(|delay| *delay <= most));
            assert!(delays.iter().any(|delay| *delay > most / 2), "{attempt}");
            assert!(delays.iter().any(|delay| *delay < most / 2), "{attempt}");
        }
    }

    #[test]
    fn unusable_file_is_an_error_that_names_it_and_not_its_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret").unwrap();
        let path = file.path();
        let shown = path.display().to_string();
        for (config, named) in [
            (Config::new("host").credentials_file("/nowhere"), "/nowhere"),
            (Config::new("host").credentials_file(path), shown.as_str()),
            (Config::new("host").nkey_file("/nowhere"), "/nowhere"),
            (Config::new("host").nkey_file(path), shown.as_str()),
            (Config::new("host").ca_file("/nowhere"), "/nowhere"),
            (Config::new("host").client_certificate(path, "/nowhere"), "/nowhere"),
        ] {
            let error = open(&config).err().unwrap().to_string();
            assert!(error.contains(&format!("is `{named}`, expected")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
