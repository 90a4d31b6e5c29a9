//! Logins that change while a service is connected.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;
use serde_json::{Value, json};

use crate::harness::{Bench, called, config, echo, until};

/// A server that knows this nkey; whoever shows none is an administrator.
fn knows(key: &KeyPair) -> String {
    format!(
        "authorization {{ users: [{{user: admin, password: pw}}, {{nkey: {}}}] }}\n\
         no_auth_user: admin",
        key.public_key()
    )
}

/// What `path` is to hold for somebody who logs in with this key.
fn write_seed(path: &Path, key: &KeyPair) {
    fs::write(path, key.seed().unwrap()).unwrap();
}

#[tokio::test]
async fn an_nkey_that_was_replaced_on_disk_is_presented_at_the_next_connect() {
    let (old, new) = (KeyPair::new_user(), KeyPair::new_user());
    let file = tempfile::NamedTempFile::new().unwrap();
    write_seed(file.path(), &old);
    let bench = Bench::with_config(&knows(&old)).await;
    let service = Bench::service_of(bench.config().nkey_file(file.path()), "echo", [echo()]);
    let service = bench.run(service).await;
    let mut tail = bench.tail().await;
    bench.rapids.publish(called(1)).await.unwrap();
    tail.event("answered").await;

    write_seed(file.path(), &new);
    bench.server.reload(&knows(&new)).unwrap();
    bench.rapids.publish(called(2)).await.unwrap();
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(2));
    service.stop().await;
}

#[tokio::test]
async fn a_login_in_the_file_of_a_context_is_read_at_each_connect() {
    let token = |token: &str| format!("authorization {{ token: {token} }}");
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("nats/context");
    fs::create_dir_all(&folder).unwrap();
    let server = NatsServer::with_config(&token("old")).unwrap();
    let write = |token: &str| {
        let text = json!({"url": server.url(), "token": token});
        fs::write(folder.join("shop.json"), text.to_string()).unwrap();
    };
    write("old");
    let config = Config::from_variables(&|name| match name {
        "XDG_CONFIG_HOME" => Some(home.path().display().to_string()),
        "NATS_CONTEXT" => Some("shop".to_owned()),
        _ => None,
    });
    let rapids = Rapids::connect(&config.unwrap()).await.unwrap();
    write("new");
    server.reload(&token("new")).unwrap();
    until("it is in again", async || rapids.publish(called(1)).await.is_ok()).await;
}

#[tokio::test]
async fn answers_come_under_the_prefix_that_the_user_may_subscribe_to() {
    let permissions = "{ publish: \">\", subscribe: \"_INBOX_shop.>\" }";
    let user = format!("{{ user: bob, password: pw, permissions: {permissions} }}");
    let server = NatsServer::with_config(&format!("authorization {{ users: [{user}] }}")).unwrap();
    let connect = async |prefix: &str| {
        let config = Config::from_variables(&|name| match name {
            "NATS_URL" => Some(server.url()),
            "NATS_USER" => Some("bob".to_owned()),
            "NATS_PASSWORD" => Some("pw".to_owned()),
            "NATS_INBOX_PREFIX" => Some(prefix.to_owned()),
            _ => None,
        });
        Rapids::connect(&config.unwrap()).await
    };
    connect("_INBOX_shop").await.unwrap();
    let error = connect("").await.err().unwrap().to_string();
    assert!(error.contains("does not permit subscription to `_INBOX.>`"), "{error}");
}

/// A token as `nsc` makes it.
fn token(issuer: &KeyPair, subject: &KeyPair, nats: &Value, expires: Option<u64>) -> String {
    let mut claims = json!({
        "jti": subject.public_key(), "iat": 0, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"}).to_string();
    let part = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", part(header), part(claims.to_string()));
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An account, whose users log in with tokens.
struct Account(KeyPair);

impl Account {
    /// A server for it.
    fn start(&self) -> NatsServer {
        let operator = KeyPair::new_operator();
        let operators = json!({"type": "operator", "version": 2});
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1,
            "leaf": -1, "wildcards": true,
        });
        let mut storing = limits.clone();
        for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
            storing[limit] = json!(-1);
        }
        let system = KeyPair::new_account();
        let mut lines = format!("operator: {}\n", token(&operator, &operator, &operators, None));
        lines += &format!("resolver: MEMORY\nsystem_account: {}\n", system.public_key());
        lines += "resolver_preload: {\n";
        for (account, limits) in [(&self.0, storing), (&system, limits)] {
            let nats = json!({"type": "account", "version": 2, "limits": limits});
            let token = token(&operator, account, &nats, None);
            lines += &format!("{}: {token}\n", account.public_key());
        }
        lines.push('}');
        NatsServer::with_config(&lines).unwrap()
    }

    /// The content of a credentials file.
    fn credentials(&self, expires: Option<u64>) -> String {
        let user = KeyPair::new_user();
        let nats = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": {}, "sub": {},
        });
        let token = token(&self.0, &user, &nats, expires);
        let seed = user.seed().unwrap();
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

#[tokio::test]
async fn credentials_that_expire_are_read_again() {
    let account = Account(KeyPair::new_account());
    let server = account.start();
    let admin = tempfile::NamedTempFile::new().unwrap();
    fs::write(admin.path(), account.credentials(None)).unwrap();
    let administrator = config(&server.url()).credentials_file(admin.path());
    let rapids = Rapids::connect(&administrator).await.unwrap();
    let bench = Bench::over(server, rapids);

    let file = tempfile::NamedTempFile::new().unwrap();
    let expires = now() + 5;
    fs::write(file.path(), account.credentials(Some(expires))).unwrap();
    let service = Bench::service_of(bench.config().credentials_file(file.path()), "echo", [echo()]);
    let service = bench.run(service).await;
    fs::write(file.path(), account.credentials(None)).unwrap();
    let mut tail = bench.tail().await;
    until("they expire", async || now() > expires + 1).await;
    bench.rapids.publish(called(1)).await.unwrap();
    tail.event("answered").await;
    service.stop().await;
}
