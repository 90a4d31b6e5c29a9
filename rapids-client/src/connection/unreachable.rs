//! Why a first connection fails, with the remedy.

use std::error::Error as StdError;
use std::io;

use async_nats::{ConnectError, ConnectErrorKind};

use super::options::TIMEOUT;
use crate::config::{Config, StatedLogin};
use crate::error::{Error, Unreachable};

/// The error for a first connection that failed with this login.
pub(super) fn unreachable(config: &Config, login: &StatedLogin, error: &ConnectError) -> Error {
    let reason = match error.kind() {
        ConnectErrorKind::AuthorizationViolation => format!(
            "the server turns away {login}; check the login (NATS_USER and NATS_PASSWORD, \
             NATS_CREDS, NATS_NKEY, NATS_TOKEN, or the nats context)"
        ),
        ConnectErrorKind::Authentication => format!("{login} cannot sign in; check the key"),
        ConnectErrorKind::TimedOut => {
            format!("no answer within {} s; check the address", TIMEOUT.as_secs())
        }
        ConnectErrorKind::Dns => "the host is not known; check the address".to_owned(),
        _ if is_tls(error) => {
            "TLS fails; check NATS_CA, and NATS_CERT and NATS_KEY if the server asks for a \
             certificate"
                .to_owned()
        }
        _ if is_refused(error) => "nothing listens there; start a server with `nats-server -js`, \
                                   or set NATS_URL to the address of one"
            .to_owned(),
        _ => "the connection breaks; check the address, and that a NATS server listens there"
            .to_owned(),
    };
    let absent = matches!(error.kind(), ConnectErrorKind::TimedOut | ConnectErrorKind::Dns)
        || is_refused(error)
        || is_broken(error);
    let turned_away = matches!(
        error.kind(),
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
    );
    let source = Unreachable { reason: format!("{reason} ({error})"), absent, turned_away };
    Error::Connect { url: config.url(), source: source.into() }
}

/// The error for a connection that cannot be made again, because the server turns the login away.
pub(super) fn turned_away(config: &Config, reason: &str) -> Error {
    let source = Unreachable { reason: reason.to_owned(), absent: false, turned_away: true };
    Error::Connect { url: config.url(), source: source.into() }
}

fn is_refused(error: &ConnectError) -> bool {
    cause(error).is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
}

/// Whether the connection broke while it was made, so that another try may succeed. What answers in
/// another protocol than that of NATS is no server.
fn is_broken(error: &ConnectError) -> bool {
    let no_nats = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    let is_strange = cause(error).is_some_and(|cause| no_nats.contains(&cause.kind()));
    error.kind() == ConnectErrorKind::Io && !is_tls(error) && !is_strange
}

fn is_tls(error: &ConnectError) -> bool {
    let inner = cause(error).and_then(io::Error::get_ref);
    error.kind() == ConnectErrorKind::Tls
        || inner.is_some_and(|inner| inner.is::<async_nats::rustls::Error>())
}

fn cause(error: &ConnectError) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: impl Into<ConnectError>) -> String {
        let config = Config::new("nats://bob:s3cret@host:4222");
        let login = config.login().unwrap();
        let error = unreachable(&config, &login, &error.into());
        assert_eq!(error.to_string(), "cannot connect to `nats://***@host:4222`");
        assert_eq!(error.is_refusal(), error.source().unwrap().to_string().contains("turns away"));
        error.source().unwrap().to_string()
    }

    #[test]
    fn refused_connection_says_how_to_start_a_server() {
        let reason = reason(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(reason.starts_with("nothing listens there; start a server with `nats-server -js`"));
    }

    #[test]
    fn server_that_goes_away_meanwhile_is_absent_and_one_that_speaks_otherwise_is_not() {
        let is_absent = |kind: io::ErrorKind| {
            let error = io::Error::from(kind).into();
            let config = Config::new("host");
            unreachable(&config, &config.login().unwrap(), &error).is_absent()
        };
        assert!(is_absent(io::ErrorKind::ConnectionReset));
        assert!(is_absent(io::ErrorKind::BrokenPipe));
        assert!(!is_absent(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn login_turned_away_names_the_user_and_not_the_password() {
        let reason = reason(ConnectErrorKind::AuthorizationViolation);
        assert!(reason.starts_with("the server turns away user `bob`"), "{reason}");
        assert!(!reason.contains("s3cret"), "{reason}");
    }

    #[test]
    fn certificate_that_is_not_trusted_names_the_variable() {
        let tls = async_nats::rustls::Error::NoCertificatesPresented;
        assert!(reason(io::Error::other(tls)).starts_with("TLS fails; check NATS_CA"));
    }
}
