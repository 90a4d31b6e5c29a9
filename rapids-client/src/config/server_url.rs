//! The address of the servers: a URL or a comma-separated list of them.
//!
//! A URL may carry a login (`nats://user:password@host`). It is taken out here, so that it is neither
//! passed on with the address nor printed. Connecting is left to the connection.

use std::fmt;

use async_nats::ServerAddr;

use super::login::Login;
use super::secret::{MASK, Secret};
use crate::error::{Error, Result};

/// One or several server addresses as they were given, and the setting that gives them.
#[derive(Clone)]
pub(crate) struct ServerUrl {
    origin: String,
    text: Secret,
}

/// The parts of a [`ServerUrl`].
#[derive(Debug)]
pub(crate) struct Servers {
    /// Without the login.
    pub(crate) addresses: Vec<ServerAddr>,
    /// The login that the URL carries.
    pub(crate) login: Option<Login>,
}

impl ServerUrl {
    pub(super) fn new(origin: impl Into<String>, text: impl Into<String>) -> Self {
        Self { origin: origin.into(), text: Secret::new(text) }
    }

    /// Takes the URL apart.
    pub(crate) fn servers(&self) -> Result<Servers> {
        let mut addresses = Vec::new();
        let mut login: Option<Login> = None;
        for part in self.parts() {
            let (address, carried) = split(part).ok_or_else(|| self.error("an address"))?;
            if login.is_some() && carried.is_some() && login != carried {
                return Err(self.error("one login for all servers,"));
            }
            login = login.or(carried);
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(self.error("an address"));
        }
        Ok(Servers { addresses, login })
    }

    /// The setting that names them.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether both come from the same setting.
    pub(super) fn has_origin_of(&self, other: &Self) -> bool {
        self.origin == other.origin
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.expose().split(',').map(str::trim).filter(|part| !part.is_empty())
    }

    fn error(&self, what: &str) -> Error {
        Error::Config {
            name: self.origin.clone(),
            value: self.to_string(),
            expected: format!(
                "{what} such as `nats://127.0.0.1:4222`, `tls://host:4222`, `host:4222` \
                 or a list `host1:4222,host2:4222`"
            ),
        }
    }
}

/// The address without its login, and the login.
fn split(part: &str) -> Option<(ServerAddr, Option<Login>)> {
    let mut url = part.parse::<ServerAddr>().ok()?.into_inner();
    let plain = matches!(url.path(), "" | "/") && url.query().is_none();
    // A path or fragment is most often the rest of a password without percent-encoding.
    if !plain || url.fragment().is_some() || !matches!(url.scheme(), "nats" | "tls") {
        return None;
    }
    url.host_str().filter(|host| !host.is_empty())?;
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        // As in all NATS clients, a name without a password is a token.
        (token, None) => Some(Login::Token(Secret::new(decode(token)?))),
        (user, Some(password)) => {
            Some(Login::User { user: decode(user)?, password: Secret::new(decode(password)?) })
        }
    };
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some((ServerAddr::from_url(url).ok()?, login))
}

/// Undoes percent-encoding, which a URL needs for `@`, `:`, `/`, `#`, `?` and `,` in a password.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The addresses, with `***` where they carry a login.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts().next().is_none() {
            return f.write_str(self.text.expose());
        }
        for (position, part) in self.parts().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            match split(part) {
                None if self.text.expose().contains('@') => f.write_str(MASK)?,
                None => f.write_str(part)?,
                Some((address, login)) => {
                    let url = address.as_url_str();
                    let (scheme, host) = url.split_once("://").unwrap_or(("nats", url));
                    let login = login.map_or(String::new(), |_| format!("{MASK}@"));
                    write!(f, "{scheme}://{login}{host}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        ServerUrl::new("NATS_URL", text)
    }

    #[test]
    fn address_may_be_bare_or_a_list() {
        for (text, expected) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("localhost", "nats://localhost"),
            ("10.0.0.1:4333", "nats://10.0.0.1:4333"),
            ("tls://[::1]:4222", "tls://[::1]:4222"),
            ("a:1, nats://b:2,", "nats://a:1,nats://b:2"),
        ] {
            assert_eq!(url(text).to_string(), expected);
            assert!(url(text).servers().is_ok(), "{text}");
        }
        assert_eq!(url("a:1,b:2").servers().unwrap().addresses.len(), 2);
        assert_eq!(url("localhost").servers().unwrap().addresses[0].port(), 4222);
    }

    #[test]
    fn login_is_taken_out_of_the_url() {
        let servers = url("nats://bob:p%40ss@host:4222").servers().unwrap();
        assert_eq!(servers.addresses[0].as_url_str(), "nats://host:4222");
        let expected = Login::User { user: "bob".into(), password: Secret::new("p@ss") };
        assert_eq!(servers.login, Some(expected));
        let servers = url("nats://s3cret@host").servers().unwrap();
        assert_eq!(servers.login, Some(Login::Token(Secret::new("s3cret"))));
    }

    #[test]
    fn login_is_masked_wherever_the_url_is_shown() {
        for text in ["nats://bob:s3cret@host:4222", "bob:s3cret@host,other:1", "s3cret@host"] {
            for shown in [url(text).to_string(), format!("{:?}", url(text))] {
                assert!(!shown.contains("s3cret") && !shown.contains("bob"), "{shown}");
                assert!(shown.contains("***@host"), "{shown}");
            }
        }
    }

    #[test]
    fn an_address_of_nothing_is_shown_as_it_is() {
        for text in [",", " , ", ""] {
            let error = url(text).servers().unwrap_err().to_string();
            assert!(error.starts_with(&format!("NATS_URL is `{text}`, expected")), "{error}");
        }
    }

    #[test]
    fn wrong_address_is_refused_without_showing_its_password() {
        for text in [
            "http://host:80",
            "ws://host:80",
            "nats://host:port",
            "nats://host/path",
            "nats://bob:s3c#ret@host",
            "nats://bob:s3c,ret@host",
            "nats://bob:s3c%zz@host",
            "nats://a:s3c@host,nats://b:s3c@host",
            ",",
        ] {
            let error = url(text).servers().unwrap_err().to_string();
            assert!(error.starts_with("NATS_URL is `"), "{error}");
            assert!(!error.contains("s3c"), "{error}");
            assert!(error.contains("nats://127.0.0.1:4222"), "{error}");
        }
    }
}
