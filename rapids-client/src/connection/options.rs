//! Turns a configuration into the options of the NATS client.
//!
//! The files of TLS are opened here once, so that the error about a missing one names it. The client
//! reads them again at each connect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{AuthError, ConnectOptions, Server};

use super::elsewhere::Elsewhere;
use super::reconnecting::Reconnecting;
use super::signing::sign_in;
use crate::config::{Config, KeyFile, Tls};
use crate::error::Result;

/// How long one answer of the server may take, when connecting and for every request.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The time between two pings. A connection on which three are not answered is taken for lost: one to a server that
/// stands still, or is cut off, while others of its cluster go on.
const PING: Duration = Duration::from_secs(2);

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// The options for one client. `opened` is set once it has connected; from then on it waits between
/// attempts, and chooses which server to try.
pub(super) fn options(
    config: &Config,
    (opened, elsewhere): (Arc<AtomicBool>, Arc<Elsewhere>),
    reconnecting: Arc<Reconnecting>,
) -> Result<ConnectOptions> {
    let (tls, config) = (&config.tls, config.clone());
    sign_in(&config, b"")?;
    let signing = move |nonce: Vec<u8>| {
        let signed = reconnecting.signed(sign_in(&config, &nonce));
        std::future::ready(signed.map_err(AuthError::new))
    };
    let is_open = Arc::clone(&opened);
    let choosing = move |servers: Vec<Server>, _| {
        let is_open = is_open.load(Ordering::Relaxed);
        std::future::ready(is_open.then(|| elsewhere.next(&servers)).flatten())
    };
    let options = ConnectOptions::with_auth_callback(signing)
        .connection_timeout(TIMEOUT)
        .request_timeout(Some(TIMEOUT))
        .ping_interval(PING)
        .reconnect_to_server_callback(choosing)
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| {
            if opened.load(Ordering::Relaxed) { delay(attempt) } else { Duration::ZERO }
        });
    with_tls(options, tls)
}

/// Whether all that is sent has to be encrypted, whatever the server asks for.
pub(super) fn requires_tls(config: &Config) -> Result<bool> {
    let Tls { ca, identity, first } = &config.tls;
    let servers = config.server_url.servers()?.addresses;
    let is_stated = servers.iter().any(|server| server.tls_required());
    Ok(ca.is_some() || identity.is_some() || *first || is_stated)
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

/// Makes sure that a file can be read: the client would report a missing one without its name.
fn readable(file: &KeyFile, what: &str) -> Result<()> {
    file.read(what).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

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
    fn unusable_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for config in [
            Config::new("host").ca_file("/nowhere"),
            Config::new("host").client_certificate(file.path(), "/nowhere"),
        ] {
            let error = with_tls(ConnectOptions::new(), &config.tls).err().unwrap().to_string();
            assert!(error.contains("is `/nowhere`, expected"), "{error}");
        }
    }
}
