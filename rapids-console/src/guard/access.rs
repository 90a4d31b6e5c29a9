//! Decides for each request who comes and whether they may act, and sends who may not look to the login.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::attempts::Attempts;
use super::connections::Peer;
use super::cookies::cookie;
use super::sessions::Sessions;
use super::tokens::Tokens;
use super::users::Users;
use super::{Visitor, host};
use crate::fault::Fault;
use crate::frame::{Base, encoded};
use crate::options::Options;

/// The name of the cookie.
pub(crate) const COOKIE_NAME: &str = "rapids_session";

/// Who may look.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) base: Base,
    /// `None` where the console logs nobody in itself.
    pub(crate) users: Option<Users>,
    pub(crate) sessions: Sessions,
    pub(crate) attempts: Attempts,
    /// The address of a proxy that has logged users in, and the header in which it names them.
    proxy: Option<(IpAddr, HeaderName)>,
    operators: Operators,
    tokens: Tokens,
}

/// Who may act.
#[derive(Debug)]
enum Operators {
    Nobody,
    /// Where nobody logs in.
    Everybody,
    These(HashSet<String>),
}

impl Access {
    /// # Errors
    /// If anybody on the network could look, or the file of users cannot be read.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let proxy = options.proxy.zip(options.user_header.clone());
        if !options.listen.ip().is_loopback() && options.users.is_none() && proxy.is_none() {
            bail!(
                "to listen at {} would show every packet to whoever can reach it: say who may look with \
                 `--users FILE`, or name the proxy that logs users in with `--proxy IP --user-header \
                 HEADER`; `--listen 127.0.0.1:{}` needs neither",
                options.listen,
                options.listen.port()
            );
        }
        let operators = match &options.operators[..] {
            _ if options.read_only => Operators::Nobody,
            [] if options.users.is_none() && proxy.is_none() => Operators::Everybody,
            names => Operators::These(names.iter().cloned().collect()),
        };
        Ok(Self {
            operators,
            tokens: Tokens::new().context("there are no random bits")?,
            base: options.prefix.clone(),
            users: options.users.as_deref().map(Users::read).transpose()?,
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            proxy,
        })
    }

    fn needs_login(&self) -> bool {
        self.users.is_some() || self.proxy.is_some()
    }

    /// Who comes; `None` for who may not look.
    fn visitor(&self, Peer(peer): Peer, headers: &HeaderMap) -> Option<Visitor> {
        let come = |name: Option<String>, secret: &str, can_log_out| {
            let may_act = match (&self.operators, &name) {
                (Operators::Everybody, _) => true,
                (Operators::These(names), Some(name)) => names.contains(name),
                (Operators::Nobody | Operators::These(_), _) => false,
            };
            let token = may_act.then(|| self.tokens.of(secret));
            Some(Visitor { address: peer, token, name, can_log_out })
        };
        if !self.needs_login() {
            return come(None, "", false);
        }
        let by_proxy = self.proxy.as_ref().filter(|(address, _)| *address == peer);
        // Two of them were not both set by the proxy.
        let named = by_proxy.and_then(|(_, header)| {
            let mut values = headers.get_all(header).iter();
            values.next().filter(|_| values.next().is_none())
        });
        let named = named.and_then(|name| name.to_str().ok()).filter(|name| !name.is_empty());
        if let Some(name) = named {
            return come(Some(name.to_owned()), &format!("user {name}"), false);
        }
        let secret = session(headers)?;
        let name = self.sessions.user(&secret)?;
        come(Some(name), &format!("session {secret}"), true)
    }
}

/// The session that a cookie names.
pub(crate) fn session(headers: &HeaderMap) -> Option<String> {
    cookie(headers, COOKIE_NAME).map(str::to_owned)
}

/// Lets in who may look.
pub(crate) async fn admit(
    State(access): State<Arc<Access>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if !access.needs_login() && !host::is_of_this_machine(request.headers(), request.uri()) {
        return host::refusal().into_response();
    }
    let path = request.uri().path().to_owned();
    match access.visitor(peer, request.headers()) {
        Some(visitor) => {
            request.extensions_mut().insert(visitor);
        }
        None if path == "/login" || path.starts_with("/assets/") => {}
        None => return refusal(&access, &request),
    }
    next.run(request).await
}

/// Sends a browser to the login, and tells everything else.
fn refusal(access: &Access, request: &Request) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_page = request.method() == Method::GET
        && accept.is_some_and(|accept| accept.starts_with("text/html"))
        && !request.headers().contains_key("hx-request");
    if !is_page || access.users.is_none() {
        return Fault::new(StatusCode::UNAUTHORIZED, "nobody has logged in").into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let base = access.base.path();
    Redirect::to(&format!("{base}/login?next={}", encoded(wanted))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn access(arguments: &[&str]) -> Result<Access> {
        let arguments = ["console"].iter().chain(arguments);
        Access::new(&Arguments::parse_from(arguments).options)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn without_a_login_it_listens_on_loopback_only() {
        assert!(access(&[]).is_ok());
        assert!(access(&["--listen", "[::1]:8080"]).is_ok());
        let error = access(&["--listen", "0.0.0.0:8080"]).unwrap_err().to_string();
        assert!(error.contains("--users FILE"), "{error}");
        let proxy = ["--proxy", "10.0.0.1", "--user-header", "x-user"];
        assert!(access(&[&["--listen", "0.0.0.0:8080"][..], &proxy].concat()).is_ok());
    }

    #[test]
    fn a_header_counts_from_the_proxy_only() {
        let access = access(&["--proxy", "10.0.0.1", "--user-header", "x-user"]).unwrap();
        let of = |peer: &str, pairs: &[(&'static str, &'static str)]| {
            let peer = Peer(peer.parse().unwrap());
            access.visitor(peer, &headers(pairs)).and_then(|visitor| visitor.name)
        };
        assert_eq!(of("10.0.0.1", &[("x-user", "ada")]).as_deref(), Some("ada"));
        assert_eq!(of("10.0.0.2", &[("x-user", "ada")]), None);
        assert_eq!(of("10.0.0.1", &[]), None);
        let mut two = headers(&[("x-user", "ada")]);
        two.append("x-user", "root".parse().unwrap());
        let peer = Peer("10.0.0.1".parse().unwrap());
        assert!(access.visitor(peer, &two).is_none());
    }

    #[test]
    fn who_may_act_is_named_where_there_is_a_login() {
        let proxy = ["--proxy", "10.0.0.1", "--user-header", "x-user"];
        let may = |arguments: &[&str], name: &'static str| {
            let access = access(arguments).unwrap();
            let peer = Peer("10.0.0.1".parse().unwrap());
            access.visitor(peer, &headers(&[("x-user", name)])).unwrap().token.is_some()
        };
        assert!(may(&[], "ada"), "on loopback everybody may");
        assert!(!may(&["--read-only"], "ada"));
        assert!(!may(&proxy, "ada"));
        let named = [&proxy[..], &["--operators", "ada,bob"]].concat();
        assert!(may(&named, "bob") && !may(&named, "eve"));
        assert!(!may(&[&named[..], &["--read-only"]].concat(), "ada"));
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let found = session(&headers(&[("cookie", "a=b; rapids_session=xyz; c=d")]));
        assert_eq!(found.as_deref(), Some("xyz"));
        assert_eq!(session(&headers(&[("cookie", "not_rapids_session=xyz")])), None);
    }
}
